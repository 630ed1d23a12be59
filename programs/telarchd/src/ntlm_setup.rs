//! Setup of NTLM for accounts with an NT hash in the account file, and for accounts that winbind verifies.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use accounts::{AccountSource, AnyNtlm, FileAccounts, FileNtlm, HostKey, Winbind};
use auth::ntlm::{HostNames, NtlmVerifier};

use crate::arguments::Persistent;

/// Returns the NTLM verifier; `None`, with a log record, if there is no source of accounts.
///
/// # Errors
/// An error in the configuration of winbind.
pub(crate) fn verifier(
    arguments: &Persistent,
    accounts: &FileAccounts,
) -> Result<Option<Arc<dyn NtlmVerifier>>, Box<dyn Error>> {
    let mut sources: Vec<Arc<dyn NtlmVerifier>> = Vec::new();
    match HostKey::load_or_create(&arguments.paths.state) {
        Ok(key) => sources.push(Arc::new(FileNtlm::new(accounts.clone(), key, names()))),
        Err(error) => {
            let error = error.to_string().replace("\n  ", "; ");
            tracing::error!(error, "NTLM is disabled for accounts of the file");
        }
    }
    if let Some(winbind) = winbind(arguments)? {
        sources.push(Arc::new(winbind));
    }
    let accounts: Arc<dyn AccountSource> = Arc::new(accounts.clone());
    Ok((!sources.is_empty()).then(|| Arc::new(AnyNtlm::new(sources, accounts)) as _))
}

/// Returns winbind as an NTLM verifier, if it is enabled.
///
/// # Errors
/// An error in the configuration of winbind.
pub(crate) fn winbind(arguments: &Persistent) -> Result<Option<Winbind>, Box<dyn Error>> {
    let Some(scope) = arguments.winbind else { return Ok(None) };
    if !rustix::process::geteuid().is_root() {
        return Err("--winbind requires root".into());
    }
    let program = &arguments.ntlm_auth;
    if !program.exists() {
        let missing = "does not exist\n  install Samba's package winbind, or use --ntlm-auth";
        return Err(format!("{} {missing}", program.display()).into());
    }
    let mut winbind = Winbind::new(program, scope, names());
    for (theirs, ours) in read(&arguments.paths.config.with_file_name("domain-accounts"))? {
        winbind = winbind.map_account(&theirs, &ours);
    }
    Ok(Some(winbind))
}

/// Returns the names of this machine.
pub(crate) fn names() -> HostNames {
    HostNames::of_host(&rustix::system::uname().nodename().to_string_lossy())
}

/// Reads lines of `DOMAIN\\user ACCOUNT`. Empty lines and lines that begin with `#` are ignored. A missing file is
/// empty.
fn read(path: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display()).into()),
    };
    let mut listed = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim_start().starts_with('#')) {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [theirs, ours] if theirs.contains(['\\', '@']) => {
                listed.push(((*theirs).to_owned(), (*ours).to_owned()));
            }
            _ => {
                let form = "expected DOMAIN\\user ACCOUNT, such as CORP\\ann ann";
                return Err(format!("{}, line {line}: {form}", path.display()).into());
            }
        }
    }
    Ok(listed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_line_and_a_missing_table_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("domain-accounts");
        assert!(read(&path).unwrap().is_empty());
        std::fs::write(&path, "# accounts\n\nCORP\\Ann  ann\nbob@corp.example root\n").unwrap();
        let listed = read(&path).unwrap();
        let listed: Vec<_> = listed.iter().map(|(theirs, ours)| (theirs.as_str(), ours.as_str())).collect();
        assert_eq!(listed, [("CORP\\Ann", "ann"), ("bob@corp.example", "root")]);
        for wrong in ["ann ann", "CORP\\ann", "CORP\\ann ann root"] {
            std::fs::write(&path, format!("\n{wrong}\n")).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("line 2") && error.contains("CORP\\ann ann"), "{error}");
        }
    }
}
