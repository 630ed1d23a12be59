//! Certificates in files.

use std::net::{Ipv4Addr, Ipv6Addr};

use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

use super::disk;
use crate::certificate::Certificate;

/// Reads the first certificate of a file. The error is the reason why it cannot be read.
///
/// # Errors
/// The reason, in words.
pub fn read_certificate(path: &str) -> Result<Certificate, String> {
    let content = disk::read(path).map_err(|error| error.to_string())?.ok_or("the file does not exist")?;
    parse_certificate(&content)
}

/// Reads the first certificate of a text in PEM. The error is the reason why it cannot be read.
///
/// # Errors
/// The reason, in words.
pub fn parse_certificate(pem: &[u8]) -> Result<Certificate, String> {
    let pem = Pem::iter_from_buffer(pem).flatten().find(|pem| pem.label == "CERTIFICATE");
    let pem = pem.ok_or("the file contains no certificate in PEM")?;
    let certificate = pem.parse_x509().map_err(|error| format!("the certificate is malformed: {error}"))?;
    let fingerprint = Sha256::digest(&pem.contents);
    Ok(Certificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names: names(&certificate),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        serial: certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
        fingerprint: fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| Ipv4Addr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    });
    names.collect()
}
