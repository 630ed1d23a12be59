//! The key of this machine, under which secrets are kept that have to be used again.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::AccountsError;

/// Seals secrets with AES-256-GCM, so that a copy of the file they are in opens on no other machine.
///
/// Whoever can read the state directory of the service can open them all the same: that is root, or the user whose
/// service it is.
pub struct HostKey(RandomizedNonceKey);

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

    /// Seals a secret so that it opens only together with what it is about.
    ///
    /// # Errors
    /// [`AccountsError::Sealing`].
    pub fn seal(&self, secret: &[u8], about: &[u8]) -> Result<Vec<u8>, AccountsError> {
        // Reserved at once, so that growing leaves no copy behind.
        let mut sealed = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(secret);
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(about), &mut *sealed)
            .map_err(|_| AccountsError::Sealing)?;
        Ok([nonce.as_ref().as_slice(), sealed.as_slice()].concat())
    }

    /// Opens what was sealed with this key, unchanged, about the same.
    #[must_use]
    pub fn open(&self, sealed: &[u8], about: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut octets = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::from(about), &mut octets).ok()?.len();
        octets.truncate(length);
        Some(octets)
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
    if octets.len() != LENGTH {
        return Err(wrong());
    }
    RandomizedNonceKey::new(&AES_256_GCM, &octets).map(|key| Some(HostKey(key))).map_err(|_| wrong())
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
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_about_the_same_only() {
        let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = HostKey::load_or_make(here.path()).unwrap();
        let sealed = key.seal(b"secret", b"ada").unwrap();
        assert!(!sealed.windows(6).any(|six| six == b"secret"));
        assert_ne!(sealed, key.seal(b"secret", b"ada").unwrap());
        let again = HostKey::load_or_make(here.path()).unwrap();
        assert_eq!(again.open(&sealed, b"ada").unwrap().as_slice(), b"secret");
        assert!(again.open(&sealed, b"ben").is_none());
        let other = HostKey::load_or_make(elsewhere.path()).unwrap();
        assert!(other.open(&sealed, b"ada").is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(&changed, b"ada").is_none(), "octet {at}");
            assert!(key.open(&sealed[..at], b"ada").is_none(), "{at} octets");
        }
    }

    #[test]
    fn a_key_that_others_could_have_read_is_not_used() {
        let state = tempfile::tempdir().unwrap();
        HostKey::load_or_make(state.path()).unwrap();
        let path = state.path().join("host-key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(HostKey::load_or_make(state.path()), Err(AccountsError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for wrong in [31, 33, 0] {
            fs::write(&path, vec![7; wrong]).unwrap();
            assert!(matches!(HostKey::load_or_make(state.path()), Err(AccountsError::HostKey { .. })));
        }
    }
}
