//! Verification of servers.

use std::fmt;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use crate::HandshakeSignatures;

/// Decides whether a client accepts the certificate of a server.
///
/// The signature of the handshake is verified in any case.
pub trait ServerCertificateCheck: fmt::Debug + Send + Sync {
    /// Checks the certificate.
    ///
    /// # Errors
    /// The reason why it is rejected.
    fn check(&self, presented: &ServerCertificate<'_>) -> Result<(), Error>;
}

/// Certificate of a server, as presented in the handshake.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerCertificate<'h> {
    /// The server's own certificate.
    pub own: &'h CertificateDer<'h>,
    /// The other certificates that the server sent.
    pub intermediates: &'h [CertificateDer<'h>],
    /// Name that the client has connected to.
    pub name: &'h ServerName<'h>,
    /// Time of the handshake.
    pub now: UnixTime,
}

/// Connects a check to rustls.
#[derive(Debug)]
pub(crate) struct Verifier<C> {
    check: C,
    signatures: HandshakeSignatures,
}

impl<C> Verifier<C> {
    pub(crate) fn new(check: C) -> Self {
        Self { check, signatures: HandshakeSignatures::new() }
    }
}

impl<C: ServerCertificateCheck> ServerCertVerifier for Verifier<C> {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check.check(&ServerCertificate { own, intermediates, name, now })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
