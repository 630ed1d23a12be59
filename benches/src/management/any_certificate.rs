//! TLS without verification, for servers of this measurement on the loopback interface.

use std::sync::Arc;

use rustls::ClientConfig;
use tls::{ServerCertificate, ServerCertificateCheck};

use crate::Result;

/// Returns a configuration that accepts every certificate.
pub(super) fn configuration() -> Result<Arc<ClientConfig>> {
    Ok(Arc::new(tls::client(AnyCertificate)?.with_no_client_auth()))
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertificateCheck for AnyCertificate {
    fn check(&self, _: &ServerCertificate<'_>) -> std::result::Result<(), rustls::Error> {
        Ok(())
    }
}
