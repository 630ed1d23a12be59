//! The host key, and the secrets that are sealed with it because the service needs them in clear text.

mod secret;

use std::fmt;
use std::path::Path;

use auth::account_file::{AccountName, LinuxPassword, Rid, SealedNtHash};
use auth::ntlm::NtHash;
use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

use crate::AccountsError;
use crate::state_file::{Secrecy, StateFile};

/// AES-256-GCM key that is generated at random once and stays on this machine, so that a copy of a file with sealed
/// secrets does not reveal them.
///
/// Anyone who can read both files can read the secrets. The key protects copies and backups of one of them; it does not
/// protect against root, or against the user who runs the service.
pub struct HostKey(LessSafeKey);

impl HostKey {
    /// Reads the key from the file `host-key` of the state directory, or generates it there.
    ///
    /// If several processes generate it at the same time, all get the same key.
    ///
    /// # Errors
    /// [`AccountsError`] if the file cannot be read or written, is malformed, or could be read or written by users
    /// other than root and the user of this process.
    pub fn load_or_create(state: &Path) -> Result<Self, AccountsError> {
        if let Some(key) = Self::load(state)? {
            return Ok(key);
        }
        let file = StateFile::new(state, FILE, Secrecy::Secret);
        file.make(Zeroizing::new(crate::random::<KEY_LENGTH>()?).as_slice())?;
        // Another process may have been faster; its key wins.
        Self::load(state)?.ok_or_else(|| AccountsError::HostKey { path: file.path().to_owned() })
    }

    /// Reads the key; `None` if it has not been generated yet.
    ///
    /// # Errors
    /// As for [`load_or_create`](Self::load_or_create).
    pub fn load(state: &Path) -> Result<Option<Self>, AccountsError> {
        let file = StateFile::new(state, FILE, Secrecy::Secret);
        let Some(octets) = file.read(READ_LIMIT)? else { return Ok(None) };

        // A file of zeros, as a full disk may leave it, would be a well-known key.
        if octets.len() != KEY_LENGTH || octets.iter().all(|octet| *octet == 0) {
            return Err(AccountsError::HostKey { path: file.path().to_owned() });
        }
        let key = UnboundKey::new(&AES_256_GCM, &octets)
            .map_err(|_| AccountsError::HostKey { path: file.path().to_owned() })?;
        Ok(Some(Self(LessSafeKey::new(key))))
    }

    /// Seals the NT hash of an account. The name and RID of the account are authenticated with it, so that it opens in
    /// no other record.
    ///
    /// # Errors
    /// [`AccountsError::Randomness`] and [`AccountsError::Sealing`].
    pub fn seal_nt_hash(
        &self,
        hash: &NtHash,
        name: &AccountName,
        rid: Rid,
    ) -> Result<SealedNtHash, AccountsError> {
        self.seal_nt_hash_of(hash, name, rid, None)
    }

    /// Seals the NT hash of the password of a Linux user. The identification of the password is authenticated as well,
    /// so that the hash of an old password cannot be presented as that of the current one.
    ///
    /// # Errors
    /// [`AccountsError::Randomness`] and [`AccountsError::Sealing`].
    pub fn seal_linux_nt_hash(
        &self,
        hash: &NtHash,
        name: &AccountName,
        rid: Rid,
        password: LinuxPassword,
    ) -> Result<SealedNtHash, AccountsError> {
        self.seal_nt_hash_of(hash, name, rid, Some(password))
    }

    fn seal_nt_hash_of(
        &self,
        hash: &NtHash,
        name: &AccountName,
        rid: Rid,
        linux: Option<LinuxPassword>,
    ) -> Result<SealedNtHash, AccountsError> {
        let octets = self.seal_secret(hash.expose(), &nt_hash_of(name, rid, linux))?;
        let parts = octets.split_first_chunk().and_then(|(nonce, rest)| Some((nonce, rest.first_chunk()?)));
        let (nonce, sealed) = parts.ok_or(AccountsError::Sealing)?;
        Ok(SealedNtHash { nonce: *nonce, sealed: *sealed, linux })
    }

    /// Opens the NT hash of an account; `None` if it was sealed with another key or for another account.
    #[must_use]
    pub fn open_nt_hash(&self, sealed: &SealedNtHash, name: &AccountName, rid: Rid) -> Option<NtHash> {
        let octets = [sealed.nonce.as_slice(), &sealed.sealed].concat();
        let hash = self.open_secret(&octets, &nt_hash_of(name, rid, sealed.linux))?;
        Some(NtHash::new(*hash.first_chunk()?))
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostKey(…)")
    }
}

/// Returns the data that is authenticated with a sealed hash. Names contain no NUL, so that it is unique per account.
fn nt_hash_of(name: &AccountName, rid: Rid, linux: Option<LinuxPassword>) -> Vec<u8> {
    let mut about = format!("nt-hash\0{}\0{rid}", name.key());
    if let Some(linux) = linux {
        about += &format!("\0linux\0{linux}");
    }
    about.into_bytes()
}

const FILE: &str = "host-key";
const KEY_LENGTH: usize = 32;
/// Read limit that detects files that are too long.
const READ_LIMIT: u64 = 33;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::thread;

    use auth::Secret;

    use super::*;

    fn name(text: &str) -> AccountName {
        AccountName::parse(text).unwrap()
    }

    fn rid(number: u32) -> Rid {
        Rid::new(Rid::FIRST.number() + number).unwrap()
    }

    fn opened(key: &HostKey, sealed: &SealedNtHash, account: &str, number: u32) -> Option<[u8; 16]> {
        key.open_nt_hash(sealed, &name(account), rid(number)).map(|hash| *hash.expose())
    }

    #[test]
    fn a_sealed_hash_opens_only_for_its_account_and_key() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = HostKey::load_or_create(here.path()).unwrap();
        let hash = NtHash::of_password(&Secret::new("s3cret".to_owned()));
        let sealed = key.seal_nt_hash(&hash, &name("Alice"), rid(0)).unwrap();
        assert_eq!(opened(&key, &sealed, "Alice", 0), Some(*hash.expose()));
        assert_eq!(opened(&key, &sealed, "alice", 0), Some(*hash.expose()));
        assert_eq!(opened(&key, &sealed, "bob", 0), None, "opened for another name");
        assert_eq!(opened(&key, &sealed, "alice", 1), None, "opened for a later account of the same name");
        let other_key = HostKey::load_or_create(there.path()).unwrap();
        assert_eq!(opened(&other_key, &sealed, "alice", 0), None);
        for at in 0..32 {
            let mut changed = sealed;
            changed.sealed.get_mut(at).into_iter().for_each(|octet| *octet ^= 1);
            assert_eq!(opened(&key, &changed, "alice", 0), None, "a change of octet {at} was not detected");
        }
        let again = key.seal_nt_hash(&hash, &name("Alice"), rid(0)).unwrap();
        assert!(
            again.nonce != sealed.nonce && again.sealed != sealed.sealed,
            "equal passwords are recognisable"
        );
        assert!(!sealed.sealed.windows(4).any(|octets| hash.expose().starts_with(octets)));
    }

    #[test]
    fn the_hash_of_a_linux_password_opens_only_for_that_password() {
        let state = tempfile::tempdir().unwrap();
        let key = HostKey::load_or_create(state.path()).unwrap();
        let (old, new) = (LinuxPassword::new("ann", 1000, "$y$a"), LinuxPassword::new("ann", 1000, "$y$b"));
        let sealed = key.seal_linux_nt_hash(&NtHash::new([7; 16]), &name("ann"), rid(0), old).unwrap();
        assert_eq!(opened(&key, &sealed, "ann", 0), Some([7; 16]));
        for linux in [Some(new), None] {
            assert_eq!(opened(&key, &SealedNtHash { linux, ..sealed }, "ann", 0), None, "{linux:?}");
        }
    }

    #[test]
    fn the_first_key_is_kept_and_has_mode_0600() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path();
        thread::scope(|scope| {
            let keys: Vec<_> =
                (0..8).map(|_| scope.spawn(|| HostKey::load_or_create(path).unwrap())).collect();
            let keys: Vec<HostKey> = keys.into_iter().map(|key| key.join().unwrap()).collect();
            let hash = NtHash::new([7; 16]);
            let sealed = keys.first().unwrap().seal_nt_hash(&hash, &name("a"), rid(0)).unwrap();
            assert!(keys.iter().all(|key| key.open_nt_hash(&sealed, &name("a"), rid(0)).is_some()));
        });
        let names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["host-key"]);
        let metadata = fs::metadata(path.join("host-key")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.len()), (0o600, 32));
        assert_eq!(format!("{:?}", HostKey::load_or_create(path).unwrap()), "HostKey(…)");
    }

    #[test]
    fn a_malformed_or_exposed_key_is_rejected() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("host-key");
        for octets in [vec![], vec![1; 31], vec![1; 33], vec![0; 32]] {
            fs::write(&path, &octets).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = HostKey::load_or_create(state.path()).unwrap_err();
            assert!(matches!(error, AccountsError::HostKey { .. }), "{octets:?}: {error}");
            assert_eq!(fs::read(&path).unwrap(), octets, "the file was replaced");
        }
        fs::write(&path, [1; 32]).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = HostKey::load_or_create(state.path()).unwrap_err();
            assert!(matches!(error, AccountsError::Exposed { mode: found, .. } if found == mode), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(HostKey::load_or_create(state.path()).is_ok());
        fs::rename(&path, state.path().join("elsewhere")).unwrap();
        symlink("elsewhere", &path).unwrap();
        assert!(HostKey::load_or_create(state.path()).is_err(), "a symbolic link was followed");
        fs::remove_file(&path).unwrap();
        if std::os::unix::fs::chown(state.path().join("elsewhere"), Some(12_345), None).is_ok() {
            fs::rename(state.path().join("elsewhere"), &path).unwrap();
            let error = HostKey::load_or_create(state.path()).unwrap_err();
            assert!(matches!(error, AccountsError::Foreign { owner: 12_345, .. }), "{error}");
        }
    }
}
