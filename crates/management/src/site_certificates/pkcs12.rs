//! Certificates in PKCS#12 files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use zeroize::Zeroizing;

use super::SiteCertificateError;
use super::new_certificate::CertificatePair;

/// Returns the first certificate with a key in a PKCS#12 file, with its chain. The file is in Base64.
///
/// # Errors
/// [`SiteCertificateError::Pfx`] if the file or the password is wrong, and [`SiteCertificateError::NoPair`].
pub fn unpack_pkcs12(data: &str, password: &str) -> Result<CertificatePair, SiteCertificateError> {
    let packed: Zeroizing<Vec<u8>> =
        Zeroizing::new(data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
    let file = STANDARD.decode(&*packed).map(Zeroizing::new);
    let file = file.map_err(|error| SiteCertificateError::Pfx(format!("invalid Base64: {error}")))?;
    let store = KeyStore::from_pkcs12(&file, password, Pkcs12ImportPolicy::Relaxed)
        .map_err(|error| SiteCertificateError::Pfx(error.to_string()))?;
    let (_, chain) = store.private_key_chain().ok_or(SiteCertificateError::NoPair)?;
    let certificates = chain.certs().iter().map(|certificate| pem("CERTIFICATE", certificate.as_der()));
    Ok(CertificatePair {
        chain: certificates.collect(),
        key: Zeroizing::new(pem("PRIVATE KEY", chain.key().as_der())),
    })
}

/// Returns DER in PEM (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}
