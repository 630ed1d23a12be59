//! Proof that both ends see the same public key (MS-CSSP 3.1.5).

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Nonce, Version};
use crate::AuthError;

/// Public key of the service's certificate: the content of `subjectPublicKey`, for RSA a `RSAPublicKey` (RFC 8017
/// A.1.1), not the whole `SubjectPublicKeyInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(
    /// INVARIANT: not empty.
    Vec<u8>,
);

impl PublicKey {
    /// Takes the content of the bit string.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if it is empty.
    pub fn new(octets: Vec<u8>) -> Result<Self, AuthError> {
        if octets.is_empty() {
            Err(AuthError::Malformed("certificate without a public key"))
        } else {
            Ok(Self(octets))
        }
    }
}

/// Prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Service,
}

/// Computes the proof of one end.
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
    let nonce = nonce.ok_or(AuthError::Malformed("missing nonce"))?;
    let direction: &[u8] = match side {
        Side::Client => b"CredSSP Client-To-Server Binding Hash\0",
        Side::Service => b"CredSSP Server-To-Client Binding Hash\0",
    };
    let hash =
        Sha256::new().chain_update(direction).chain_update(nonce.octets()).chain_update(&key.0).finalize();
    Ok(Zeroizing::new(hash.to_vec()))
}

/// Compares a proof with the expected value. `shown` is already known to come from the other end.
pub(super) fn verify(shown: &[u8], expected: &[u8]) -> Result<(), AuthError> {
    if bool::from(shown.ct_eq(expected)) { Ok(()) } else { Err(AuthError::ChannelBinding) }
}

/// Returns the key with its first byte incremented, so that the client's proof cannot be reflected.
fn plus_one(key: &[u8]) -> Vec<u8> {
    let mut changed = key.to_vec();
    if let Some(first) = changed.first_mut() {
        *first = first.wrapping_add(1);
    }
    changed
}
