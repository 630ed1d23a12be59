//! Holders of client certificates.

use crate::{Account, AuthError, Identity, Scheme};

/// A client that has proven possession of a certificate's private key on one connection. Its account depends on the
/// requested resource (MS-WSMV 3.1.4.1.35).
///
/// Both methods may block on disk access or on another process.
pub trait Holder: Send {
    /// Checks that the certificate is mapped to an account for at least one resource.
    ///
    /// # Errors
    /// [`CertificateRefused`] if it is not, or if the certificate is not accepted.
    fn check_mapped(&mut self) -> Result<(), CertificateRefused>;

    /// Returns the account of the holder for a resource. A message without a resource URI uses the empty string.
    ///
    /// # Errors
    /// [`CertificateRefused`] if no mapping fits or the account may not sign in.
    fn account(&mut self, resource: &str) -> Result<Account, CertificateRefused>;
}

impl Identity {
    /// Authenticates the holder of a client certificate for a resource.
    ///
    /// The holder must be that of the certificate of this very connection. This may block as long as the authenticator
    /// does.
    ///
    /// # Errors
    /// [`CertificateRefused`] from the holder.
    pub fn by_certificate(resource: &str, holder: &mut dyn Holder) -> Result<Self, CertificateRefused> {
        Ok(Self::proven(holder.account(resource)?, Scheme::Certificate))
    }
}

/// A client certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct CertificateRefused {
    /// Reason, in the detail that audit records show.
    pub error: AuthError,
    /// Account name of the mapping, otherwise the first name in the certificate; empty if the certificate has no name.
    pub claimed: String,
}

impl From<AuthError> for CertificateRefused {
    fn from(error: AuthError) -> Self {
        Self { error, claimed: String::new() }
    }
}
