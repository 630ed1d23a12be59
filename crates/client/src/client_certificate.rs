//! Client certificate with its private key.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use files::{FileError, TrustedFile};
use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tls::PemError;
use zeroize::Zeroizing;

use crate::Thumbprint;

/// Certificate with the private key that belongs to it.
///
/// The client presents it to services that request a certificate in the TLS handshake (MS-WSMV 2.2.1, https/mutual).
#[derive(Clone)]
pub struct ClientCertificate(Arc<CertifiedKey>);

/// Error of loading a client certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientCertificateError {
    /// A file cannot be read, or its owner or mode is unsafe.
    #[error("cannot use the certificate: {}", .0.with_advice())]
    File(#[from] FileError),
    /// The file contains no certificate.
    #[error("{} contains no PEM certificate", path.display())]
    NoCertificate {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file contains no private key.
    #[error("{} contains no PEM private key", path.display())]
    NoKey {
        /// Path of the file.
        path: PathBuf,
    },
    /// The private key is encrypted.
    #[error(
        "the key in {path} is encrypted, which is not supported\n  \
         decrypt it into a file with mode 600: openssl pkey -in {path} -out FILE",
        path = path.display()
    )]
    Encrypted {
        /// Path of the file.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, or are not usable for TLS.
    #[error("the certificate in {} cannot be used with its key: {source}", path.display())]
    Unusable {
        /// File with the certificate.
        path: PathBuf,
        /// Error of the TLS library.
        source: rustls::Error,
    },
    /// No directory contains the certificate.
    #[error(
        "no client certificate {name}\n  put it with its key into {}, mode 600",
        list_files(directories, name)
    )]
    NotFound {
        /// Thumbprint in upper-case hexadecimal digits.
        name: String,
        /// Directories that were searched.
        directories: Vec<PathBuf>,
    },
    /// The file contains another certificate than its name says.
    #[error("{} contains the certificate {found}\n  rename the file to {found}.pem", path.display())]
    Misnamed {
        /// Path of the file.
        path: PathBuf,
        /// Thumbprint of the certificate in the file.
        found: String,
    },
}

fn list_files(directories: &[PathBuf], name: &str) -> String {
    let files = directories.iter().map(|directory| directory.join(name).display().to_string() + ".pem");
    files.collect::<Vec<_>>().join(" or ")
}

impl ClientCertificate {
    /// Loads the certificate with its intermediate certificates from a PEM file, and its key from another or the same
    /// file. The file with the key must not be readable by other users.
    ///
    /// # Errors
    /// [`ClientCertificateError`] if a file is missing, unsafe or invalid, or if the key does not match.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, ClientCertificateError> {
        let text = read(certificate, if certificate == key { Secrecy::Key } else { Secrecy::None })?;
        let key_text = if certificate == key { None } else { Some(read(key, Secrecy::Key)?) };
        Self::parse((certificate, &text), (key, key_text.as_deref().unwrap_or(&text)))
    }

    /// Loads the certificate with its intermediate certificates and its key from a PEM file, which only its owner and the
    /// members of its group may read.
    ///
    /// # Errors
    /// [`ClientCertificateError`] as for [`Self::from_files`].
    pub fn of_group(path: &Path) -> Result<Self, ClientCertificateError> {
        Self::from_pem(path, &read(path, Secrecy::KeyOfGroup)?)
    }

    /// Uses the certificate with its intermediate certificates and its key in a text in PEM; `path` is for messages.
    ///
    /// # Errors
    /// [`ClientCertificateError`] if a part is missing or invalid, or if the key does not match.
    pub fn from_pem(path: &Path, text: &[u8]) -> Result<Self, ClientCertificateError> {
        Self::parse((path, text), (path, text))
    }

    fn parse(
        (certificate, text): (&Path, &[u8]),
        (key, key_text): (&Path, &[u8]),
    ) -> Result<Self, ClientCertificateError> {
        let chain = tls::certificates(text)
            .map_err(|_| ClientCertificateError::NoCertificate { path: certificate.to_owned() })?;
        let private = tls::private_key(key_text).map_err(|error| match error {
            PemError::EncryptedKey => ClientCertificateError::Encrypted { path: key.to_owned() },
            _ => ClientCertificateError::NoKey { path: key.to_owned() },
        })?;
        let pair = CertifiedKey::from_der(chain, private, tls::provider())
            .map_err(|source| ClientCertificateError::Unusable { path: certificate.to_owned(), source })?;
        Ok(Self(Arc::new(pair)))
    }

    /// Loads the certificate with its key from the file `THUMBPRINT.pem` in the first of the directories that contains
    /// it.
    ///
    /// # Errors
    /// [`ClientCertificateError`] as for [`Self::from_files`], and if there is no such file.
    pub fn find(
        thumbprint: Thumbprint,
        directories: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Self, ClientCertificateError> {
        let directories: Vec<PathBuf> = directories.into_iter().collect();
        let name = thumbprint.to_string();
        let files = directories.iter().map(|directory| directory.join(format!("{name}.pem")));
        let Some(path) = files.into_iter().find(|path| path.exists()) else {
            return Err(ClientCertificateError::NotFound { name, directories });
        };
        let found = Self::from_files(&path, &path)?;
        if found.has(thumbprint) {
            return Ok(found);
        }
        Err(ClientCertificateError::Misnamed { path, found: found.thumbprint().to_string() })
    }

    /// SHA-1 thumbprint, as in mappings of self-signed certificates.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint::Sha1(tls::thumbprint::sha1(self.der()))
    }

    fn has(&self, thumbprint: Thumbprint) -> bool {
        match thumbprint {
            Thumbprint::Sha1(_) => self.thumbprint() == thumbprint,
            Thumbprint::Sha256(wanted) => tls::thumbprint::sha256(self.der()) == wanted,
        }
    }

    fn der(&self) -> &[u8] {
        self.0.cert.first().map(AsRef::as_ref).unwrap_or_default()
    }

    /// Returns a resolver that presents this certificate to every service that requests one.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCertificate").field(&self.thumbprint()).finish()
    }
}

/// Required protection of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    None,
    KeyOfGroup,
    Key,
}

fn read(path: &Path, secrecy: Secrecy) -> Result<Zeroizing<Vec<u8>>, ClientCertificateError> {
    /// Maximum file size in bytes, far more than any certificate chain with its key.
    const LARGEST: usize = 1 << 20;
    let file = match secrecy {
        Secrecy::None => TrustedFile::readable(path),
        Secrecy::KeyOfGroup => TrustedFile::of_group(path),
        Secrecy::Key => TrustedFile::private(path),
    };
    let file = file.open()?.ok_or_else(|| read_failed(path, io::ErrorKind::NotFound.into()))?;
    // The buffer must not grow, because that would leave copies of a key in memory.
    let mut text = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    let read = file.take(LARGEST as u64 + 1).read_to_end(&mut text);
    read.map_err(|source| read_failed(path, source))?;
    if text.len() > LARGEST {
        return Err(FileError::TooLarge { path: path.to_owned(), most: LARGEST }.into());
    }
    Ok(text)
}

fn read_failed(path: &Path, source: io::Error) -> FileError {
    FileError::Disk { action: "read", path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use rcgen::CertifiedKey as Pair;

    use super::*;

    fn put(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_certificate_is_found_by_thumbprint_and_must_match_the_file_name() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        for directory in [&first, &second] {
            fs::create_dir(directory).unwrap();
        }
        let Pair { cert, signing_key } = rcgen::generate_simple_self_signed(["ada".to_owned()]).unwrap();
        let both = [cert.pem(), signing_key.serialize_pem()].concat();
        let path = second.join("any.pem");
        put(&path, &both, 0o600);
        let thumbprint = ClientCertificate::from_files(&path, &path).unwrap().thumbprint();
        let find = || ClientCertificate::find(thumbprint, [first.clone(), second.clone()]);
        let missing = find().unwrap_err().to_string();
        assert!(missing.contains(&format!("second/{thumbprint}.pem, mode 600")), "{missing}");
        fs::rename(&path, second.join(format!("{thumbprint}.pem"))).unwrap();
        assert_eq!(find().unwrap().thumbprint(), thumbprint);
        // The first directory takes precedence, and the content must match the file name.
        let Pair { cert, signing_key } = rcgen::generate_simple_self_signed(["ben".to_owned()]).unwrap();
        let other = [cert.pem(), signing_key.serialize_pem()].concat();
        put(&first.join(format!("{thumbprint}.pem")), &other, 0o600);
        assert!(matches!(find(), Err(ClientCertificateError::Misnamed { .. })));
    }

    #[test]
    fn invalid_files_are_rejected_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
        let Pair { cert, signing_key } = rcgen::generate_simple_self_signed(["ada".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let (pem, right) = (cert.pem(), signing_key.serialize_pem());
        let refused = |text: &str, private: &str, mode| {
            put(&certificate, text, 0o644);
            put(&key, private, mode);
            ClientCertificate::from_files(&certificate, &key).map(drop)
        };
        refused(&pem, &right, 0o600).unwrap();
        assert!(matches!(
            refused(&pem, &right, 0o640),
            Err(ClientCertificateError::File(FileError::Readable { mode: 0o640, .. }))
        ));
        assert!(matches!(refused(&pem, &other, 0o600), Err(ClientCertificateError::Unusable { .. })));
        assert!(matches!(refused(&right, &right, 0o600), Err(ClientCertificateError::NoCertificate { .. })));
        assert!(matches!(refused(&pem, &pem, 0o600), Err(ClientCertificateError::NoKey { .. })));
        let encrypted = right.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        assert!(matches!(refused(&pem, &encrypted, 0o600), Err(ClientCertificateError::Encrypted { .. })));
        fs::remove_file(&key).unwrap();
        let error = ClientCertificate::from_files(&certificate, &key).unwrap_err();
        assert!(error.to_string().contains(&key.display().to_string()), "{error}");
        assert!(
            !format!("{:?}", ClientCertificate::from_files(&certificate, &certificate)).contains("PRIVATE")
        );
    }
}
