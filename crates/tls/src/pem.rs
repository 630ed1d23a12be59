//! Certificates and private keys in PEM (RFC 7468).

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reason why a text does not contain a certificate or key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// The text is not PEM.
    #[error("{0}")]
    Malformed(#[source] pem::Error),
    /// The text contains no certificate.
    #[error("no PEM certificate found")]
    NoCertificate,
    /// The text contains no private key.
    #[error("no PEM private key found")]
    NoKey,
    /// The private key is encrypted.
    #[error("the private key is encrypted")]
    EncryptedKey,
}

/// Returns the certificates, in the order of the text; at least one. Other objects are skipped.
///
/// # Errors
/// [`PemError`] if the text is malformed or contains no certificate.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => Err(PemError::NoCertificate),
        other => other.map_err(PemError::Malformed),
    }
}

/// Returns the first private key. Other objects are skipped.
///
/// # Errors
/// [`PemError`] if the text is malformed, or contains no key or an encrypted one.
pub fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound if text.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) => {
            PemError::EncryptedKey
        }
        pem::Error::NoItemsFound => PemError::NoKey,
        other => PemError::Malformed(other),
    })
}

/// Part of the first line of an encrypted key.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

#[cfg(test)]
mod tests {
    use rcgen::CertifiedKey;

    use super::*;

    #[test]
    fn certificates_and_keys_are_found_among_each_other() {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["ada".to_owned()]).unwrap();
        let (certificate, key) = (cert.pem(), signing_key.serialize_pem());
        let both = [key.as_str(), &certificate, &certificate].concat();
        assert_eq!(certificates(both.as_bytes()).unwrap(), [cert.der().clone(), cert.der().clone()]);
        assert_eq!(private_key(both.as_bytes()).unwrap().secret_der(), signing_key.serialize_der());
        assert!(matches!(certificates(key.as_bytes()), Err(PemError::NoCertificate)));
        assert!(matches!(private_key(certificate.as_bytes()), Err(PemError::NoKey)));
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        assert!(matches!(private_key(encrypted.as_bytes()), Err(PemError::EncryptedKey)));
        let cut = certificate.get(..certificate.len() / 2).unwrap();
        assert!(matches!(certificates(cut.as_bytes()), Err(PemError::Malformed(_))));
    }
}
