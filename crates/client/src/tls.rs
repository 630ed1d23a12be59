//! Which services are trusted over TLS.

mod verifier;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ProtocolVersion, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{ClientCertificate, Handshake, ShownCertificate};
use verifier::{Chain, Verifier, Watched, WrongPin};

/// What a certificate must prove. By default everything: an authority of this system, the name, the dates.
///
/// The dates, the purpose of the certificate and the signature of the handshake are always checked.
#[derive(Clone, Debug, Default)]
pub struct TlsPolicy {
    authorities: Option<PathBuf>,
    pin: Option<Thumbprint>,
    skip_ca: bool,
    skip_name: bool,
}

impl TlsPolicy {
    /// Everything is checked.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the certificates of a PEM file too, beside the authorities of this system.
    ///
    /// A certificate of a service itself may be among them.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities = Some(path.into());
        self
    }

    /// Accepts a certificate whoever signed it; its name and dates are still checked.
    #[must_use]
    pub fn skip_ca(mut self) -> Self {
        self.skip_ca = true;
        self
    }

    /// Accepts a certificate whatever name it bears; who signed it is still checked.
    #[must_use]
    pub fn skip_name(mut self) -> Self {
        self.skip_name = true;
        self
    }

    /// Accepts no certificate but the one of this thumbprint.
    ///
    /// A SHA-256 thumbprint stands in for an authority. A SHA-1 thumbprint does not, because SHA-1 is
    /// broken: give it together with [`Self::skip_ca`] if the certificate has no authority behind it.
    #[must_use]
    pub fn pin(mut self, thumbprint: Thumbprint) -> Self {
        self.pin = Some(thumbprint);
        self
    }
}

/// The digest of a certificate, by which Windows tells certificates apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thumbprint {
    /// 40 hexadecimal digits.
    Sha1([u8; 20]),
    /// 64 hexadecimal digits.
    Sha256([u8; 32]),
}

/// A text that is not a thumbprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a thumbprint has 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")]
pub struct ThumbprintError;

impl Thumbprint {
    /// Reads hexadecimal digits in either case; spaces and colons between them do not count.
    ///
    /// # Errors
    /// [`ThumbprintError`].
    pub fn parse(text: &str) -> Result<Self, ThumbprintError> {
        let digits = text.chars().filter(|c| !matches!(c, ' ' | ':' | '\u{200E}'));
        let digits: Vec<u32> =
            digits.map(|c| c.to_digit(16)).collect::<Option<_>>().ok_or(ThumbprintError)?;
        let octet = |pair: &[u32]| pair.iter().fold(0_u8, |octet, digit| (octet << 4) | low_octet(*digit));
        let octets: Vec<u8> = digits.chunks(2).map(octet).collect();
        if digits.len() % 2 == 1 {
            return Err(ThumbprintError);
        }
        let sha1 = octets.as_slice().try_into().map(Self::Sha1);
        sha1.or_else(|_| octets.as_slice().try_into().map(Self::Sha256)).map_err(|_| ThumbprintError)
    }
}

/// In upper-case hexadecimal digits.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets: &[u8] = match self {
            Self::Sha1(octets) => octets,
            Self::Sha256(octets) => octets,
        };
        octets.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

fn low_octet(number: u32) -> u8 {
    let [.., octet] = number.to_be_bytes();
    octet
}

/// Why a connection could not be secured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Nobody who is trusted signed the certificate.
    #[error(
        "no trusted authority signed its certificate: trust its authority (-ca), or skip the check (-skipCAcheck)"
    )]
    Untrusted,
    /// The certificate is for another host.
    #[error(
        "its certificate is for {}, not for this host: use that name, or skip the check (-skipCNcheck)",
        if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") }
    )]
    WrongName {
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The certificate has run out.
    #[error("its certificate has expired: renew it on the service")]
    Expired,
    /// The certificate is not valid yet.
    #[error("its certificate is not valid yet: compare the clocks of both machines")]
    NotYetValid,
    /// The certificate is not meant for services.
    #[error("its certificate is not meant for a server: it needs the purpose serverAuth")]
    WrongPurpose,
    /// The certificate is another than the one that is pinned.
    #[error("its certificate is not the pinned one but has the thumbprint {found}")]
    WrongPin {
        /// The thumbprint of the certificate that came, in hexadecimal digits.
        found: String,
    },
    /// The file of authorities cannot be used.
    #[error("{}: {reason}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The other end does not speak TLS.
    #[error("it does not answer in TLS: the port may be one for http")]
    NotTls,
    /// The connection broke during the handshake.
    #[error("the connection broke during the handshake: {0}")]
    Broken(#[source] io::Error),
    /// Another failure of TLS.
    #[error("{0}")]
    Other(#[source] rustls::Error),
}

/// Secures connections by one policy; what that needs is loaded when the first one asks.
#[derive(Debug)]
pub(crate) struct Securer {
    policy: TlsPolicy,
    /// What the service gets that asks who connects.
    certificate: Option<ClientCertificate>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Securer {
    pub(crate) fn new(policy: TlsPolicy, certificate: Option<ClientCertificate>) -> Self {
        Self { policy, certificate, config: OnceLock::new() }
    }

    /// Does the handshake.
    pub(crate) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
    ) -> Result<TlsStream<S>, TlsError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| TlsError::WrongName { presented: Vec::new() })?;
        let connector = TlsConnector::from(self.config()?);
        connector.connect(name, stream).await.map_err(classify)
    }

    /// Does the handshake to see how it goes; the connection ends with it.
    pub(crate) async fn examine<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
    ) -> Handshake {
        let shown = Arc::new(OnceLock::new());
        let outcome = async {
            let name = ServerName::try_from(host.to_owned())
                .map_err(|_| TlsError::WrongName { presented: Vec::new() })?;
            let verifier = Verifier::new(&self.policy)?;
            let config =
                configure(Watched { verifier, shown: Arc::clone(&shown) }, self.certificate.as_ref())?;
            TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(classify)
        };
        let outcome = outcome.await;
        let version = outcome.as_ref().ok().and_then(|stream| stream.get_ref().1.protocol_version());
        let certificate = shown.get().and_then(ShownCertificate::read);
        Handshake { version: version.map(version_name), certificate, verdict: outcome.map(drop) }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(configure(Verifier::new(&self.policy)?, self.certificate.as_ref())?);
        Ok(Arc::clone(self.config.get_or_init(|| config)))
    }
}

impl Verifier {
    fn new(policy: &TlsPolicy) -> Result<Self, TlsError> {
        let extra = policy.authorities.as_deref().map(read_authorities).transpose()?.unwrap_or_default();
        let pin_suffices = matches!(policy.pin, Some(Thumbprint::Sha256(_)));
        let chain =
            if policy.skip_ca || pin_suffices { Chain::Skipped } else { Chain::To(authorities(&extra)) };
        Ok(Self {
            chain,
            exact: extra,
            pin: policy.pin,
            skip_name: policy.skip_name,
            algorithms: rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms,
        })
    }
}

fn configure(
    verifier: impl ServerCertVerifier + 'static,
    certificate: Option<&ClientCertificate>,
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(match certificate {
        Some(certificate) => builder.with_client_cert_resolver(certificate.resolver()),
        None => builder.with_no_client_auth(),
    })
}

fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "TLS",
    }
}

/// The authorities of this system, read once for the whole process, and those of the policy.
fn authorities(extra: &[CertificateDer<'static>]) -> Arc<RootCertStore> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let system = SYSTEM.get_or_init(|| {
        let loaded = rustls_native_certs::load_native_certs();
        for error in &loaded.errors {
            tracing::debug!(%error, "Some authorities of the system cannot be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(loaded.certs);
        Arc::new(roots)
    });
    if extra.is_empty() {
        return Arc::clone(system);
    }
    let mut roots = RootCertStore::clone(system);
    roots.add_parsable_certificates(extra.iter().cloned());
    Arc::new(roots)
}

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |reason: String| TlsError::Authorities { path: path.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(format!("cannot read certificates in PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(failed("holds no certificate in PEM".to_owned()));
    }
    Ok(certificates)
}

/// Turns what rustls says into what a reader can act on.
fn classify(error: io::Error) -> TlsError {
    let Some(failure) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return TlsError::Broken(error);
    };
    match failure {
        rustls::Error::InvalidMessage(_) => TlsError::NotTls,
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => TlsError::Untrusted,
            CertificateError::NotValidForName => TlsError::WrongName { presented: Vec::new() },
            CertificateError::NotValidForNameContext { presented, .. } => {
                TlsError::WrongName { presented: presented.clone() }
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsError::NotYetValid
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                TlsError::WrongPurpose
            }
            CertificateError::Other(other) => match other.0.downcast_ref::<WrongPin>() {
                Some(WrongPin { found }) => TlsError::WrongPin { found: found.clone() },
                None => TlsError::Other(failure.clone()),
            },
            _ => TlsError::Other(failure.clone()),
        },
        _ => TlsError::Other(failure.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_read_as_windows_shows_them() {
        let spaced = "\u{200E}00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 00 11 22 FE";
        let Ok(Thumbprint::Sha1(octets)) = Thumbprint::parse(spaced) else { panic!("a SHA-1 thumbprint") };
        assert_eq!(octets.last(), Some(&0xFE));
        assert!(matches!(Thumbprint::parse(&"ab:".repeat(32)), Ok(Thumbprint::Sha256(_))));
        for wrong in ["", "00", &"0".repeat(39), &"0".repeat(41), &"g".repeat(40)] {
            assert_eq!(Thumbprint::parse(wrong), Err(ThumbprintError), "{wrong}");
        }
    }
}
