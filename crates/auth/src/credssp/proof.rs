//! The proof that both ends see the same key (MS-CSSP 3.1.5).

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Version;
use crate::AuthError;

/// The key of the service's certificate: what its `subjectPublicKey` holds, which for RSA is a `RSAPublicKey`
/// (RFC 8017, A.1.1). Not the whole `SubjectPublicKeyInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(
    /// INVARIANT: not empty.
    Vec<u8>,
);

impl PublicKey {
    /// Takes the octets of the bit string.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] when there are none.
    pub fn new(octets: Vec<u8>) -> Result<Self, AuthError> {
        if octets.is_empty() {
            Err(AuthError::Malformed("a certificate without a key"))
        } else {
            Ok(Self(octets))
        }
    }
}

/// What the client adds to the proofs; random.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 32]);

impl Nonce {
    /// Takes random octets.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    pub(super) fn decode(octets: &[u8]) -> Result<Self, AuthError> {
        Ok(Self(octets.try_into().map_err(|_| AuthError::Malformed("a nonce that is not 32 octets"))?))
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

/// Who proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Service,
}

/// What one end shows the other about the key.
pub(super) fn proof(
    side: Side,
    version: Version,
    key: &PublicKey,
    nonce: Option<&Nonce>,
) -> Result<Zeroizing<Vec<u8>>, AuthError> {
    if version < Version::V5 {
        return Ok(Zeroizing::new(match side {
            Side::Client => key.0.clone(),
            Side::Service => plus_one(&key.0),
        }));
    }
    let nonce = nonce.ok_or(AuthError::Malformed("no nonce"))?;
    let direction: &[u8] = match side {
        Side::Client => b"CredSSP Client-To-Server Binding Hash\0",
        Side::Service => b"CredSSP Server-To-Client Binding Hash\0",
    };
    let hash = Sha256::new().chain_update(direction).chain_update(nonce.0).chain_update(&key.0).finalize();
    Ok(Zeroizing::new(hash.to_vec()))
}

/// Compares what was shown with what must be; `shown` is already known to come from the other end.
pub(super) fn matches(shown: &[u8], expected: &[u8]) -> Result<(), AuthError> {
    if bool::from(shown.ct_eq(expected)) { Ok(()) } else { Err(AuthError::ChannelBinding) }
}

/// The key with one added to its first octet, so that nobody can send back what came.
fn plus_one(key: &[u8]) -> Vec<u8> {
    let mut changed = key.to_vec();
    if let Some(first) = changed.first_mut() {
        *first = first.wrapping_add(1);
    }
    changed
}
