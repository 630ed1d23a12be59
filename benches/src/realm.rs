//! A private Kerberos realm for measurements that need one.
//!
//! MIT Kerberos finds its realm by environment variables, so the program starts itself again with them.

use std::process::{Command, ExitCode};

use peers::{Kdc, Keys};

use crate::Result;
use crate::telarchd::{PASSWORD, USER};

/// Environment variables that make a process use the realm.
pub(crate) const VARIABLES: [&str; 6] =
    ["KRB5_CONFIG", "KRB5_KDC_PROFILE", "KRB5_KTNAME", "KRB5_CLIENT_KTNAME", "KRB5CCNAME", "KRB5RCACHENAME"];

/// Returns whether this process uses a private realm.
pub(crate) fn is_here() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs this program again in a new realm in which [`USER`] has a ticket. Returns `None` if this process uses a realm
/// already or no realm can be set up.
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
