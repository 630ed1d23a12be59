//! The certificate of every service of this process.

use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::CertifiedKey;
use rustls::pki_types::CertificateDer;
use service::Certificate;

/// A certificate that nobody but its own key has signed, for the name `localhost` only.
pub struct SelfSigned {
    pub(crate) served: Certificate,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl SelfSigned {
    /// The one of this process; every service has it.
    pub fn of_this_process() -> &'static Self {
        static MADE: OnceLock<SelfSigned> = OnceLock::new();
        // Keys of RSA, which services make for themselves, take longer than most tests.
        MADE.get_or_init(|| {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
            let CertifiedKey { cert, signing_key } = made.expect("a certificate can be made");
            let pem = cert.pem();
            let both = format!("{pem}{}", signing_key.serialize_pem());
            let served = Certificate::from_pem(&both, Path::new("a test")).expect("it fits its key");
            Self { served, certificate: cert.der().clone(), pem }
        })
    }

    /// The certificate as PEM, without its key.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of the certificate, as administrators copy it: hexadecimal digits.
    pub fn sha256(&self) -> String {
        digest(&SHA256, &self.certificate).as_ref().iter().map(|octet| format!("{octet:02X}")).collect()
    }

    /// SHA-1 of the certificate, as Windows shows it.
    pub fn sha1(&self) -> String {
        self.served.thumbprint()
    }
}
