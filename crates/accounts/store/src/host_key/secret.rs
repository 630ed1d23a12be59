//! Sealing of secrets of any length with associated data.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce};
use zeroize::Zeroizing;

use super::HostKey;
use crate::AccountsError;

impl HostKey {
    /// Seals a secret with AES-256-GCM. `about` is authenticated with it: the secret opens only with the same value.
    ///
    /// # Errors
    /// [`AccountsError::Randomness`] and [`AccountsError::Sealing`].
    pub fn seal_secret(&self, secret: &[u8], about: &[u8]) -> Result<Vec<u8>, AccountsError> {
        let nonce: [u8; NONCE_LEN] = crate::random()?;
        // Full capacity from the start, so that growing leaves no copy of the secret in memory.
        let mut sealed = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(secret);
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(about), &mut *sealed)
            .map_err(|_| AccountsError::Sealing)?;
        Ok([nonce.as_slice(), sealed.as_slice()].concat())
    }

    /// Opens a secret that was sealed with this key and the same `about`; `None` otherwise.
    #[must_use]
    pub fn open_secret(&self, sealed: &[u8], about: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut octets = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::from(about), &mut octets).ok()?.len();
        octets.truncate(length);
        Some(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_with_its_key_and_associated_data() {
        let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = HostKey::load_or_create(here.path()).unwrap();
        let sealed = key.seal_secret(b"secret", b"ada").unwrap();
        assert!(!sealed.windows(6).any(|six| six == b"secret"));
        assert_ne!(sealed, key.seal_secret(b"secret", b"ada").unwrap());
        let again = HostKey::load_or_create(here.path()).unwrap();
        assert_eq!(again.open_secret(&sealed, b"ada").unwrap().as_slice(), b"secret");
        assert!(again.open_secret(&sealed, b"ben").is_none());
        let other = HostKey::load_or_create(elsewhere.path()).unwrap();
        assert!(other.open_secret(&sealed, b"ada").is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open_secret(&changed, b"ada").is_none(), "octet {at}");
            assert!(key.open_secret(&sealed[..at], b"ada").is_none(), "{at} octets");
        }
    }
}
