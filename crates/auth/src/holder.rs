//! Those who hold client certificates.

use crate::{Account, AuthError};

/// Somebody who has shown a client certificate on one connection, and whose account depends on what is asked for
/// (MS-WSMV 3.1.4.1.35).
///
/// Both questions may wait for the disk, or for another process.
pub trait Holder: Send {
    /// Whether there is any resource at all that the certificate leads to now.
    ///
    /// # Errors
    /// [`CertificateRefused`].
    fn consider(&mut self) -> Result<(), CertificateRefused>;

    /// Whose account the holder has where a resource is asked for. A message that names no resource asks for the
    /// empty one.
    ///
    /// # Errors
    /// [`CertificateRefused`].
    fn account(&mut self, resource: &str) -> Result<Account, CertificateRefused>;
}

/// A client certificate lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct CertificateRefused {
    /// Why, as far as records tell it.
    pub error: AuthError,
    /// The account it was mapped to, or else whom the certificate names; empty if it names nobody.
    pub claimed: String,
}

impl From<AuthError> for CertificateRefused {
    fn from(error: AuthError) -> Self {
        Self { error, claimed: String::new() }
    }
}
