//! Verification of server certificates.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::Thumbprint;

/// Verifies certificates by a [`TlsPolicy`](super::TlsPolicy).
///
/// The verifier of rustls checks issuer and name together; this one can skip either check.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) chain: Chain,
    /// Service certificates that are trusted directly.
    pub(super) exact: Vec<CertificateDer<'static>>,
    pub(super) pin: Option<Thumbprint>,
    pub(super) skip_name: bool,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// Required trust anchor of the certificate.
#[derive(Debug)]
pub(super) enum Chain {
    To(Arc<RootCertStore>),
    Skipped,
}

/// The certificate is not the pinned one.
#[derive(Debug, thiserror::Error)]
#[error("the certificate has the thumbprint {found} instead of the pinned one")]
pub(super) struct WrongPin {
    pub(super) found: String,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.require_pin(end_entity)?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        match &self.chain {
            Chain::To(roots) if !self.exact.contains(end_entity) => {
                self.verify_chain(&certificate, roots, intermediates, now).map_err(map_wrong_key)?;
            }
            // Without trust anchors verification always fails, but dates and purpose are checked before the issuer,
            // so that only an error about the issuer can be ignored.
            _ => match self.verify_chain(&certificate, &RootCertStore::empty(), &[], now) {
                Err(error) if !is_about_issuer(&error) => return Err(error),
                _ => {}
            },
        }
        if !self.skip_name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Verifier that records the presented certificate.
#[derive(Debug)]
pub(super) struct RecordingVerifier {
    pub(super) verifier: Verifier,
    pub(super) shown: Arc<OnceLock<CertificateDer<'static>>>,
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let _ = self.shown.set(end_entity.clone().into_owned());
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

impl Verifier {
    fn verify_chain(
        &self,
        certificate: &ParsedCertificate<'_>,
        roots: &RootCertStore,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(certificate, roots, intermediates, now, algorithms)
    }

    fn require_pin(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let (algorithm, pinned): (&'static Algorithm, &[u8]) = match &self.pin {
            None => return Ok(()),
            Some(Thumbprint::Sha1(pinned)) => (&SHA1_FOR_LEGACY_USE_ONLY, pinned),
            Some(Thumbprint::Sha256(pinned)) => (&SHA256, pinned),
        };
        let found = digest(algorithm, certificate);
        if found.as_ref() == pinned {
            return Ok(());
        }
        let found = found.as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
        Err(CertificateError::Other(OtherError(Arc::new(WrongPin { found }))).into())
    }
}

/// Treats an authority with the same name but another key as an unknown issuer.
fn map_wrong_key(error: Error) -> Error {
    match error {
        Error::InvalidCertificate(
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => CertificateError::UnknownIssuer.into(),
        other => other,
    }
}

/// Returns whether the only error is an unknown issuer, or a self-signed certificate that is marked as an authority,
/// as openssl creates it.
fn is_about_issuer(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}
