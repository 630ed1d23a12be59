//! What must hold for any octets at all; fuzz targets and the corpus test call these.

pub(crate) mod toy;

use crate::account_file::smbpasswd;
use crate::account_file::{AccountFile, AccountName, Comment, NewAccount, SealedNtHash, Standing, UnixTime};
use crate::basic::{Login, authorization};
use crate::credssp::{self, PasswordCredentials, PublicKey, TsRequest, Version};
use crate::der::{self, Reader, element};
use crate::ntlm::oracle as ntlm;
use crate::spnego::{NegTokenInit, NegTokenResp};
use crate::{Acceptor as _, Oid, negotiate};

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
    let nt_hash = Some(SealedNtHash { nonce: [1; 12], sealed: [2; 32] });
    file.set_nt_hash(first.name.as_str(), nt_hash).expect("it is there");
    assert_eq!(reread(&file).find(first.name.as_str()).and_then(|record| record.nt_hash), nt_hash);
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

/// Lines of `smbpasswd` are read with names that accounts can have; a file is its lines.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn smbpasswd(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let lines: Vec<_> = text.lines().map(smbpasswd::parse_line).collect();
    let whole = smbpasswd::parse(text);
    assert!(whole.is_err() || lines.iter().all(Result::is_ok), "a file of a wrong line is read");
    for line in lines.into_iter().flatten().flatten() {
        match line {
            smbpasswd::Line::Account(entry) => {
                assert!(AccountName::parse(entry.name.as_str()).is_ok(), "{} is no name", entry.name);
            }
            smbpasswd::Line::Skipped { name, .. } => {
                assert!(!name.chars().any(char::is_control), "{name:?} disturbs the log");
            }
        }
    }
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

/// Elements of DER that are read, one inside the other, are written as the same octets.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn der(octets: &[u8]) {
    fn written(octets: &[u8], depth: u8) -> Option<Vec<u8>> {
        let mut reader = Reader::new(octets);
        let mut parts = Vec::new();
        while !reader.is_empty() {
            let found = reader.element().ok()?;
            // A primitive element may look like others by chance; then it must survive as these, too.
            let content = if depth < 16 { written(found.content, depth + 1) } else { None };
            parts.push(element(found.tag, &[content.as_deref().unwrap_or(found.content)]));
        }
        Some(parts.concat())
    }
    if let Some(written) = written(octets, 0) {
        assert_eq!(written, octets);
    }
    for number in [der::unsigned(octets), der::status(octets)].into_iter().flatten() {
        assert_eq!(der::only(&der::integer(number), der::Tag::INTEGER).and_then(der::unsigned), Ok(number));
    }
    if let Ok(oid) = Oid::decode(octets) {
        assert!(oid.octets() == octets && !oid.to_string().is_empty());
    }
}

/// Tokens of SPNEGO that are read are written so that they read back the same, and neither end finishes with a
/// peer that knows nothing.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn spnego_token(octets: &[u8]) {
    if let Ok(token) = NegTokenInit::decode(octets) {
        assert_eq!(NegTokenInit::decode(&token.encode()), Ok(token));
    }
    if let Ok(token) = NegTokenResp::decode(octets) {
        assert_eq!(NegTokenResp::decode(&token.encode()), Ok(token));
    }
    for mut acceptor in
        [negotiate::Acceptor::negotiate(Vec::new()), negotiate::Acceptor::kerberos(Vec::new())]
    {
        assert!(acceptor.step(octets).is_err(), "nothing was offered");
        assert!(acceptor.step(octets).is_err(), "an error is the end");
    }
}

/// Requests and credentials of CredSSP that are read are written so that they read back the same, and nobody is let
/// in who has not proven who they are.
///
/// # Panics
/// When the promise is broken; that is its purpose.
#[allow(clippy::expect_used)]
pub fn ts_request(octets: &[u8]) {
    if let Ok(request) = TsRequest::decode(octets) {
        assert_eq!(TsRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(credentials) = PasswordCredentials::decode(octets) {
        let again = PasswordCredentials::decode(&credentials.encode()).expect("what we write, we read");
        assert_eq!((again.domain(), again.user()), (credentials.domain(), credentials.user()));
        assert!(again.password().matches(credentials.password()));
    }
    let inner = Box::new(negotiate::Acceptor::negotiate(Vec::new()));
    let key = PublicKey::new(vec![1]).expect("a key");
    let mut acceptor = credssp::Acceptor::new(inner, key, Version::V2);
    assert!(acceptor.step(octets).is_err(), "nothing was offered");
    assert!(acceptor.refusal().is_none_or(|refusal| TsRequest::decode(&refusal).is_ok()));
}
