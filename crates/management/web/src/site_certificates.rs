//! Certificates for sites: files in the folder `certificates` next to the configuration of the web server.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use files::{Attributes, replace};
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use rcgen::{CertificateParams, KeyPair};
use serde::{Deserialize, Serialize};
use tls::PemError;
use webserver::{Certificate, CertificateName};
use zeroize::Zeroizing;

use crate::certificate::{CLOCK_SKEW, server_parameters};

/// Certificates in a folder. A certificate has the files `NAME.pem` (certificate chain), `NAME.key` (private key) and perhaps
/// `NAME.csr` (request to an authority).
#[derive(Clone, Debug)]
pub(crate) struct SiteCertificates {
    folder: PathBuf,
}

/// A certificate with its files.
#[derive(Debug, Serialize)]
pub(crate) struct StoredCertificate {
    name: String,
    /// File with the certificate chain; `None` as long as an authority has not issued it.
    certificate: Option<String>,
    /// File with the private key.
    key: String,
    /// Request to an authority, in PEM.
    request: Option<String>,
    /// Facts of the certificate, or the reason why it cannot be read.
    content: Option<Result<Certificate, String>>,
}

/// Origin of a new certificate.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum NewCertificate {
    /// A certificate that is signed by its own key.
    SelfSigned {
        name: CertificateName,
        /// Host names and addresses.
        names: Vec<String>,
        days: u16,
    },
    /// A key, and a request to an authority.
    Request { name: CertificateName, names: Vec<String> },
    /// A certificate chain in PEM, with its key unless the key is stored for a request.
    Pem { name: CertificateName, certificate: String, key: Option<Zeroizing<String>> },
    /// A PKCS#12 file in Base64.
    Pfx { name: CertificateName, data: Zeroizing<String>, password: Zeroizing<String> },
}

/// Reason why a certificate was not stored or deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteCertificateError {
    #[error("the certificate {0} exists already\n  choose another name")]
    Exists(String),
    #[error("no certificate named {0} is stored\n  choose one of the list of stored certificates")]
    NotFound(String),
    #[error(
        "no key is stored for the certificate {0}\n  add the key, or create a request with this name first"
    )]
    NoKey(String),
    #[error("names: expected 1 to {MAX_NAMES} host names and addresses")]
    Names,
    #[error("days: expected 1 to {MAX_DAYS}")]
    Days,
    #[error("cannot create the certificate: {0}")]
    Create(#[from] rcgen::Error),
    #[error("the certificate and the key cannot be read: {0}")]
    Pem(#[from] PemError),
    #[error("the certificate and the key cannot be used together: {0}")]
    Pair(rustls::Error),
    #[error("cannot read the PKCS#12 file: {0}\n  check the password")]
    Pfx(String),
    #[error("the PKCS#12 file contains no certificate with a private key")]
    NoPair,
    #[error("cannot {action} {}: {source}", path.display())]
    Disk { action: &'static str, path: PathBuf, source: io::Error },
}

/// Certificate chain and private key in PEM.
struct Pair {
    chain: String,
    key: Zeroizing<String>,
}

impl SiteCertificates {
    /// Uses the folder next to a configuration file.
    pub(crate) fn beside(configuration: &Path) -> Option<Self> {
        Some(Self { folder: configuration.parent()?.join("certificates") })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lists the certificates by name.
    pub(crate) fn list(&self) -> Vec<StoredCertificate> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<CertificateName> = names
            .filter_map(|file| CertificateName::parse(file.strip_suffix(".key")?).ok())
            .take(MAX_CERTIFICATES)
            .collect();
        names.sort();
        names.iter().map(|name| self.stored(name)).collect()
    }

    fn stored(&self, name: &CertificateName) -> StoredCertificate {
        let [certificate, key, request] = ["pem", "key", "csr"].map(|kind| self.file(name, kind));
        let path = certificate.exists().then(|| certificate.display().to_string());
        StoredCertificate {
            name: name.to_string(),
            content: path.as_deref().map(webserver::read_certificate),
            certificate: path,
            key: key.display().to_string(),
            request: fs::read_to_string(request).ok(),
        }
    }

    fn file(&self, name: &CertificateName, kind: &str) -> PathBuf {
        self.folder.join(format!("{name}.{kind}"))
    }

    /// Stores a new certificate.
    ///
    /// # Errors
    /// [`SiteCertificateError`] if the name is used, the certificate does not match its key, or a file cannot be written.
    pub(crate) fn create(
        &self,
        new: NewCertificate,
        now: SystemTime,
    ) -> Result<StoredCertificate, SiteCertificateError> {
        match new {
            NewCertificate::SelfSigned { name, names, days } => {
                self.require_unused(&name)?;
                let pair = self_signed(&names, days, now)?;
                self.write(&name, &pair)
            }
            NewCertificate::Request { name, names } => {
                self.require_unused(&name)?;
                let key = KeyPair::generate()?;
                let request = parameters(&names)?.serialize_request(&key)?.pem()?;
                self.prepare()?;
                self.put(&name, "csr", request.as_bytes(), PUBLIC)?;
                self.put(&name, "key", Zeroizing::new(key.serialize_pem()).as_bytes(), Attributes::PRIVATE)?;
                Ok(self.stored(&name))
            }
            NewCertificate::Pem { name, certificate, key } => {
                let key = match key {
                    Some(key) => {
                        self.require_unused(&name)?;
                        key
                    }
                    None if self.file(&name, "pem").exists() => {
                        return Err(SiteCertificateError::Exists(name.to_string()));
                    }
                    None => self.stored_key(&name)?,
                };
                self.write(&name, &Pair { chain: certificate, key })
            }
            NewCertificate::Pfx { name, data, password } => {
                self.require_unused(&name)?;
                let pair = unpacked(&data, &password)?;
                self.write(&name, &pair)
            }
        }
    }

    /// Deletes the files of a certificate.
    ///
    /// # Errors
    /// [`SiteCertificateError`] if there is none, or a file cannot be deleted.
    pub(crate) fn delete(&self, name: &CertificateName) -> Result<(), SiteCertificateError> {
        if !self.file(name, "key").exists() {
            return Err(SiteCertificateError::NotFound(name.to_string()));
        }
        // The key is the last one, because a certificate without it is not listed.
        for kind in ["csr", "pem", "key"] {
            let path = self.file(name, kind);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(SiteCertificateError::Disk { action: "delete", path, source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn require_unused(&self, name: &CertificateName) -> Result<(), SiteCertificateError> {
        let is_used = ["pem", "key"].iter().any(|kind| self.file(name, kind).exists());
        if is_used { Err(SiteCertificateError::Exists(name.to_string())) } else { Ok(()) }
    }

    /// Returns the key that was created for a request.
    fn stored_key(&self, name: &CertificateName) -> Result<Zeroizing<String>, SiteCertificateError> {
        let path = self.file(name, "key");
        match fs::read_to_string(&path) {
            Ok(key) => Ok(Zeroizing::new(key)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(SiteCertificateError::NoKey(name.to_string()))
            }
            Err(source) => Err(SiteCertificateError::Disk { action: "read", path, source }),
        }
    }

    /// Writes a certificate and its key, which must match.
    fn write(&self, name: &CertificateName, pair: &Pair) -> Result<StoredCertificate, SiteCertificateError> {
        let certificates = tls::certificates(pair.chain.as_bytes())?;
        let key = tls::private_key(pair.key.as_bytes())?;
        let server = tls::server().map_err(SiteCertificateError::Pair)?;
        server
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(SiteCertificateError::Pair)?;
        self.prepare()?;
        self.put(name, "key", pair.key.as_bytes(), Attributes::PRIVATE)?;
        self.put(name, "pem", pair.chain.as_bytes(), PUBLIC)?;
        Ok(self.stored(name))
    }

    /// Creates the folder.
    fn prepare(&self) -> Result<(), SiteCertificateError> {
        let created = fs::DirBuilder::new().recursive(true).mode(0o755).create(&self.folder);
        created.map_err(|source| SiteCertificateError::Disk {
            action: "create",
            path: self.folder.clone(),
            source,
        })
    }

    fn put(
        &self,
        name: &CertificateName,
        kind: &str,
        content: &[u8],
        attributes: Attributes,
    ) -> Result<(), SiteCertificateError> {
        let path = self.file(name, kind);
        replace(&path, content, attributes).map_err(|source| SiteCertificateError::Disk {
            action: "write",
            path,
            source,
        })
    }
}

impl NewCertificate {
    /// Returns the name of the certificate.
    pub(crate) fn name(&self) -> &CertificateName {
        match self {
            Self::SelfSigned { name, .. }
            | Self::Request { name, .. }
            | Self::Pem { name, .. }
            | Self::Pfx { name, .. } => name,
        }
    }

    /// Returns the origin in words, for the audit log.
    pub(crate) fn origin(&self) -> &'static str {
        match self {
            Self::SelfSigned { .. } => "created",
            Self::Request { .. } => "requested",
            Self::Pem { .. } | Self::Pfx { .. } => "imported",
        }
    }
}

/// Returns the parameters of a certificate for servers with these names.
fn parameters(names: &[String]) -> Result<CertificateParams, SiteCertificateError> {
    let (Some(first), true) = (names.first(), names.len() <= MAX_NAMES) else {
        return Err(SiteCertificateError::Names);
    };
    Ok(server_parameters(first, names)?)
}

fn self_signed(names: &[String], days: u16, now: SystemTime) -> Result<Pair, SiteCertificateError> {
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(SiteCertificateError::Days);
    }
    let mut parameters = parameters(names)?;
    parameters.not_before = (now - CLOCK_SKEW).into();
    parameters.not_after = (now + Duration::from_secs(u64::from(days) * 86_400)).into();
    let key = KeyPair::generate()?;
    let chain = parameters.self_signed(&key)?.pem();
    Ok(Pair { chain, key: Zeroizing::new(key.serialize_pem()) })
}

/// Returns the first certificate with a key in a PKCS#12 file, with its chain.
fn unpacked(data: &str, password: &str) -> Result<Pair, SiteCertificateError> {
    let packed: Zeroizing<Vec<u8>> =
        Zeroizing::new(data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
    let file = STANDARD.decode(&*packed).map(Zeroizing::new);
    let file = file.map_err(|error| SiteCertificateError::Pfx(format!("invalid Base64: {error}")))?;
    let store = KeyStore::from_pkcs12(&file, password, Pkcs12ImportPolicy::Relaxed)
        .map_err(|error| SiteCertificateError::Pfx(error.to_string()))?;
    let (_, chain) = store.private_key_chain().ok_or(SiteCertificateError::NoPair)?;
    let certificates = chain.certs().iter().map(|certificate| pem("CERTIFICATE", certificate.as_der()));
    Ok(Pair { chain: certificates.collect(), key: Zeroizing::new(pem("PRIVATE KEY", chain.key().as_der())) })
}

/// Returns DER in PEM (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// Attributes of a file that every user may read.
const PUBLIC: Attributes = Attributes { mode: 0o644, group: None };
const MAX_CERTIFICATES: usize = 1_000;
const MAX_NAMES: usize = 100;
/// Maximum validity of a self-signed certificate: ten years.
const MAX_DAYS: u16 = 3_650;
