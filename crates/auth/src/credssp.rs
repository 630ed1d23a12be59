//! CredSSP inside its TLS connection: prove the connection, then hand over a password (MS-CSSP).
//!
//! What comes and goes here is one `TSRequest` at a time, without TLS: whoever owns the connection encrypts it.
//! First a mechanism of SPNEGO, or one without it, proves who the client is. Then each end shows, protected by that
//! mechanism, that it sees the same key in the service's certificate: nobody stands between them. Only then does the
//! client hand over its credentials.

mod acceptor;
mod credentials;
mod initiator;
mod proof;
mod request;

pub use acceptor::{Acceptor, Delegation};
pub use credentials::PasswordCredentials;
pub use initiator::Initiator;
pub use proof::{Nonce, PublicKey};
pub use request::{TsRequest, Version};

use zeroize::Zeroizing;

use crate::{AuthError, SealError, SecurityContext};

/// Protects a part of a request: header and message in one piece.
fn wrap(context: &mut dyn SecurityContext, mut message: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, SealError> {
    let mut wrapped = context.seal(&mut message)?;
    wrapped.extend_from_slice(&message);
    Ok(wrapped)
}

/// Opens a part of a request.
fn unwrap(context: &mut dyn SecurityContext, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut opened = Zeroizing::new(wrapped.to_vec());
    context.unseal_whole(&mut opened)?;
    Ok(opened)
}

const AFTER_THE_END: AuthError = AuthError::Malformed("it comes after the end");
const NO_SEALING: AuthError = AuthError::Downgraded("messages that are sealed");
