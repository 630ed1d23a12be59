//! The certificate of every service of this process.

use std::sync::OnceLock;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use service::Certificate;

/// A certificate that nobody but its own key has signed, for the name `localhost` only.
pub struct SelfSigned {
    pub(crate) served: Certificate,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl SelfSigned {
    /// The one of this process: making a key takes a while.
    pub fn of_this_process() -> &'static Self {
        static MADE: OnceLock<SelfSigned> = OnceLock::new();
        MADE.get_or_init(|| {
            let names = ["localhost".to_owned()];
            let (served, text) =
                Certificate::self_signed(&names, SystemTime::now()).expect("a certificate can be made");
            let certificate =
                CertificateDer::from_pem_slice(text.as_bytes()).expect("it stands before its key");
            let end = text.find("-----BEGIN PRIVATE KEY-----").expect("its key stands behind it");
            let pem = text.get(..end).unwrap_or_default().to_owned();
            Self { served, certificate, pem }
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
