//! HMAC with the hash functions of the encryption types (RFC 2104).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use super::EncryptionType;

/// An HMAC computation; in its initial state it represents the key.
#[derive(Clone)]
pub(crate) enum Mac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
}

impl Mac {
    /// Creates an HMAC. Keys of any length are accepted, so the result is always `Some`.
    pub(crate) fn new(kind: EncryptionType, key: &[u8]) -> Option<Self> {
        match kind {
            EncryptionType::Aes128Sha1 | EncryptionType::Aes256Sha1 => {
                Hmac::new_from_slice(key).ok().map(Self::Sha1)
            }
            EncryptionType::Aes128Sha256 => Hmac::new_from_slice(key).ok().map(Self::Sha256),
            EncryptionType::Aes256Sha384 => Hmac::new_from_slice(key).ok().map(Self::Sha384),
        }
    }

    pub(crate) fn update(&mut self, octets: &[u8]) {
        match self {
            Self::Sha1(mac) => mac.update(octets),
            Self::Sha256(mac) => mac.update(octets),
            Self::Sha384(mac) => mac.update(octets),
        }
    }

    /// Returns the complete HMAC, which most encryption types truncate.
    pub(crate) fn tag(self) -> Vec<u8> {
        match self {
            Self::Sha1(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha256(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha384(mac) => mac.finalize().into_bytes().to_vec(),
        }
    }
}
