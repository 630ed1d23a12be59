//! The key of this machine, and what is sealed with it because it has to be used again.

mod secret;

use std::fmt;
use std::path::Path;

use auth::account_file::{AccountName, Rid, SealedNtHash};
use auth::ntlm::NtHash;
use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

use crate::AccountsError;
use crate::state_file::{Secrecy, StateFile};

/// A key that is made at random once and does not leave the machine, so that a copy of a file with sealed secrets is
/// no list of them.
///
/// Whoever can read both files has the secrets: the key protects copies and backups of one of them, not against root,
/// or against the user whose service it is.
pub struct HostKey(LessSafeKey);

impl HostKey {
    /// Reads the key from the file `host-key` of the state directory, or makes it there.
    ///
    /// Of several processes that make it at the same time, all get the same.
    ///
    /// # Errors
    /// [`AccountsError`] if the file cannot be read or written, holds something else, or could be read or written by
    /// someone other than root and the user of this process.
    pub fn load_or_make(state: &Path) -> Result<Self, AccountsError> {
        if let Some(key) = Self::load(state)? {
            return Ok(key);
        }
        let file = StateFile::new(state, FILE, Secrecy::Secret);
        file.make(Zeroizing::new(crate::random::<OCTETS>()?).as_slice())?;
        // Another process may have been quicker.
        Self::load(state)?.ok_or_else(|| AccountsError::HostKey { path: file.path().to_owned() })
    }

    /// Reads the key; none if it was not made yet.
    ///
    /// # Errors
    /// Those of [`load_or_make`](Self::load_or_make).
    pub fn load(state: &Path) -> Result<Option<Self>, AccountsError> {
        let file = StateFile::new(state, FILE, Secrecy::Secret);
        let Some(octets) = file.read(ONE_TOO_MANY)? else { return Ok(None) };
        let wrong = || AccountsError::HostKey { path: file.path().to_owned() };
        // A file that was left empty by a full disk would be a key that everybody knows.
        if octets.len() != OCTETS || octets.iter().all(|octet| *octet == 0) {
            return Err(wrong());
        }
        let key = UnboundKey::new(&AES_256_GCM, &octets).map_err(|_| wrong())?;
        Ok(Some(Self(LessSafeKey::new(key))))
    }

    /// Seals the NT hash of an account. It opens in no other record than that of this name and RID.
    ///
    /// # Errors
    /// [`AccountsError::Randomness`] and [`AccountsError::Sealing`].
    pub fn seal_nt_hash(
        &self,
        hash: &NtHash,
        name: &AccountName,
        rid: Rid,
    ) -> Result<SealedNtHash, AccountsError> {
        let octets = self.seal_secret(hash.expose(), &nt_hash_of(name, rid))?;
        let parts = octets.split_first_chunk().and_then(|(nonce, rest)| Some((nonce, rest.first_chunk()?)));
        let (nonce, sealed) = parts.ok_or(AccountsError::Sealing)?;
        Ok(SealedNtHash { nonce: *nonce, sealed: *sealed })
    }

    /// The NT hash of an account; none if it was sealed with another key, or for another account.
    #[must_use]
    pub fn open_nt_hash(&self, sealed: &SealedNtHash, name: &AccountName, rid: Rid) -> Option<NtHash> {
        let octets = [sealed.nonce.as_slice(), &sealed.sealed].concat();
        let hash = self.open_secret(&octets, &nt_hash_of(name, rid))?;
        Some(NtHash::new(*hash.first_chunk()?))
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostKey(…)")
    }
}

/// What a sealed hash belongs to. No name has a NUL, so that no two accounts have one text.
fn nt_hash_of(name: &AccountName, rid: Rid) -> Vec<u8> {
    format!("nt-hash\0{}\0{rid}", name.key()).into_bytes()
}

const FILE: &str = "host-key";
const OCTETS: usize = 32;
/// So that a file that is too long is seen to be.
const ONE_TOO_MANY: u64 = 33;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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

    #[test]
    fn a_sealed_hash_opens_for_its_account_with_its_key_only() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = HostKey::load_or_make(here.path()).unwrap();
        let hash = NtHash::of_password(&Secret::new("s3cret".to_owned()));
        let sealed = key.seal_nt_hash(&hash, &name("Alice"), rid(0)).unwrap();
        let opens = |key: &HostKey, sealed: &SealedNtHash, whose: &str, number| {
            key.open_nt_hash(sealed, &name(whose), rid(number)).map(|opened| *opened.expose())
                == Some(*hash.expose())
        };
        assert!(opens(&key, &sealed, "Alice", 0) && opens(&key, &sealed, "alice", 0));
        assert!(!opens(&key, &sealed, "bob", 0), "it opens for another name");
        assert!(!opens(&key, &sealed, "alice", 1), "it opens for a later account of the same name");
        assert!(!opens(&HostKey::load_or_make(there.path()).unwrap(), &sealed, "alice", 0));
        for at in 0..32 {
            let mut changed = sealed;
            changed.sealed.get_mut(at).into_iter().for_each(|octet| *octet ^= 1);
            assert!(!opens(&key, &changed, "alice", 0), "octet {at} does not count");
        }
        let again = key.seal_nt_hash(&hash, &name("Alice"), rid(0)).unwrap();
        assert!(again.nonce != sealed.nonce && again.sealed != sealed.sealed, "equal passwords can be seen");
        assert!(!sealed.sealed.windows(4).any(|octets| hash.expose().starts_with(octets)));
    }

    #[test]
    fn a_machine_keeps_the_key_it_was_given_first_and_shows_it_to_nobody() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path();
        thread::scope(|scope| {
            let make = |_| scope.spawn(|| HostKey::load_or_make(path).unwrap());
            let keys: Vec<_> = (0..8).map(make).collect();
            let keys: Vec<HostKey> = keys.into_iter().map(|key| key.join().unwrap()).collect();
            let hash = NtHash::new([7; 16]);
            let sealed = keys.first().unwrap().seal_nt_hash(&hash, &name("a"), rid(0)).unwrap();
            assert!(keys.iter().all(|key| key.open_nt_hash(&sealed, &name("a"), rid(0)).is_some()));
        });
        let names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["host-key"]);
        let metadata = fs::metadata(path.join("host-key")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.len()), (0o600, 32));
        assert_eq!(format!("{:?}", HostKey::load_or_make(path).unwrap()), "HostKey(…)");
    }

    #[test]
    fn a_key_that_others_know_or_that_is_none_is_not_used() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("host-key");
        for octets in [vec![], vec![1; 31], vec![1; 33], vec![0; 32]] {
            fs::write(&path, &octets).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = HostKey::load_or_make(state.path()).unwrap_err();
            assert!(matches!(error, AccountsError::HostKey { .. }), "{octets:?}: {error}");
            assert_eq!(fs::read(&path).unwrap(), octets, "it was replaced");
        }
        fs::write(&path, [1; 32]).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = HostKey::load_or_make(state.path()).unwrap_err();
            assert!(matches!(error, AccountsError::Exposed { mode: found, .. } if found == mode), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(HostKey::load_or_make(state.path()).is_ok());
        fs::rename(&path, state.path().join("elsewhere")).unwrap();
        symlink("elsewhere", &path).unwrap();
        assert!(HostKey::load_or_make(state.path()).is_err(), "a link is followed");
        fs::remove_file(&path).unwrap();
        if std::os::unix::fs::chown(state.path().join("elsewhere"), Some(12_345), None).is_ok() {
            fs::rename(state.path().join("elsewhere"), &path).unwrap();
            let error = HostKey::load_or_make(state.path()).unwrap_err();
            assert!(matches!(error, AccountsError::Foreign { owner: 12_345, .. }), "{error}");
        }
    }
}
