//! Random values in the proofs of CredSSP.

use std::fmt;

use crate::AuthError;

/// Random value that the client adds to the proofs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 32]);

impl Nonce {
    /// Takes random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    pub(super) fn decode(octets: &[u8]) -> Result<Self, AuthError> {
        Ok(Self(octets.try_into().map_err(|_| AuthError::Malformed("nonce is not 32 bytes"))?))
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(…)")
    }
}
