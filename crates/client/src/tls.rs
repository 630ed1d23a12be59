//! TLS policy and TLS connections.

mod verifier;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ::tls::{PemError, ServerCertificateCheck, system_authorities};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ProtocolVersion, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{ClientCertificate, Handshake, PresentedCertificate};
use verifier::{Chain, RecordingVerifier, Verifier, WrongPin};

/// Requirements for server certificates. By default the chain must lead to an authority of this system, and the name
/// and the dates must match.
///
/// The dates, the purpose and the handshake signature are always verified.
#[derive(Clone, Debug, Default)]
pub struct TlsPolicy {
    authorities: Option<PathBuf>,
    certificates: Vec<CertificateDer<'static>>,
    pin: Option<Thumbprint>,
    skip_ca: bool,
    skip_name: bool,
}

impl TlsPolicy {
    /// Returns the strict default policy.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the certificates in a PEM file, in addition to the authorities of this system.
    ///
    /// The file may contain the certificate of the service itself.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities = Some(path.into());
        self
    }

    /// Trusts these certificates, in addition to the authorities of this system. They may contain the certificate of the
    /// service itself.
    #[must_use]
    pub fn authorities(mut self, certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.certificates.extend(certificates);
        self
    }

    /// Accepts any issuer; name and dates are still verified.
    #[must_use]
    pub fn skip_ca(mut self) -> Self {
        self.skip_ca = true;
        self
    }

    /// Accepts any host name; the issuer is still verified.
    #[must_use]
    pub fn skip_name(mut self) -> Self {
        self.skip_name = true;
        self
    }

    /// Returns whether the policy proves the identity of the host: issuer and name are verified, or the certificate
    /// itself is pinned.
    pub(crate) fn verifies_host(&self) -> bool {
        matches!(self.pin, Some(Thumbprint::Sha256(_))) || (!self.skip_ca && !self.skip_name)
    }

    /// Accepts only the certificate with this thumbprint.
    ///
    /// A SHA-256 thumbprint replaces verification of the issuer. A SHA-1 thumbprint does not, because SHA-1 is
    /// broken: combine it with [`Self::skip_ca`] for a certificate without a trusted authority.
    #[must_use]
    pub fn pin(mut self, thumbprint: Thumbprint) -> Self {
        self.pin = Some(thumbprint);
        self
    }
}

/// Digest that identifies a certificate, as in Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thumbprint {
    /// 40 hexadecimal digits.
    Sha1([u8; 20]),
    /// 64 hexadecimal digits.
    Sha256([u8; 32]),
}

/// Error of [`Thumbprint::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a thumbprint has 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")]
pub struct ThumbprintError;

impl Thumbprint {
    /// Parses hexadecimal digits in either case; spaces and colons are ignored.
    ///
    /// # Errors
    /// [`ThumbprintError`] unless there are 40 or 64 digits.
    pub fn parse(text: &str) -> Result<Self, ThumbprintError> {
        let digits = text.chars().filter(|c| !matches!(c, ' ' | ':' | '\u{200E}'));
        let digits: Vec<u32> =
            digits.map(|c| c.to_digit(16)).collect::<Option<_>>().ok_or(ThumbprintError)?;
        let octets: Vec<u8> = digits.chunks(2).map(join_digits).collect();
        if digits.len() % 2 == 1 {
            return Err(ThumbprintError);
        }
        let sha1 = octets.as_slice().try_into().map(Self::Sha1);
        sha1.or_else(|_| octets.as_slice().try_into().map(Self::Sha256)).map_err(|_| ThumbprintError)
    }
}

/// Writes upper-case hexadecimal digits.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets: &[u8] = match self {
            Self::Sha1(octets) => octets,
            Self::Sha256(octets) => octets,
        };
        octets.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

fn join_digits(pair: &[u32]) -> u8 {
    pair.iter().fold(0_u8, |octet, digit| (octet << 4) | low_octet(*digit))
}

fn low_octet(number: u32) -> u8 {
    let [.., octet] = number.to_be_bytes();
    octet
}

/// Reason why a TLS connection cannot be established.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate is not signed by a trusted authority.
    #[error(
        "certificate is not signed by a trusted authority: trust it with -ca, or skip the check (-skipCAcheck)"
    )]
    Untrusted,
    /// The certificate is for a different host name.
    #[error(
        "the certificate is for {}, not for this host: use that name, or skip the check (-skipCNcheck)",
        if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") }
    )]
    WrongName {
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The certificate has expired.
    #[error("the certificate has expired: renew it on the service")]
    Expired,
    /// The certificate's validity period has not started.
    #[error("the certificate is not yet valid: compare the clocks of both machines")]
    NotYetValid,
    /// The certificate does not allow server authentication.
    #[error(
        "the certificate is not valid for server authentication: it needs the extended key usage serverAuth"
    )]
    WrongPurpose,
    /// The certificate is not the pinned one.
    #[error("the certificate has the thumbprint {found} instead of the pinned one")]
    WrongPin {
        /// Thumbprint of the presented certificate, in hexadecimal digits.
        found: String,
    },
    /// The file of trusted certificates cannot be used.
    #[error("{}: {reason}", path.display())]
    Authorities {
        /// Path of the file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The server does not respond with TLS.
    #[error("the server does not speak TLS: the port may be for http")]
    NotTls,
    /// The connection was closed during the handshake.
    #[error("the connection was closed during the TLS handshake: {0}")]
    Broken(#[source] io::Error),
    /// Any other TLS error.
    #[error("{0}")]
    Other(#[source] rustls::Error),
}

/// Establishes TLS connections by a policy; the configuration is loaded on first use.
#[derive(Debug)]
pub(crate) struct Securer {
    policy: TlsPolicy,
    /// Client certificate for services that request one.
    certificate: Option<ClientCertificate>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Securer {
    pub(crate) fn new(policy: TlsPolicy, certificate: Option<ClientCertificate>) -> Self {
        Self { policy, certificate, config: OnceLock::new() }
    }

    /// Performs the TLS handshake.
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

    /// Performs the TLS handshake, closes the connection and returns the result.
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
            let config = configure(
                RecordingVerifier { verifier, shown: Arc::clone(&shown) },
                self.certificate.as_ref(),
            )?;
            TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(classify)
        };
        let outcome = outcome.await;
        let version = outcome.as_ref().ok().and_then(|stream| stream.get_ref().1.protocol_version());
        let certificate = shown.get().and_then(PresentedCertificate::read);
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
        let mut extra = policy.authorities.as_deref().map(read_authorities).transpose()?.unwrap_or_default();
        extra.extend_from_slice(&policy.certificates);
        let pin_suffices = matches!(policy.pin, Some(Thumbprint::Sha256(_)));
        let chain =
            if policy.skip_ca || pin_suffices { Chain::Skipped } else { Chain::To(authorities(&extra)) };
        Ok(Self { chain, exact: extra, pin: policy.pin, skip_name: policy.skip_name })
    }
}

fn configure(
    check: impl ServerCertificateCheck + 'static,
    certificate: Option<&ClientCertificate>,
) -> Result<ClientConfig, TlsError> {
    let builder = ::tls::client(check).map_err(TlsError::Other)?;
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

/// Returns the authorities of this system, loaded once per process, and the additional ones of the policy.
fn authorities(extra: &[CertificateDer<'static>]) -> Arc<RootCertStore> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let system = SYSTEM.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system_authorities().iter().cloned());
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
    let reason = match fs::read(path).map(|text| ::tls::certificates(&text)) {
        Ok(Ok(certificates)) => return Ok(certificates),
        Ok(Err(PemError::NoCertificate)) => "the file contains no PEM certificate".to_owned(),
        Ok(Err(error)) => format!("cannot read PEM certificates: {error}"),
        Err(error) => format!("cannot read PEM certificates: I/O error: {error}"),
    };
    Err(TlsError::Authorities { path: path.to_owned(), reason })
}

/// Converts an error of rustls.
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
                TlsError::WrongName { presented: presented.iter().map(|name| plain_name(name)).collect() }
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

/// Removes the notation of rustls from a name: `DnsName("node7")` becomes `node7`.
fn plain_name(presented: &str) -> String {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.map_or(presented, |inner| inner.trim_matches('"')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates_are_shown_without_the_notation_of_rustls() {
        for (presented, name) in [
            ("DnsName(\"*.example.com\")", "*.example.com"),
            ("IpAddress(10.0.0.7)", "10.0.0.7"),
            ("node7", "node7"),
        ] {
            assert_eq!(plain_name(presented), name);
        }
    }

    #[test]
    fn thumbprints_are_parsed_as_windows_displays_them() {
        let spaced = "\u{200E}00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 00 11 22 FE";
        let Ok(Thumbprint::Sha1(octets)) = Thumbprint::parse(spaced) else { panic!("a SHA-1 thumbprint") };
        assert_eq!(octets.last(), Some(&0xFE));
        assert!(matches!(Thumbprint::parse(&"ab:".repeat(32)), Ok(Thumbprint::Sha256(_))));
        for wrong in ["", "00", &"0".repeat(39), &"0".repeat(41), &"g".repeat(40)] {
            assert_eq!(Thumbprint::parse(wrong), Err(ThumbprintError), "{wrong}");
        }
    }
}
