//! Certificate of CredSSP, created for the lifetime of the process. Clients ignore its name and issuer, and bind their
//! credentials to its public key (MS-CSSP 3.1.5).

use std::error::Error;
use std::time::SystemTime;

use credssp::ServiceCertificate;
use service::Certificate;

/// Creates a self-signed certificate with its key.
pub(crate) fn make() -> Result<ServiceCertificate, String> {
    try_make().map_err(|error| error.to_string())
}

fn try_make() -> Result<ServiceCertificate, Box<dyn Error>> {
    let (_, pem) = Certificate::self_signed(&["CREDSSP".to_owned()], SystemTime::now())?;
    Ok(ServiceCertificate::from_pem(pem.as_bytes())?)
}
