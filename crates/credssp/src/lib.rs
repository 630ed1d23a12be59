//! CredSSP authentication scheme (MS-CSSP): consumes and produces the tokens of HTTP headers.
//!
//! A token contains data of a TLS connection in memory, which is independent of HTTPS: first its handshake, then the
//! requests of [`auth::credssp`]. After authentication, the same connection seals message bodies as a
//! [`SecurityContext`](auth::SecurityContext).
//!
//! [`Acceptor`] is the service side and uses a [`ServiceCertificate`]; [`Initiator`] is the client side. Each handles
//! one authentication. The caller must decide beforehand which services may receive the password.

mod acceptor;
mod certificate;
mod context;
mod initiator;
mod tls;

pub use acceptor::Acceptor;
pub use certificate::ServiceCertificate;
pub use initiator::Initiator;

use auth::AuthError;

/// Reason why CredSSP cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredSspError {
    /// The certificate is malformed, or clients do not support its key.
    #[error("cannot use the CredSSP certificate: {0}")]
    Certificate(&'static str),
    /// The text does not contain a certificate and its key.
    #[error("cannot use the CredSSP certificate: {0}")]
    Pem(#[from] ::tls::PemError),
    /// TLS rejects the certificate or the key.
    #[error("cannot set up TLS for CredSSP: {0}")]
    Tls(#[from] rustls::Error),
}

/// Maximum number of tokens in one authentication.
const MAX_TOKENS: u8 = 10;

/// Maximum token length in bytes; HTTP headers are limited accordingly.
const MAX_TOKEN: usize = 64 * 1024;

const TOO_LONG: AuthError = AuthError::Malformed("too many tokens, or a token longer than 64 KiB");
const AFTER_END: AuthError = AuthError::Malformed("token after the end of the exchange");
