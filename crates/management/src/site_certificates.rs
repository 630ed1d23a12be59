//! Certificates for sites: files in the folder `certificates` next to the configuration of the web server.

mod new_certificate;
mod pkcs12;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use files::{Attributes, create};
use serde::Serialize;
use tls::PemError;
use webserver::{Certificate, CertificateFile, CertificateName, SiteId};
use zeroize::Zeroizing;

pub use self::new_certificate::{CertificatePair, KeyType, NewCertificate};
use self::new_certificate::{MAX_DAYS, MAX_NAMES, SignedRequest, request, self_signed};
pub use self::pkcs12::unpack_pkcs12;

/// Certificates in a folder. A certificate has the files `NAME.pem` (certificate chain), `NAME.key` (private key) and perhaps
/// `NAME.csr` (request to an authority).
#[derive(Clone, Debug)]
pub struct SiteCertificates {
    folder: PathBuf,
}

/// A certificate with its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredCertificate {
    /// Name in the store.
    pub name: String,
    /// File with the certificate chain; `None` as long as an authority has not issued it.
    pub certificate: Option<String>,
    /// File with the private key.
    pub key: String,
    /// Request to an authority, in PEM.
    pub request: Option<String>,
    /// Facts of the certificate, or the reason why it cannot be read.
    pub content: Option<Result<Certificate, String>>,
}

/// A new certificate with the texts of its files, before they are written.
pub struct PlannedCertificate {
    name: CertificateName,
    /// `None` if the key is stored already.
    key: Option<Zeroizing<String>>,
    /// Certificate chain in PEM.
    chain: Option<String>,
    /// Request to an authority, in PEM.
    request: Option<String>,
}

impl std::fmt::Debug for PlannedCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlannedCertificate").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reason why a certificate was not stored or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteCertificateError {
    /// The name is used.
    #[error("the certificate {0} exists already\n  choose another name")]
    Exists(String),
    /// No certificate has the name.
    #[error("no certificate named {0} is stored\n  choose one of the list of stored certificates")]
    NotFound(String),
    /// A site uses the certificate.
    #[error("the certificate {name} is used by {by}\n  select another one there first")]
    InUse {
        /// Name of the certificate.
        name: String,
        /// Sites that use it.
        by: String,
    },
    /// A certificate without a key was given, and no key is stored for it.
    #[error(
        "no key is stored for the certificate {0}\n  add the key, or create a request with this name first"
    )]
    NoKey(String),
    /// There are no or too many names.
    #[error("names: expected 1 to {MAX_NAMES} host names and addresses")]
    Names,
    /// The time of validity is invalid.
    #[error("days: expected 1 to {MAX_DAYS}")]
    Days,
    /// A key or a certificate could not be created, for example for an invalid name.
    #[error("cannot create the certificate: {0}")]
    Create(#[from] rcgen::Error),
    /// The given text is not PEM.
    #[error("the certificate and the key cannot be read: {0}")]
    Pem(#[from] PemError),
    /// Certificate and key do not match.
    #[error("the certificate and the key cannot be used together: {0}")]
    Pair(rustls::Error),
    /// The PKCS#12 file or its password is wrong.
    #[error("cannot read the PKCS#12 file: {0}\n  check the password")]
    Pfx(String),
    /// The PKCS#12 file has no private key.
    #[error("the PKCS#12 file contains no certificate with a private key")]
    NoPair,
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// The failed operation.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
}

impl SiteCertificates {
    /// Uses the folder next to a configuration file; `None` if the web server has no file of this machine.
    #[must_use]
    pub fn beside(configuration: &Path) -> Option<Self> {
        let folder = configuration.parent().filter(|_| configuration.is_absolute())?;
        Some(Self { folder: folder.join("certificates") })
    }

    /// Returns the folder of the files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lists the certificates by name.
    #[must_use]
    pub fn list(&self) -> Vec<StoredCertificate> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<CertificateName> = names
            .filter_map(|file| CertificateName::parse(file.strip_suffix(".key")?).ok())
            .take(MAX_CERTIFICATES)
            .collect();
        names.sort();
        names.iter().map(|name| self.stored(name)).collect()
    }

    /// Prepares a new certificate, and writes nothing.
    ///
    /// # Errors
    /// [`SiteCertificateError`] if the name is used, or the certificate does not match its key.
    pub fn plan(
        &self,
        new: NewCertificate,
        now: SystemTime,
    ) -> Result<PlannedCertificate, SiteCertificateError> {
        if !matches!(new, NewCertificate::Pem { key: None, .. }) {
            self.require_unused(new.name())?;
        }
        match new {
            NewCertificate::SelfSigned { name, names, days, key_type } => {
                PlannedCertificate::of_pair(name, self_signed(&names, days, key_type, now)?)
            }
            NewCertificate::Request { name, names, key_type } => {
                let SignedRequest { request, key } = request(&names, key_type)?;
                Ok(PlannedCertificate { name, key: Some(key), chain: None, request: Some(request) })
            }
            NewCertificate::Pem { name, certificate, key: Some(key) } => {
                PlannedCertificate::of_pair(name, CertificatePair { chain: certificate, key })
            }
            NewCertificate::Pem { name, certificate, key: None } => {
                if self.file(&name, "pem").exists() {
                    return Err(SiteCertificateError::Exists(name.to_string()));
                }
                let key = self.stored_key(&name)?;
                let planned = PlannedCertificate::of_pair(name, CertificatePair { chain: certificate, key })?;
                Ok(PlannedCertificate { key: None, ..planned })
            }
            NewCertificate::Pfx { name, data, password } => {
                PlannedCertificate::of_pair(name, unpack_pkcs12(&data, &password)?)
            }
        }
    }

    /// Returns the certificate as it will be stored.
    #[must_use]
    pub fn preview(&self, planned: &PlannedCertificate) -> StoredCertificate {
        let PlannedCertificate { name, chain, request, .. } = planned;
        StoredCertificate {
            name: name.to_string(),
            certificate: chain.as_ref().map(|_| self.file(name, "pem").display().to_string()),
            key: self.file(name, "key").display().to_string(),
            request: request.clone(),
            content: chain.as_ref().map(|chain| webserver::parse_certificate(chain.as_bytes())),
        }
    }

    /// Writes the files of a new certificate.
    ///
    /// # Errors
    /// [`SiteCertificateError`] if another certificate has received the name, or a file cannot be written.
    pub fn store(&self, planned: &PlannedCertificate) -> Result<StoredCertificate, SiteCertificateError> {
        let PlannedCertificate { name, key, chain, request } = planned;
        let created = fs::DirBuilder::new().recursive(true).mode(0o755).create(&self.folder);
        created.map_err(|source| SiteCertificateError::Disk {
            action: "create",
            path: self.folder.clone(),
            source,
        })?;
        // The key is the first file: it reserves the name.
        if let Some(key) = key {
            self.write(name, "key", key.as_bytes(), Attributes::PRIVATE)?;
        }
        let others = [("csr", request), ("pem", chain)];
        let written = others.into_iter().try_for_each(|(kind, text)| match text {
            Some(text) => self.write(name, kind, text.as_bytes(), PUBLIC),
            None => Ok(()),
        });
        if written.is_err() && key.is_some() {
            // The key is of no use without the other file.
            let _ = fs::remove_file(self.file(name, "key"));
        }
        written.map(|()| self.stored(name))
    }

    /// Checks that a certificate is stored, and that the web server uses none of its files.
    ///
    /// # Errors
    /// [`SiteCertificateError::NotFound`] or [`SiteCertificateError::InUse`].
    pub fn require_deletable(
        &self,
        name: &CertificateName,
        used: &[CertificateFile],
    ) -> Result<(), SiteCertificateError> {
        let file = self.file(name, "pem");
        if let Some(found) = used.iter().find(|found| Path::new(&found.path) == file) {
            let sites: Vec<&str> = found.sites.iter().map(SiteId::as_str).collect();
            let by = if sites.is_empty() { "the web server".to_owned() } else { sites.join(", ") };
            return Err(SiteCertificateError::InUse { name: name.to_string(), by });
        }
        match self.file(name, "key").exists() {
            true => Ok(()),
            false => Err(SiteCertificateError::NotFound(name.to_string())),
        }
    }

    /// Deletes the files of a certificate.
    ///
    /// # Errors
    /// [`SiteCertificateError`] if there is none, or a file cannot be deleted.
    pub fn delete(&self, name: &CertificateName) -> Result<(), SiteCertificateError> {
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

    fn write(
        &self,
        name: &CertificateName,
        kind: &str,
        content: &[u8],
        attributes: Attributes,
    ) -> Result<(), SiteCertificateError> {
        let path = self.file(name, kind);
        create(&path, content, attributes).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => SiteCertificateError::Exists(name.to_string()),
            _ => SiteCertificateError::Disk { action: "write", path, source },
        })
    }
}

impl PlannedCertificate {
    /// Requires that certificate and key match.
    fn of_pair(name: CertificateName, pair: CertificatePair) -> Result<Self, SiteCertificateError> {
        let CertificatePair { chain, key } = pair;
        let certificates = tls::certificates(chain.as_bytes())?;
        let private = tls::private_key(key.as_bytes())?;
        let server = tls::server().map_err(SiteCertificateError::Pair)?;
        server
            .with_no_client_auth()
            .with_single_cert(certificates, private)
            .map_err(SiteCertificateError::Pair)?;
        Ok(Self { name, key: Some(key), chain: Some(chain), request: None })
    }
}

/// Attributes of a file that every user may read.
const PUBLIC: Attributes = Attributes { mode: 0o644, group: None };
const MAX_CERTIFICATES: usize = 1_000;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn new(name: &str, key_type: KeyType) -> NewCertificate {
        let name = CertificateName::parse(name).unwrap();
        NewCertificate::SelfSigned { name, names: vec!["shop.example".to_owned()], days: 2, key_type }
    }

    #[test]
    fn of_two_certificates_with_one_name_the_first_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let store = SiteCertificates::beside(&folder.path().join("nginx.conf")).unwrap();
        let plans = [(); 2].map(|()| store.plan(new("shop", KeyType::default()), SystemTime::now()).unwrap());
        let [first, second] = plans;
        assert!(store.list().is_empty(), "a plan writes nothing");
        let stored = store.store(&first).unwrap();
        assert_eq!(stored, store.preview(&first));
        assert!(matches!(store.store(&second), Err(SiteCertificateError::Exists(_))));
        assert_eq!(store.list(), [stored]);
    }

    #[test]
    fn keys_have_the_requested_type() {
        let folder = tempfile::tempdir().unwrap();
        let store = SiteCertificates::beside(&folder.path().join("nginx.conf")).unwrap();
        for (name, key_type) in KeyType::ALL {
            let planned = store.plan(new(name, key_type), SystemTime::now()).unwrap();
            let stored = store.store(&planned).unwrap();
            let key = fs::read(&stored.key).unwrap();
            let length = tls::private_key(&key).unwrap().secret_der().len();
            // Encodings of keys of these types in PKCS#8 differ clearly in their lengths.
            let expected = match key_type {
                KeyType::EcdsaP256 => 100..160,
                KeyType::EcdsaP384 => 160..250,
                KeyType::Rsa2048 => 1_000..1_400,
                KeyType::Rsa4096 => 2_000..2_600,
            };
            assert!(expected.contains(&length), "{name}: {length}");
        }
    }
}
