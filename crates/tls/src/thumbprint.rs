//! Hash values that identify certificates.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// Returns the SHA-1 hash of a certificate, by which Windows identifies certificates. It proves nothing, because SHA-1
/// is broken.
#[must_use]
pub fn sha1(certificate: &[u8]) -> [u8; 20] {
    hash(&SHA1_FOR_LEGACY_USE_ONLY, certificate)
}

/// Returns the SHA-256 hash of a certificate.
#[must_use]
pub fn sha256(certificate: &[u8]) -> [u8; 32] {
    hash(&SHA256, certificate)
}

fn hash<const N: usize>(algorithm: &'static Algorithm, certificate: &[u8]) -> [u8; N] {
    // Hash values of these algorithms have N bytes.
    digest(algorithm, certificate).as_ref().try_into().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standards() {
        // FIPS 180-4, examples for "abc".
        assert_eq!(sha1(b"abc").first_chunk(), Some(&[0xA9, 0x99, 0x3E, 0x36]));
        assert_eq!(sha256(b"abc").first_chunk(), Some(&[0xBA, 0x78, 0x16, 0xBF]));
    }
}
