//! A Kerberos realm of one's own for the measurements that take one.
//!
//! MIT Kerberos finds its realm by variables of the process, so the program starts itself again with them.

use std::process::{Command, ExitCode};

use peers::{Kdc, Keys};

use crate::Result;
use crate::telarchd::{PASSWORD, USER};

/// The variables that make a process belong to a realm.
pub(crate) const VARIABLES: [&str; 6] =
    ["KRB5_CONFIG", "KRB5_KDC_PROFILE", "KRB5_KTNAME", "KRB5_CLIENT_KTNAME", "KRB5CCNAME", "KRB5RCACHENAME"];

/// Whether this process belongs to a realm of its own.
pub(crate) fn is_here() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs this program again in a new realm, where [`USER`] has a ticket; none if it runs in one, or cannot have one.
pub(crate) fn again() -> Result<Option<ExitCode>> {
    if is_here() {
        return Ok(None);
    }
    let Some(kdc) = Kdc::start(Keys::AesSha1) else { return Ok(None) };
    let realm = kdc.realm();
    let keytab = realm.path("bench.keytab").display().to_string();
    realm.kadmin(&format!("addprinc -pw {PASSWORD} {USER}"));
    realm.kadmin(&format!("ktadd -norandkey -k {keytab} {USER}"));
    realm.run("kinit", &["-k", "-t", &keytab, USER]);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).envs(realm.environment()).env(MARK, "1");
    let status = command.status()?;
    Ok(Some(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1).into()))
}

const MARK: &str = "TELARCH_BENCHES_REALM";
