//! Host names in certificates.

use std::fmt;
use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;

/// Name of a host in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// DNS name, possibly with a wildcard.
    Dns(String),
    /// IP address.
    Address(IpAddr),
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Returns the DNS names and addresses of the subject alternative name, and the common names if there are none (RFC
/// 6125 6.4.4).
///
/// # Errors
/// [`X509Error`] if the extension is malformed.
pub fn host_names(certificate: &X509Certificate<'_>) -> Result<Vec<HostName>, X509Error> {
    let alternatives = certificate.subject_alternative_name()?;
    let alternatives = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let names: Vec<HostName> = alternatives.filter_map(host_name).collect();
    if !names.is_empty() {
        return Ok(names);
    }
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    Ok(common.map(|name| HostName::Dns(name.to_owned())).collect())
}

fn host_name(name: &GeneralName<'_>) -> Option<HostName> {
    match name {
        GeneralName::DNSName(name) => Some(HostName::Dns((*name).to_owned())),
        GeneralName::IPAddress(bytes) => address(bytes).map(HostName::Address),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
