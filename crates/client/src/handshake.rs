//! TLS handshake for diagnosis.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::connection::below_tls;
use crate::error::Error;
use crate::route::Route;
use crate::timeouts::Expired;
use crate::{Session, Thumbprint, TlsError};

/// Result of a TLS handshake.
#[derive(Debug)]
#[non_exhaustive]
pub struct Handshake {
    /// Negotiated version, such as `TLS 1.3`; `None` if the handshake failed before.
    pub version: Option<&'static str>,
    /// Certificate of the service, even if it was rejected.
    pub certificate: Option<PresentedCertificate>,
    /// Whether the session accepts the certificate by its [`TlsPolicy`](crate::TlsPolicy).
    pub verdict: Result<(), TlsError>,
}

/// Contents of a certificate that a service presented; they are not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresentedCertificate {
    /// Host names and addresses (RFC 6125 6.4); the common name only if it has no such names. At most 32.
    pub names: Vec<String>,
    /// Issuer as one line, at most 200 characters.
    pub issuer: String,
    /// TokenExchange of the validity period.
    pub not_before: SystemTime,
    /// End of the validity period.
    pub not_after: SystemTime,
    /// SHA-1 thumbprint, as in `winrm/config/listener`.
    pub thumbprint: Thumbprint,
    /// SHA-256 thumbprint, which [`TlsPolicy::pin`](crate::TlsPolicy::pin) can trust without an authority.
    pub sha256: Thumbprint,
}

impl Session {
    /// Connects and performs the TLS handshake; sends no request.
    ///
    /// A certificate error is returned in [`Handshake::verdict`], together with the certificate.
    ///
    /// # Errors
    /// [`Error`] if name resolution or connecting fails; [`Error::Setting`] for a session over a Unix socket.
    pub async fn handshake(&self) -> Result<Handshake, Error> {
        let Route::Network(securer, proxy) = self.route() else {
            let reason = "the local service does not use TLS".to_owned();
            return Err(Error::Setting { setting: "endpoint", reason });
        };
        let (endpoint, timeouts) = (self.endpoint(), self.timeouts());
        let looking = async {
            let below = below_tls(endpoint, proxy.as_ref(), &timeouts).await?;
            Ok(securer.examine(below.into_stream(), endpoint.host()).await)
        };
        timeouts.within(timeouts.connect, looking).await.map_err(|expired| match expired {
            Expired::Step => {
                Error::ConnectTimedOut { address: self.peer().to_owned(), after: timeouts.connect }
            }
            Expired::Total(error) => error,
        })?
    }
}

impl PresentedCertificate {
    /// Parses a certificate; returns `None` if it is invalid.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        let names = tls::host_names(&certificate).unwrap_or_default();
        Some(Self {
            names: names.iter().take(MOST_NAMES).map(ToString::to_string).collect(),
            issuer: certificate.issuer().to_string().chars().take(LONGEST_SHOWN).collect(),
            not_before: moment(validity.not_before.timestamp()),
            not_after: moment(validity.not_after.timestamp()),
            thumbprint: Thumbprint::Sha1(tls::thumbprint::sha1(der)),
            sha256: Thumbprint::Sha256(tls::thumbprint::sha256(der)),
        })
    }
}

/// Converts a timestamp; times outside the range of the clock become 1970-01-01.
fn moment(seconds: i64) -> SystemTime {
    let after = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    UNIX_EPOCH.checked_add(after).unwrap_or(UNIX_EPOCH)
}

/// Maximum number of names that are kept.
const MOST_NAMES: usize = 32;
/// Maximum length of the issuer, in characters.
const LONGEST_SHOWN: usize = 200;
