//! CredSSP for the scheme of that name: tokens of HTTP headers in, tokens of HTTP headers out.
//!
//! A token is whatever a TLS connection has to say at that point: first its handshake, then the requests of
//! [`auth::credssp`]. The connection is made in memory and has nothing to do with that of HTTPS. Once the client is
//! let in, the same connection seals the bodies of messages: it is the [`SecurityContext`](auth::SecurityContext).
//!
//! [`Acceptor`] is the service's end and takes a [`ServiceCertificate`]; [`Initiator`] is the client's. Each is good
//! for one authentication. To whom a client may hand over a password is for its caller to decide, before.

mod acceptor;
mod certificate;
mod context;
mod initiator;
mod tls;

pub use acceptor::Acceptor;
pub use certificate::ServiceCertificate;
pub use initiator::Initiator;

use auth::AuthError;

/// Why CredSSP cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredSspError {
    /// The certificate cannot be read, or its key is not one that clients take.
    #[error("the certificate for CredSSP cannot be used: {0}")]
    Certificate(&'static str),
    /// Certificate and key do not work together, or not for TLS.
    #[error("TLS for CredSSP cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// An authentication that goes on after so many tokens goes nowhere.
const MOST_TOKENS: u8 = 10;

/// The largest token that is looked at; a header has no room for more.
const MOST_OCTETS: usize = 64 * 1024;

const TOO_LONG: AuthError = AuthError::Malformed("one token too many, or longer than 64 KiB");
const AFTER_THE_END: AuthError = AuthError::Malformed("it comes after the end");
