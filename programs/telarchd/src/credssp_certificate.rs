//! Certificate of CredSSP, created for the lifetime of the process. Clients ignore its name and issuer, and bind their
//! credentials to its public key (MS-CSSP 3.1.5).

use std::error::Error;
use std::time::SystemTime;

use credssp::ServiceCertificate;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use service::Certificate;

/// Creates a self-signed certificate with its key.
pub(crate) fn make() -> Result<ServiceCertificate, String> {
    try_make().map_err(|error| error.to_string())
}

fn try_make() -> Result<ServiceCertificate, Box<dyn Error>> {
    let (_, pem) = Certificate::self_signed(&["CREDSSP".to_owned()], SystemTime::now())?;
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())?;
    Ok(ServiceCertificate::new(certificate, key)?)
}
