//! Inventory of the certificates that a configuration names.

use serde::Serialize;

use crate::value::SiteId;

/// A certificate file that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateFile {
    /// Path.
    pub path: String,
    /// Sites that use it by a directive of their own.
    pub sites: Vec<SiteId>,
    /// The first certificate of the file, or the reason why it cannot be read.
    pub content: Result<Certificate, String>,
}

/// Facts of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Alternative names: host names and addresses.
    pub names: Vec<String>,
    /// Begin of the validity, in seconds since 1970.
    pub not_before: i64,
    /// End of the validity, in seconds since 1970.
    pub not_after: i64,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate in hexadecimal.
    pub fingerprint: String,
}
