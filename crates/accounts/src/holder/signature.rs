//! Verification of the signature in a TLS handshake.

use auth::{CertificateProof, TlsVersion};
use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Verifies that the private key of the certificate has signed the message (RFC 8446 4.4.3, RFC 5246 7.4.8).
///
/// # Errors
/// The reason why the signature is rejected.
pub(super) fn verify(proof: &CertificateProof) -> Result<(), String> {
    let scheme = SignatureScheme::from(proof.signature().scheme);
    let algorithms = tls::signature_algorithms();
    let (_, candidates) = algorithms
        .mapping
        .iter()
        .find(|(known, _)| *known == scheme)
        .ok_or_else(|| format!("signature scheme {} is not supported", name(scheme)))?;
    let candidates = match proof.version() {
        TlsVersion::Tls13 if is_pkcs1(scheme) => {
            return Err(format!("signature scheme {} is not allowed in TLS 1.3", name(scheme)));
        }
        // In TLS 1.3 the scheme names the curve as well, and the first algorithm is the one for that curve.
        TlsVersion::Tls13 => candidates.get(..1).unwrap_or_default(),
        TlsVersion::Tls12 => candidates,
    };
    let own = CertificateDer::from(proof.own());
    let own = EndEntityCert::try_from(&own).map_err(|error| error.to_string())?;
    let is_valid = candidates.iter().any(|algorithm| {
        own.verify_signature(*algorithm, proof.message(), &proof.signature().octets).is_ok()
    });
    if is_valid { Ok(()) } else { Err("the signature does not match the key".to_owned()) }
}

/// Returns `true` for RSASSA-PKCS1-v1_5, which TLS 1.3 uses in certificates but not in handshakes (RFC 8446 4.2.3).
fn is_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}

/// Returns the name of a signature scheme, or its number if it has none.
fn name(scheme: SignatureScheme) -> String {
    scheme.as_str().map_or_else(|| format!("0x{:04x}", u16::from(scheme)), str::to_owned)
}
