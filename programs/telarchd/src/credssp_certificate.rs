//! The certificate of CredSSP, which lives as long as the process: clients do not look at its name or its issuer,
//! and what they prove binds them to its key (MS-CSSP 3.1.5).

use std::time::SystemTime;

use credssp::ServiceCertificate;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use service::Certificate;

/// Makes one.
pub(crate) fn make() -> Result<ServiceCertificate, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let (_, pem) =
        Certificate::self_signed(&["CREDSSP".to_owned()], SystemTime::now()).map_err(|e| text(&e))?;
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| text(&e))?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|e| text(&e))?;
    ServiceCertificate::new(certificate, key).map_err(|e| text(&e))
}
