//! The certificate of the service.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use files::{Attributes, FileError, TrustedFile, replace};
use management::{CLOCK_SKEW, server_parameters};
use rcgen::KeyPair;
use rustls::ServerConfig;
use tls::PemError;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate with its key, ready for TLS.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(crate) server: Arc<ServerConfig>,
    fingerprint: String,
    names: Vec<String>,
}

/// Failure to load or create a certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A certificate could not be created.
    #[error("cannot create a self-signed certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The file does not contain a certificate and a key.
    #[error("the certificate of the management service cannot be read: {0}")]
    Pem(#[from] PemError),
    /// Certificate and key do not match.
    #[error("the certificate of the management service cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The file could not be read.
    #[error("{0}")]
    File(#[from] FileError),
    /// The file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Path of the file.
        path: String,
        /// The error of the system call.
        source: std::io::Error,
    },
}

impl Certificate {
    /// Creates a self-signed certificate (ECDSA P-256) for these names and addresses, valid for 397 days, the maximum
    /// that browsers accept. Returns the PEM text with the private key, too.
    ///
    /// # Errors
    /// [`CertificateError`], for example for an invalid name.
    pub fn self_signed(names: &[String], now: SystemTime) -> Result<(Self, String), CertificateError> {
        let key = KeyPair::generate()?;
        let host = names.first().map_or("localhost", String::as_str);
        let mut params = server_parameters(&format!("WMSvc-SHA2-{host}"), names)?;
        params.not_before = (now - CLOCK_SKEW).into();
        params.not_after = (now + VALID).into();
        let pem = format!("{}{}", params.self_signed(&key)?.pem(), key.serialize_pem());
        Ok((Self::from_pem(&pem)?, pem))
    }

    /// Reads the certificate of a file, and creates the file if it is missing.
    ///
    /// # Errors
    /// [`CertificateError`] if other users can read the file, or it cannot be used.
    pub fn load_or_create(path: &Path, names: &[String], now: SystemTime) -> Result<Self, CertificateError> {
        if let Some(text) = TrustedFile::private(path).read(MAX_FILE)? {
            return Self::from_pem(&String::from_utf8_lossy(&text));
        }
        let (certificate, pem) = Self::self_signed(names, now)?;
        replace(path, pem.as_bytes(), Attributes::PRIVATE)
            .map_err(|source| CertificateError::Write { path: path.display().to_string(), source })?;
        Ok(certificate)
    }

    /// Reads a certificate with its key from PEM text.
    ///
    /// # Errors
    /// [`CertificateError`] if the text contains none, or certificate and key do not match.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let chain = tls::certificates(text.as_bytes())?;
        let key = tls::private_key(text.as_bytes())?;
        let hash = chain.first().map(|own| tls::thumbprint::sha256(own)).unwrap_or_default();
        let fingerprint = hash.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        let names = chain.first().map(|own| names_of(own)).unwrap_or_default();
        let mut server = tls::server()?.with_no_client_auth().with_single_cert(chain, key)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { server: Arc::new(server), fingerprint, names })
    }

    /// Returns the host names and addresses of the certificate, without those that have a wildcard.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the SHA-256 hash of the certificate as hexadecimal digits with colons.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

fn names_of(certificate: &[u8]) -> Vec<String> {
    let parsed = X509Certificate::from_der(certificate).ok();
    let names = parsed.and_then(|(_, certificate)| tls::host_names(&certificate).ok()).unwrap_or_default();
    names.iter().map(ToString::to_string).filter(|name| !name.contains('*')).collect()
}

const VALID: Duration = Duration::from_secs(397 * 86_400 - 3_600);
const MAX_FILE: usize = 64 * 1_024;
