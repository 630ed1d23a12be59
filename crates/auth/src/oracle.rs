//! What must hold for any octets at all; fuzz targets and the corpus test call these.

pub(crate) mod toy;

use crate::account_file::{AccountFile, AccountName, Comment, NewAccount, Standing, UnixTime};
use crate::basic::{Login, authorization};
use crate::ntlm::oracle as ntlm;

/// A login that is read is written so that it reads back the same.
///
/// # Panics
/// When the promise is broken; that is its purpose.
#[allow(clippy::expect_used)]
pub fn login(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(login) = Login::parse(text) else { return };
    let value = authorization(&login.user, &login.password);
    let again =
        Login::parse(value.strip_prefix("Basic ").unwrap_or_default()).expect("what we write, we read");
    assert_eq!(again.user, login.user);
    assert!(again.password.matches(&login.password));
}

/// A file of accounts that is read is written and changed so that it reads back the same.
///
/// # Panics
/// When the promise is broken; that is its purpose.
#[allow(clippy::expect_used)]
pub fn account_file(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(mut file) = AccountFile::parse(text) else { return };
    let reread = |file: &AccountFile| AccountFile::parse(&file.to_string()).expect("what we write, we read");
    assert_eq!(reread(&file).to_string(), file.to_string());

    let Some(first) = file.records().next().cloned() else { return };
    let found = file.find(&first.name.as_str().to_lowercase()).map(|record| record.rid);
    assert_eq!(found, Some(first.rid));
    file.set_standing(first.name.as_str(), Standing::Disabled).expect("it is there");
    assert!(reread(&file).records().any(|record| record.standing == Standing::Disabled));
    file.remove(first.name.as_str()).expect("it is there");
    assert!(reread(&file).find(first.name.as_str()).is_none());

    let name = AccountName::parse("newcomer").expect("a name");
    let (role, changed, comment) = (file.usual_role(), UnixTime::new(0), Comment::default());
    let Ok(rid) = file.add(NewAccount { name, password: first.password, role, changed, comment }) else {
        return;
    };
    assert!(rid > first.rid, "{rid} was given away before");
    assert_eq!(reread(&file).find("Newcomer").map(|record| record.rid), Some(rid));
}

/// A message of NTLM that is read is written so that it reads back the same.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn ntlm_message(octets: &[u8]) {
    ntlm::message(octets);
}

/// Whatever a client of NTLM sends, before and after the challenge, nobody but the one account there is gets in,
/// and nobody twice.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn ntlm_acceptor(octets: &[u8]) {
    ntlm::acceptor(octets);
}

/// Whatever a service of NTLM sends as its challenge, what our client answers can be read.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn ntlm_initiator(octets: &[u8]) {
    ntlm::initiator(octets);
}

/// A context of NTLM that is imported exports as the same octets, and works.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn ntlm_context(octets: &[u8]) {
    ntlm::context(octets);
}
