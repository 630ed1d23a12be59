//! Certificates of clients.

use accounts::ClientCertificate;
use auth::account_file::UnixTime;
use auth::certificate_mapping::{CertificateMappings, ChainVerdict};
use auth::{CertificateProof, ClientCertificates, HandshakeSignature, TlsVersion};

/// Checks that a client certificate is parsed or rejected without panicking, that without trusted authorities the chain
/// is untrusted, and that every reported name occurs in the certificate.
///
/// # Panics
/// If a property does not hold.
pub fn client_certificate(octets: &[u8]) {
    let now = UnixTime::new(1_780_000_000);
    let shown = vec![octets.to_vec(); 2];
    let signature = HandshakeSignature { scheme: 0, octets: Vec::new() };
    let message = [&[b' '; 64][..], b"TLS 1.3, client CertificateVerify\0", &[0; 32]].concat();
    let Ok(proof) = CertificateProof::new(TlsVersion::Tls13, shown, message, signature) else { return };
    let certificate = ClientCertificate::of_proof(&proof);
    if let Ok(facts) = certificate.facts(&ClientCertificates::default(), now) {
        assert_eq!(facts.chain, ChainVerdict::Untrusted);
        let names = &facts.names;
        let singles = names.user_principal_name.iter().chain(&names.common_name);
        let all = singles.chain(&names.mail_addresses).chain(&names.dns_names);
        for name in all {
            let is_in_it = octets.windows(name.len().max(1)).any(|part| part == name.as_bytes());
            assert!(name.is_empty() || is_in_it, "{name:?} is not in it");
        }
    }
    let mappings = CertificateMappings::default();
    let itself = ClientCertificates { mappings, authorities: vec![octets.to_vec()] };
    let _ = certificate.facts(&itself, now);
}
