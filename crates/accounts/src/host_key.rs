//! The key of this machine, under which secrets are kept that have to be used again.

mod secret;

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

use crate::AccountsError;

/// Seals secrets with AES-256-GCM, so that a copy of the file they are in opens on no other machine.
///
/// Whoever can read the state directory of the service can open them all the same: that is root, or the user whose
/// service it is.
pub struct HostKey(LessSafeKey);

impl HostKey {
    /// Reads the key from the file `host-key` of the state directory, or makes it there.
    ///
    /// Of several processes that make it at the same time, all get the same.
    ///
    /// # Errors
    /// [`AccountsError`] if the file cannot be read or written, holds something else, or could have been read by
    /// someone other than root and the user of this process.
    pub fn load_or_make(state: &Path) -> Result<Self, AccountsError> {
        let path = state.join("host-key");
        if let Some(key) = load(&path)? {
            return Ok(key);
        }
        let failed = |source| AccountsError::Disk { action: "write", path: path.clone(), source };
        let beside = state.join(format!(".host-key.{:016x}", u64::from_ne_bytes(crate::random()?)));
        let octets: Zeroizing<[u8; LENGTH]> = Zeroizing::new(crate::random()?);
        make(state, &path, &beside, octets.as_slice()).map_err(failed)?;
        // Another process may have been quicker.
        load(&path)?.ok_or_else(|| AccountsError::HostKey { path: path.clone() })
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostKey(…)")
    }
}

fn load(path: &Path) -> Result<Option<HostKey>, AccountsError> {
    let failed = |source| AccountsError::Disk { action: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(AccountsError::Foreign { path: path.to_owned(), owner });
    }
    if mode & 0o077 != 0 {
        return Err(AccountsError::Exposed { path: path.to_owned(), mode });
    }
    let wrong = || AccountsError::HostKey { path: path.to_owned() };
    let mut octets = Zeroizing::new(Vec::with_capacity(LENGTH + 1));
    let most = u64::try_from(LENGTH + 1).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut octets).map_err(failed)?;
    // A file that was left empty by a full disk would be a key that everybody knows.
    if octets.len() != LENGTH || octets.iter().all(|octet| *octet == 0) {
        return Err(wrong());
    }
    let key = UnboundKey::new(&AES_256_GCM, &octets).map_err(|_| wrong())?;
    Ok(Some(HostKey(LessSafeKey::new(key))))
}

/// Gives the whole file its name at once, unless something has it already.
fn make(state: &Path, path: &Path, beside: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    let linked =
        file.write_all(octets).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(beside, path));
    fs::remove_file(beside)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(state)?.sync_all(),
    }
}

const LENGTH: usize = 32;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_that_others_could_have_read_is_not_used() {
        let state = tempfile::tempdir().unwrap();
        HostKey::load_or_make(state.path()).unwrap();
        let path = state.path().join("host-key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(HostKey::load_or_make(state.path()), Err(AccountsError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for wrong in [vec![7; 31], vec![7; 33], vec![], vec![0; 32]] {
            fs::write(&path, wrong).unwrap();
            assert!(matches!(HostKey::load_or_make(state.path()), Err(AccountsError::HostKey { .. })));
        }
    }
}
