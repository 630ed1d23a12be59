//! Binding of an authentication to the TLS connection it is sent over (RFC 5056, RFC 5929).

use crate::der::{Reader, Tag};
use md5::{Digest as _, Md5};
use sha2::{Sha256, Sha384, Sha512};

/// Channel binding of a TLS connection, derived from the service's certificate: `tls-server-end-point` (RFC 5929 4).
///
/// It is not secret: every client can compute it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelBinding(Vec<u8>);

impl ChannelBinding {
    /// Computes the binding of a connection on which the service has shown this DER certificate.
    #[must_use]
    pub fn of_certificate(der: &[u8]) -> Self {
        // A certificate that cannot be parsed was not accepted by TLS either; SHA-256 is used then.
        let algorithm = signature_algorithm(der).unwrap_or_default();
        Self::tls_server_end_point(&certificate_hash(algorithm, der))
    }

    /// Computes the binding from the hash of the service's certificate; see [`certificate_hash`].
    #[must_use]
    pub fn tls_server_end_point(certificate_hash: &[u8]) -> Self {
        Self([UNIQUE_PREFIX, certificate_hash].concat())
    }

    /// Application data of the channel for a GSS mechanism; there are no addresses (RFC 2744 3.11).
    #[must_use]
    pub fn application_data(&self) -> &[u8] {
        &self.0
    }

    /// Value that NTLM sends: the MD5 of a `gss_channel_bindings_struct` without addresses (MS-NLMP 2.2.2.1,
    /// `MsvAvChannelBindings`).
    #[must_use]
    pub fn ntlm_hash(&self) -> [u8; 16] {
        // A certificate hash has at most 64 bytes.
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let no_addresses = [0; 16];
        Md5::new()
            .chain_update(no_addresses)
            .chain_update(length.to_le_bytes())
            .chain_update(&self.0)
            .finalize()
            .into()
    }
}

/// Requirement of channel bindings: the setting `CbtHardeningLevel`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hardening {
    /// Channel bindings are ignored.
    None,
    /// A channel binding that was sent must match.
    #[default]
    Relaxed,
    /// A channel binding must be sent and must match.
    Strict,
}

/// Requirement of channel bindings on one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Level of the requirement.
    pub level: Hardening,
    /// Expected binding. A connection without TLS has none, and then nothing is verified.
    pub expected: Option<ChannelBinding>,
}

/// Returns the certificate hash for `tls-server-end-point` (RFC 5929 4.1).
///
/// The hash function is that of the certificate's signature algorithm, given as the content bytes of its object
/// identifier; for MD5, SHA-1 and unknown algorithms it is SHA-256.
#[must_use]
pub fn certificate_hash(signature_algorithm: &[u8], der: &[u8]) -> Vec<u8> {
    if SIGNED_WITH_SHA_384.contains(&signature_algorithm) {
        return Sha384::digest(der).to_vec();
    }
    if SIGNED_WITH_SHA_512.contains(&signature_algorithm) {
        return Sha512::digest(der).to_vec();
    }
    Sha256::digest(der).to_vec()
}

/// Returns the content bytes of the signature algorithm's object identifier (RFC 5280 4.1.1.2).
fn signature_algorithm(der: &[u8]) -> Option<&[u8]> {
    let mut certificate = Reader::new(Reader::new(der).expect(Tag::SEQUENCE).ok()?.content);
    certificate.expect(Tag::SEQUENCE).ok()?;
    let algorithm = certificate.expect(Tag::SEQUENCE).ok()?.content;
    Reader::new(algorithm).expect(Tag::OID).ok().map(|oid| oid.content)
}

const UNIQUE_PREFIX: &[u8] = b"tls-server-end-point:";

/// `sha384WithRSAEncryption` (RFC 8017) and `ecdsa-with-SHA384` (RFC 5758).
const SIGNED_WITH_SHA_384: [&[u8]; 2] = [
    &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0C],
    &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03],
];

/// `sha512WithRSAEncryption` (RFC 8017) and `ecdsa-with-SHA512` (RFC 5758).
const SIGNED_WITH_SHA_512: [&[u8]; 2] = [
    &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0D],
    &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x04],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_data_is_the_prefix_and_the_hash() {
        let binding = ChannelBinding::tls_server_end_point(&[7; 32]);
        let (prefix, hash) = binding.application_data().split_at(21);
        assert_eq!((prefix, hash), (b"tls-server-end-point:".as_slice(), [7; 32].as_slice()));
    }

    /// Computed with pyspnego: `md5(GssChannelBindings(application_data=...).pack())`.
    #[test]
    fn ntlm_hashes_a_structure_without_addresses() {
        let binding = ChannelBinding::tls_server_end_point(&[7; 32]);
        let hash = u128::from_be_bytes(binding.ntlm_hash());
        assert_eq!(hash, 0xB1A3_C658_0100_7291_94D4_B948_7C9E_DCEB);
    }

    #[test]
    fn the_signature_algorithm_selects_the_hash_function() {
        let length = |oid: &[u8]| certificate_hash(oid, b"certificate").len();
        for (oid, octets) in [(SIGNED_WITH_SHA_384, 48), (SIGNED_WITH_SHA_512, 64)] {
            assert_eq!(oid.map(length), [octets; 2]);
        }
        let sha1_with_rsa = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x05];
        let sha256_with_rsa = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
        let ed25519 = [0x2B, 0x65, 0x70];
        for oid in [sha1_with_rsa.as_slice(), &sha256_with_rsa, &ed25519, &[]] {
            assert_eq!(length(oid), 32, "{oid:?}");
        }
        // FIPS 180-2, B.1.
        assert!(certificate_hash(&[], b"abc").starts_with(&[0xBA, 0x78, 0x16, 0xBF]));
    }
}
