//! Fuzzing oracle for client certificates, called by the fuzz targets and the corpus test.

use auth::ClientCertificates;
use auth::account_file::UnixTime;
use auth::certificate_mapping::{CertificateMappings, ChainVerdict};
use rustls::pki_types::CertificateDer;

use crate::holder::ClientCertificate;

/// Checks that a client certificate is parsed or rejected without panicking, that without trusted authorities the chain
/// is untrusted, and that every reported name occurs in the certificate.
///
/// # Panics
/// When one of these properties does not hold.
pub fn client_certificate(octets: &[u8]) {
    let now = UnixTime::new(1_780_000_000);
    let shown = CertificateDer::from(octets.to_vec());
    let Some(certificate) = ClientCertificate::new([shown.clone(), shown]) else { return };
    if let Ok(facts) = certificate.facts(&ClientCertificates::default(), now) {
        assert_eq!(facts.chain, ChainVerdict::Untrusted);
        let names = &facts.names;
        let singles = names.user_principal_name.iter().chain(&names.common_name);
        let all = singles.chain(&names.mail_addresses).chain(&names.dns_names);
        for name in all {
            let stands_there = octets.windows(name.len().max(1)).any(|part| part == name.as_bytes());
            assert!(name.is_empty() || stands_there, "{name:?} is not in it");
        }
    }
    let mappings = CertificateMappings::default();
    let itself = ClientCertificates { mappings, authorities: vec![octets.to_vec()] };
    let _ = certificate.facts(&itself, now);
}
