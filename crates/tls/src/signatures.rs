//! Signatures of handshakes.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::CertificateDer;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// Verifies that the peer possesses the private key of its certificate.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeSignatures(WebPkiSupportedAlgorithms);

impl HandshakeSignatures {
    /// Verifies with the algorithms of [`provider`](crate::provider).
    #[must_use]
    pub fn new() -> Self {
        Self(crate::signature_algorithms())
    }

    /// Verifies the signature in a handshake of TLS 1.2.
    ///
    /// # Errors
    /// [`Error`] if the signature does not match, or its scheme is not accepted.
    pub fn verify_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    /// Verifies the signature in a handshake of TLS 1.3.
    ///
    /// # Errors
    /// [`Error`] if the signature does not match, or its scheme is not accepted.
    pub fn verify_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    /// Returns the accepted schemes.
    #[must_use]
    pub fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl Default for HandshakeSignatures {
    fn default() -> Self {
        Self::new()
    }
}
