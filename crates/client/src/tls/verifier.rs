//! Verification of server certificates.

use std::sync::{Arc, OnceLock};

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, OtherError, RootCertStore};
use tls::{ServerCertificate, ServerCertificateCheck};

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

impl ServerCertificateCheck for Verifier {
    fn check(&self, presented: &ServerCertificate<'_>) -> Result<(), Error> {
        let ServerCertificate { own, intermediates, name, now, .. } = *presented;
        self.require_pin(own)?;
        let certificate = ParsedCertificate::try_from(own)?;
        match &self.chain {
            Chain::To(roots) if !self.exact.contains(own) => {
                verify_chain(&certificate, roots, intermediates, now).map_err(map_untrusted)?;
            }
            // Without trust anchors verification always fails, but dates and purpose are checked before the issuer,
            // so that only an error about the issuer can be ignored.
            _ => match verify_chain(&certificate, &RootCertStore::empty(), &[], now) {
                Err(error) if !is_about_issuer(&error) => return Err(error),
                _ => {}
            },
        }
        if !self.skip_name {
            verify_server_name(&certificate, name)?;
        }
        Ok(())
    }
}

/// Verifier that records the presented certificate.
#[derive(Debug)]
pub(super) struct RecordingVerifier {
    pub(super) verifier: Verifier,
    pub(super) shown: Arc<OnceLock<CertificateDer<'static>>>,
}

impl ServerCertificateCheck for RecordingVerifier {
    fn check(&self, presented: &ServerCertificate<'_>) -> Result<(), Error> {
        let _ = self.shown.set(presented.own.clone().into_owned());
        self.verifier.check(presented)
    }
}

impl Verifier {
    fn require_pin(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let found = match self.pin {
            None => return Ok(()),
            Some(Thumbprint::Sha1(_)) => Thumbprint::Sha1(tls::thumbprint::sha1(certificate)),
            Some(Thumbprint::Sha256(_)) => Thumbprint::Sha256(tls::thumbprint::sha256(certificate)),
        };
        if self.pin == Some(found) {
            return Ok(());
        }
        Err(CertificateError::Other(OtherError(Arc::new(WrongPin { found: found.to_string() }))).into())
    }
}

fn verify_chain(
    certificate: &ParsedCertificate<'_>,
    roots: &RootCertStore,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Error> {
    let algorithms = tls::signature_algorithms().all;
    verify_server_cert_signed_by_trust_anchor(certificate, roots, intermediates, now, algorithms)
}

/// Treats an authority with the same name but another key as an unknown issuer, and also a self-signed certificate that is
/// marked as an authority: it can be trusted as it is.
fn map_untrusted(error: Error) -> Error {
    match error {
        ref marked if is_about_issuer(marked) => CertificateError::UnknownIssuer.into(),
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
