//! CredSSP inside its TLS connection: authentication, proof of the server's key, delegation of credentials (MS-CSSP).
//!
//! Input and output are single `TSRequest` messages without TLS; the owner of the connection encrypts them. First
//! SPNEGO, or a mechanism without it, authenticates the client. Then each end proves, protected by that mechanism, that
//! it sees the same public key in the service's certificate, which rules out a man in the middle. Only then does the
//! client send its credentials (MS-CSSP 3.1.5).

mod acceptor;
mod credentials;
mod initiator;
mod nonce;
mod proof;
mod request;

pub use acceptor::{Acceptor, Delegation};
pub use credentials::PasswordCredentials;
pub use initiator::Initiator;
pub use nonce::Nonce;
pub use proof::PublicKey;
pub use request::{TsRequest, Version};

use zeroize::Zeroizing;

use crate::{AuthError, SealError, SecurityContext};

/// Protects a field of a `TSRequest`; header and message form one token.
fn wrap(context: &mut dyn SecurityContext, mut message: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, SealError> {
    let mut wrapped = context.seal(&mut message)?;
    wrapped.extend_from_slice(&message);
    Ok(wrapped)
}

/// Opens a field of a `TSRequest`.
fn unwrap(context: &mut dyn SecurityContext, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut opened = Zeroizing::new(wrapped.to_vec());
    context.unseal_whole(&mut opened)?;
    Ok(opened)
}

const AFTER_END: AuthError = AuthError::Malformed("token after the end of the exchange");
const NO_SEALING: AuthError = AuthError::Downgraded("message sealing");
