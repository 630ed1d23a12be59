//! The signature of a handshake.

use auth::{CertificateProof, TlsVersion};
use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Verifies that the key of the certificate has signed the message (RFC 8446 4.4.3, RFC 5246 7.4.8).
///
/// # Errors
/// Why not.
pub(super) fn verify(proof: &CertificateProof) -> Result<(), String> {
    let scheme = SignatureScheme::from(proof.signature().scheme);
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let (_, candidates) = algorithms
        .mapping
        .iter()
        .find(|(known, _)| *known == scheme)
        .ok_or_else(|| format!("{scheme:?} is not taken here"))?;
    let candidates = match proof.version() {
        TlsVersion::Tls13 if is_of_older_versions(scheme) => {
            return Err(format!("{scheme:?} is not for TLS 1.3"));
        }
        // There it names the curve as well, and the first is the one that has it.
        TlsVersion::Tls13 => candidates.get(..1).unwrap_or_default(),
        TlsVersion::Tls12 => candidates,
    };
    let own = CertificateDer::from(proof.own());
    let own = EndEntityCert::try_from(&own).map_err(|error| error.to_string())?;
    let is_right = |algorithm: &&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
        own.verify_signature(*algorithm, proof.message(), &proof.signature().octets).is_ok()
    };
    if candidates.iter().any(is_right) { Ok(()) } else { Err("it is not that of the key".to_owned()) }
}

/// RSA as in PKCS #1 signs certificates in TLS 1.3, and no handshakes (RFC 8446 4.2.3).
fn is_of_older_versions(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}
