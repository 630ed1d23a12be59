//! Certificate of all services of this process.

use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::CertifiedKey;
use rustls::pki_types::CertificateDer;
use service::Certificate;

/// A self-signed certificate for the name `localhost`.
pub struct SelfSigned {
    pub(crate) served: Certificate,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl SelfSigned {
    /// Returns the certificate of this process, which all services use.
    pub fn of_this_process() -> &'static Self {
        static MADE: OnceLock<SelfSigned> = OnceLock::new();
        // An ECDSA key: creating an RSA key, as services do, takes longer than most tests.
        MADE.get_or_init(|| {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
            let CertifiedKey { cert, signing_key } = made.expect("a certificate can be made");
            let pem = cert.pem();
            let both = format!("{pem}{}", signing_key.serialize_pem());
            let served = Certificate::from_pem(&both, Path::new("a test")).expect("it fits its key");
            Self { served, certificate: cert.der().clone(), pem }
        })
    }

    /// Returns the certificate as PEM, without its key.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the SHA-256 hash of the certificate in hexadecimal digits, as administrators copy it.
    pub fn sha256(&self) -> String {
        digest(&SHA256, &self.certificate).as_ref().iter().map(|octet| format!("{octet:02X}")).collect()
    }

    /// Returns the SHA-1 hash of the certificate, as Windows shows it.
    pub fn sha1(&self) -> String {
        self.served.thumbprint().to_string()
    }
}
