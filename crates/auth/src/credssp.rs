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
///
/// Where NTLM's header ends is known; a token of Kerberos says so itself, wherever it is divided.
fn unwrap(context: &mut dyn SecurityContext, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (header, message) = wrapped.split_at_checked(NTLM_SIGNATURE).ok_or(SealError::Forged)?;
    // Room for all of it, in case the mechanism joins the two again.
    let mut opened = Zeroizing::new(Vec::with_capacity(wrapped.len()));
    opened.extend_from_slice(message);
    context.unseal(header, &mut opened)?;
    Ok(opened)
}

/// The length of what NTLM puts before a sealed message (MS-NLMP 2.2.2.9).
const NTLM_SIGNATURE: usize = 16;

const AFTER_THE_END: AuthError = AuthError::Malformed("it comes after the end");
const NO_SEALING: AuthError = AuthError::Downgraded("messages that are sealed");
