//! Setup of Kerberos: keytab, and rules that map principals to accounts.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use kerberos::{Acceptors, Accounts, AuthToLocal, Library, Principal, PrincipalRules};
use rustix::fs::OFlags;

use crate::ntlm_setup;

/// Returns acceptors of Kerberos sign-ins; `None`, with a log record, if the library or a key is missing.
///
/// `table` is an optional file with a principal and its account per line.
pub(crate) fn acceptors(accounts: Arc<dyn Accounts>, table: Option<&Path>) -> Option<Acceptors> {
    match try_acceptors(accounts, table) {
        Ok(acceptors) => Some(acceptors),
        Err(error) => {
            let error = error.to_string().replace("\n  ", "; ");
            tracing::info!(error, "Kerberos is not offered");
            None
        }
    }
}

fn try_acceptors(
    accounts: Arc<dyn Accounts>,
    table: Option<&Path>,
) -> Result<Acceptors, Box<dyn std::error::Error>> {
    let library = Library::load()?;
    let realm = library.default_realm()?;
    let mut rules = PrincipalRules::new(accounts).allow_realm(&realm).auth_to_local(AuthToLocal::Followed);
    if let Some(path) = table {
        let listed = read(path).inspect_err(|error| {
            tracing::error!(%error, "Kerberos is disabled: invalid table of principals");
        })?;
        for (principal, account) in listed {
            rules = rules.map_principal(principal, &account);
        }
    }
    let acceptors = Acceptors::new(library, Arc::new(rules)).host_names(ntlm_setup::names());
    acceptors.check()?;
    Ok(acceptors)
}

/// Checks that the table of principals can be used, if it exists. Otherwise Kerberos is not offered.
///
/// # Errors
/// The reason, in one line.
pub(crate) fn check_table(path: &Path) -> Result<(), String> {
    read(path).map(drop).map_err(|error| error.to_string().replace("\n  ", "; "))
}

/// Reads lines of `PRINCIPAL ACCOUNT`. Empty lines and lines that begin with `#` are ignored. A missing file is empty.
fn read(path: &Path) -> Result<Vec<(Principal, String)>, Box<dyn std::error::Error>> {
    let text = match text_of(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot use {}: {error}", path.display()).into()),
    };
    let mut listed = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (None, ..) => {}
            (Some(word), ..) if word.starts_with('#') => {}
            (Some(principal), Some(account), None) => {
                let principal = Principal::parse(principal)
                    .map_err(|error| format!("{}, line {}: {error}", path.display(), number + 1))?;
                listed.push((principal, account.to_owned()));
            }
            _ => {
                let place = format!("{}, line {}", path.display(), number + 1);
                return Err(format!(
                    "{place}: expected PRINCIPAL ACCOUNT, such as ann/admin@LAB.EXAMPLE root"
                )
                .into());
            }
        }
    }
    Ok(listed)
}

/// Reads the table if no other user can have written it, because it can map principals to root.
fn text_of(path: &Path) -> io::Result<String> {
    /// Maximum size in bytes, enough for some ten thousand lines.
    const LARGEST: u64 = 1 << 20;
    let not_waiting = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(not_waiting).open(path)?;
    let metadata = file.metadata()?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(io::Error::other("not a regular file of at most 1 MiB"));
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "the file belongs to user {owner}; check its content, then run chown root"
        )));
    }
    if mode & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "the file has mode {mode:04o} and can be changed by other users; check its content, then run chmod go-w"
        )));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    #[test]
    fn a_table_that_other_users_can_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("principals");
        fn set_mode(path: &Path, mode: u32) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write(&path, "mallory@LAB.EXAMPLE root\n").unwrap();
        for mode in [0o666, 0o664, 0o622, 0o602] {
            set_mode(&path, mode);
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("can be changed by other users"), "{mode:o}: {error}");
        }
        set_mode(&path, 0o644);
        assert_eq!(read(&path).unwrap().len(), 1);
        // The target of a link is what counts.
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(read(&link).unwrap().len(), 1);
        if chown(&path, Some(12_345), None).is_ok() {
            for path in [&path, &link] {
                assert!(read(path).unwrap_err().to_string().contains("belongs to user 12345"));
            }
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("not a regular file"));
        fs::remove_dir(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(read(&path).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn errors_name_the_line_and_a_missing_table_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("principals");
        assert!(read(&path).unwrap().is_empty());
        std::fs::write(&path, "# principals\n\nann/admin@LAB.EXAMPLE  root\n").unwrap();
        let listed = read(&path).unwrap();
        assert_eq!(listed, [(Principal::parse("ann/admin@LAB.EXAMPLE").unwrap(), "root".to_owned())]);
        std::fs::write(&path, "ann@LAB.EXAMPLE\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("PRINCIPAL ACCOUNT"), "{error}");
    }
}
