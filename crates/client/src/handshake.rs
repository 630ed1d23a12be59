//! A look at the TLS of a service, for those who ask why nobody gets through.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::connection::below_tls;
use crate::error::Error;
use crate::patience::Expired;
use crate::route::Route;
use crate::{Session, Thumbprint, TlsError};

/// How a handshake of TLS went.
#[derive(Debug)]
#[non_exhaustive]
pub struct Handshake {
    /// The version that both ends agreed on, such as `TLS 1.3`; none if it did not come so far.
    pub version: Option<&'static str>,
    /// The certificate that the service has shown, also where it was not accepted.
    pub certificate: Option<ShownCertificate>,
    /// Whether the session would go on, by its [`TlsPolicy`](crate::TlsPolicy).
    pub verdict: Result<(), TlsError>,
}

/// What a certificate says of itself; nobody has proven that it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShownCertificate {
    /// The names of hosts and the addresses that it is for (RFC 6125 6.4); the common name only if there are no others.
    pub names: Vec<String>,
    /// Who has signed it, as one line.
    pub issuer: String,
    /// From when on it is good.
    pub not_before: SystemTime,
    /// Until when it is good.
    pub not_after: SystemTime,
    /// Its SHA-1 digest, by which `winrm/config/listener` names it.
    pub thumbprint: Thumbprint,
}

impl Session {
    /// Connects and does the handshake of TLS, and nothing else: no request is sent.
    ///
    /// What is wrong with the certificate is in the [`Handshake`], beside the certificate.
    ///
    /// # Errors
    /// [`Error`] for what fails before: finding the host, connecting; [`Error::Setting`] for a session that is not of
    /// the network.
    pub async fn handshake(&self) -> Result<Handshake, Error> {
        let Route::Network(securer, proxy) = self.route() else {
            let reason = "there is no TLS on the way to a service of this machine".to_owned();
            return Err(Error::Setting { setting: "endpoint", reason });
        };
        let (endpoint, patience) = (self.endpoint(), self.patience());
        let looking = async {
            let below = below_tls(endpoint, proxy.as_ref(), &patience).await?;
            Ok(securer.examine(below.into_stream(), endpoint.host()).await)
        };
        patience.within(patience.connect, looking).await.map_err(|expired| match expired {
            Expired::Own => {
                Error::ConnectTimedOut { address: self.peer().to_owned(), after: patience.connect }
            }
            Expired::Total(error) => error,
        })?
    }
}

impl ShownCertificate {
    /// Reads what a service has shown; none for what is no certificate.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, der);
        Some(Self {
            names: names(&certificate).into_iter().take(MOST_NAMES).collect(),
            issuer: certificate.issuer().to_string().chars().take(LONGEST_SHOWN).collect(),
            not_before: moment(validity.not_before.timestamp()),
            not_after: moment(validity.not_after.timestamp()),
            thumbprint: Thumbprint::Sha1(sha1.as_ref().try_into().ok()?),
        })
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let alternatives = alternatives.into_iter().flat_map(|extension| &extension.value.general_names);
    let names: Vec<String> = alternatives
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => address(octets),
            _ => None,
        })
        .collect();
    if !names.is_empty() {
        return names;
    }
    let common = certificate.subject().iter_common_name();
    common.filter_map(|name| name.as_str().ok()).map(str::to_owned).collect()
}

fn address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| std::net::Ipv4Addr::from(octets).to_string());
    let v6 = || <[u8; 16]>::try_from(octets).map(|octets| std::net::Ipv6Addr::from(octets).to_string());
    v4.or_else(|_| v6()).ok()
}

/// A certificate may claim any time; what is out of range counts as its end.
fn moment(seconds: i64) -> SystemTime {
    let after = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    UNIX_EPOCH.checked_add(after).unwrap_or(UNIX_EPOCH)
}

/// How many names of a certificate are worth repeating.
const MOST_NAMES: usize = 32;
/// How much of a name is worth repeating.
const LONGEST_SHOWN: usize = 200;
