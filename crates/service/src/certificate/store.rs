//! Store of the certificates of this machine, by thumbprint.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use config::Thumbprint;
use files::Attributes;
use locks::Mutex;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{Certificate, CertificateError};

/// The certificates that listeners can select by `CertificateThumbprint`, and the self-signed one for the others.
///
/// The administrator's certificates are in one directory, each in a file `THUMBPRINT.pem` with the chain and the key,
/// or in `THUMBPRINT.crt` and `THUMBPRINT.key`. The self-signed certificate is created on first use and stored in the
/// state directory, so that clients need to trust it only once.
pub struct Certificates {
    /// Directory of the administrator's certificates.
    directory: PathBuf,
    /// Directory of the self-signed certificate.
    state_directory: PathBuf,
    keeper: Option<Arc<dyn CertificateKeeper>>,
    loaded: Mutex<Loaded>,
}

/// Reads and creates certificate files on behalf of a process that may not access them. Returns PEM texts.
pub trait CertificateKeeper: Send + Sync {
    /// Returns the certificate with a thumbprint and its key. Blocks.
    ///
    /// # Errors
    /// A description of the failure.
    fn find(&self, thumbprint: Thumbprint) -> Result<Zeroizing<String>, String>;

    /// Returns the self-signed certificate and its key, creating it for these names if none exists. Blocks.
    ///
    /// # Errors
    /// A description of the failure.
    fn own(&self, names: &[String]) -> Result<Zeroizing<String>, String>;
}

#[derive(Debug, Default)]
struct Loaded {
    /// Certificates with the texts they were parsed from, to detect unchanged files.
    by_thumbprint: BTreeMap<Thumbprint, (Text, Certificate)>,
    own: Option<Thumbprint>,
}

/// Content of certificate files, which includes private keys.
#[derive(PartialEq, Eq)]
struct Text(Zeroizing<String>);

impl Certificates {
    /// Creates a store of the administrator's directory and the state directory. Neither needs to exist yet.
    #[must_use]
    pub fn new(directory: PathBuf, state_directory: PathBuf) -> Self {
        Self { directory, state_directory, keeper: None, loaded: Mutex::default() }
    }

    /// Creates a store whose files another process reads.
    #[must_use]
    pub fn with_keeper(keeper: Arc<dyn CertificateKeeper>) -> Self {
        Self { keeper: Some(keeper), ..Self::new(PathBuf::new(), PathBuf::new()) }
    }

    /// Returns the certificate with a thumbprint. Blocks on first use.
    ///
    /// # Errors
    /// [`CertificateError`], which names the missing or invalid file.
    pub fn find(&self, thumbprint: Thumbprint) -> Result<Certificate, CertificateError> {
        let mut loaded = self.loaded.lock();
        if let Some((_, certificate)) = loaded.by_thumbprint.get(&thumbprint) {
            return Ok(certificate.clone());
        }
        let (text, certificate) = self.read(thumbprint)?;
        loaded.by_thumbprint.insert(thumbprint, (text, certificate.clone()));
        Ok(certificate)
    }

    /// Returns the self-signed certificate. If it does not exist, creates it for these names, which takes a moment.
    ///
    /// # Errors
    /// [`CertificateError`] if it cannot be created or stored.
    pub fn own(&self, names: &[String], now: SystemTime) -> Result<Certificate, CertificateError> {
        let mut loaded = self.loaded.lock();
        if let Some((_, certificate)) = loaded.own.and_then(|own| loaded.by_thumbprint.get(&own)) {
            return Ok(certificate.clone());
        }
        let (text, certificate) = match (&self.keeper, self.latest_own()) {
            (Some(keeper), _) => parse_from_keeper(keeper.own(names))?,
            (None, Some(existing)) => existing,
            (None, None) => self.create(names, now)?,
        };
        loaded.own = Some(certificate.thumbprint());
        loaded.by_thumbprint.insert(certificate.thumbprint(), (text, certificate.clone()));
        Ok(certificate)
    }

    /// Returns the current PEM text of a certificate, for another process.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn pem(&self, thumbprint: Thumbprint) -> Result<Zeroizing<String>, CertificateError> {
        self.read(thumbprint).map(|(text, _)| text.0)
    }

    /// Returns the PEM text of the self-signed certificate, for another process.
    ///
    /// # Errors
    /// As [`own`](Self::own).
    pub fn own_pem(&self, names: &[String], now: SystemTime) -> Result<Zeroizing<String>, CertificateError> {
        self.own(names, now).and_then(|own| self.pem(own.thumbprint()))
    }

    /// Returns the self-signed certificate, or `None` if it does not exist yet.
    #[must_use]
    pub fn existing_own(&self) -> Option<Certificate> {
        if self.keeper.is_some() {
            let loaded = self.loaded.lock();
            return loaded.own.and_then(|own| Some(loaded.by_thumbprint.get(&own)?.1.clone()));
        }
        self.latest_own().map(|(_, certificate)| certificate)
    }

    /// Reads all loaded certificates again. Those whose files have become invalid remain unchanged.
    ///
    /// Returns the errors of the invalid ones.
    pub fn reload(&self) -> Vec<CertificateError> {
        let mut errors = Vec::new();
        for (thumbprint, entry) in &mut self.loaded.lock().by_thumbprint {
            match self.read(*thumbprint) {
                Ok((text, _)) if text == entry.0 => {}
                Ok(changed) => {
                    tracing::info!(%thumbprint, "Certificate reloaded");
                    *entry = changed;
                }
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    /// Reads the files of a thumbprint.
    fn read(&self, thumbprint: Thumbprint) -> Result<(Text, Certificate), CertificateError> {
        if let Some(keeper) = &self.keeper {
            return parse_from_keeper(keeper.find(thumbprint)).and_then(
                |(text, certificate)| match certificate.thumbprint() {
                    found if found == thumbprint => Ok((text, certificate)),
                    found => Err(CertificateError::Misnamed { path: PathBuf::new(), found }),
                },
            );
        }
        let base = self.directory.join(thumbprint.to_string());
        let both = [base.with_extension("crt"), base.with_extension("key")];
        let own = self.state_directory.join(format!("{thumbprint}.pem"));
        let whole = base.with_extension("pem");
        let (text, path) = match read_file(&whole, Secrecy::Key)? {
            Some(text) => (text, whole),
            None => match (read_file(&both[0], Secrecy::None)?, read_file(&both[1], Secrecy::Key)?) {
                (Some(chain), Some(key)) => {
                    let [path, _] = both;
                    (Text(Zeroizing::new([chain.0.as_str(), "\n", key.0.as_str()].concat())), path)
                }
                _ => match read_file(&own, Secrecy::Key)? {
                    Some(text) => (text, own),
                    None => {
                        let directory = self.directory.clone();
                        return Err(CertificateError::NotFound { thumbprint, directory });
                    }
                },
            },
        };
        let certificate = Certificate::from_pem(&text.0, &path)?;
        if certificate.thumbprint() != thumbprint {
            return Err(CertificateError::Misnamed { path, found: certificate.thumbprint() });
        }
        Ok((text, certificate))
    }

    /// Returns the self-signed certificate of an earlier run. If there are several, the one that expires last.
    fn latest_own(&self) -> Option<(Text, Certificate)> {
        let files =
            fs::read_dir(&self.state_directory).ok()?.filter_map(Result::ok).map(|entry| entry.path());
        let named = files.filter(|path| path.extension().is_some_and(|extension| extension == "pem"));
        let usable = named.filter_map(|path| {
            Thumbprint::parse(path.file_stem()?.to_str()?).ok()?;
            let read = read_file(&path, Secrecy::Key).and_then(|text| {
                let Some(text) = text else { return Ok(None) };
                let certificate = Certificate::from_pem(&text.0, &path)?;
                Ok(Some((text, certificate)))
            });
            read.unwrap_or_else(|error| {
                tracing::warn!(%error, "Cannot use stored self-signed certificate");
                None
            })
        });
        usable.max_by_key(|(_, certificate)| certificate.not_after())
    }

    fn create(&self, names: &[String], now: SystemTime) -> Result<(Text, Certificate), CertificateError> {
        let (certificate, pem) = Certificate::self_signed(names, now)?;
        let pem = Text(Zeroizing::new(pem));
        let path = self.state_directory.join(format!("{}.pem", certificate.thumbprint()));
        files::replace(&path, pem.0.as_bytes(), Attributes::PRIVATE)
            .map_err(|source| CertificateError::Disk { action: "write", path: path.clone(), source })?;
        tracing::info!(
            thumbprint = %certificate.thumbprint(), file = %path.display(), names = names.join(" "),
            "Created self-signed certificate: clients must be configured to trust it"
        );
        Ok((pem, certificate))
    }
}

/// Parses the result of a [`CertificateKeeper`].
fn parse_from_keeper(
    text: Result<Zeroizing<String>, String>,
) -> Result<(Text, Certificate), CertificateError> {
    let text = Text(text.map_err(CertificateError::Keeper)?);
    let certificate = Certificate::from_pem(&text.0, Path::new("the certificate file"))?;
    Ok((text, certificate))
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Certificates").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Whether a file contains a private key, which others must not read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    None,
    Key,
}

/// Reads a file; `None` if it does not exist.
fn read_file(path: &Path, secrecy: Secrecy) -> Result<Option<Text>, CertificateError> {
    /// Maximum size of a certificate file in bytes.
    const MAX_SIZE: u64 = 1 << 20;
    // Do not block on a FIFO or device with this name; it is rejected below.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_error(path, error)),
    };
    let metadata = file.metadata().map_err(|error| read_error(path, error))?;
    if !metadata.is_file() || metadata.len() > MAX_SIZE {
        return Err(read_error(path, io::Error::other("not a regular file of at most 1 MiB")));
    }
    let mode = metadata.mode() & 0o777;
    // Access for a group can be intended, such as Debian's ssl-cert.
    if secrecy == Secrecy::Key && mode & 0o007 != 0 {
        return Err(CertificateError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(
        usize::try_from(metadata.len()).unwrap_or_default().saturating_add(1),
    ));
    file.take(MAX_SIZE).read_to_string(&mut text).map_err(|error| read_error(path, error))?;
    Ok(Some(Text(text)))
}

fn read_error(path: &Path, source: io::Error) -> CertificateError {
    CertificateError::Disk { action: "read", path: path.to_owned(), source }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Text(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    struct Fixture {
        folder: tempfile::TempDir,
        certificates: Certificates,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for part in ["given", "own"] {
                fs::create_dir(folder.path().join(part)).unwrap();
            }
            let certificates = Certificates::new(folder.path().join("given"), folder.path().join("own"));
            Self { folder, certificates }
        }

        fn put(&self, name: &str, text: &str, mode: u32) -> PathBuf {
            let path = self.folder.path().join("given").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    fn names() -> Vec<String> {
        vec!["localhost".to_owned()]
    }

    #[test]
    fn the_own_certificate_is_created_once_and_reused_after_a_restart() {
        let fixture = Fixture::new();
        let now = SystemTime::now();
        let made = fixture.certificates.own(&names(), now).unwrap();
        assert_eq!(fixture.certificates.own(&names(), now).unwrap(), made);
        let file = fixture.folder.path().join("own").join(format!("{}.pem", made.thumbprint()));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let later = Certificates::new(fixture.folder.path().join("given"), fixture.folder.path().join("own"));
        assert_eq!(later.own(&["other".to_owned()], now).unwrap().thumbprint(), made.thumbprint());
        assert_eq!(later.find(made.thumbprint()).unwrap().thumbprint(), made.thumbprint());
    }

    #[test]
    fn the_own_certificate_that_expires_last_is_used() {
        let fixture = Fixture::new();
        let now = SystemTime::now();
        fixture.certificates.create(&names(), now).unwrap();
        let (_, newest) = fixture.certificates.create(&names(), now + Duration::from_secs(86_400)).unwrap();
        fixture.certificates.create(&names(), now - Duration::from_secs(86_400)).unwrap();
        assert_eq!(fixture.certificates.own(&names(), now).unwrap().thumbprint(), newest.thumbprint());
    }

    #[test]
    fn a_certificate_may_be_in_one_file_or_in_two() {
        let fixture = Fixture::new();
        for split in [false, true] {
            let (certificate, pem) = Certificate::self_signed(&names(), SystemTime::now()).unwrap();
            let name = certificate.thumbprint();
            if split {
                let key = pem.find("-----BEGIN PRIVATE").unwrap();
                fixture.put(&format!("{name}.crt"), &pem[..key], 0o644);
                fixture.put(&format!("{name}.key"), &pem[key..], 0o600);
            } else {
                fixture.put(&format!("{name}.pem"), &pem, 0o600);
            }
            assert_eq!(
                fixture.certificates.find(certificate.thumbprint()).unwrap().thumbprint(),
                certificate.thumbprint()
            );
        }
    }

    #[test]
    fn errors_describe_unusable_files() {
        let fixture = Fixture::new();
        let (certificate, pem) = Certificate::self_signed(&names(), SystemTime::now()).unwrap();
        let name = certificate.thumbprint();
        let error = || fixture.certificates.find(name).unwrap_err().to_string();
        assert!(error().contains(&format!("certificate not found: {name}")), "{}", error());
        fixture.put(&format!("{name}.pem"), &pem, 0o644);
        assert!(error().contains("can be read by everyone (mode 0644)"), "{}", error());
        fixture.put(&format!("{name}.pem"), "nothing", 0o600);
        assert!(error().contains("is not a PEM file"), "{}", error());
        let (other, pem) = Certificate::self_signed(&names(), SystemTime::now()).unwrap();
        fixture.put(&format!("{name}.pem"), &pem, 0o600);
        assert!(error().contains(&format!("rename the file to {}.pem", other.thumbprint())), "{}", error());
    }

    #[test]
    fn reloading_applies_changes_and_keeps_the_old_certificate_on_errors() {
        let fixture = Fixture::new();
        let (certificate, pem) = Certificate::self_signed(&names(), SystemTime::now()).unwrap();
        let (other, more) = Certificate::self_signed(&names(), SystemTime::now()).unwrap();
        let file = format!("{}.pem", certificate.thumbprint());
        fixture.put(&file, &pem, 0o600);
        let before = fixture.certificates.find(certificate.thumbprint()).unwrap();

        assert!(fixture.certificates.reload().is_empty());
        assert_eq!(
            fixture.certificates.find(certificate.thumbprint()).unwrap(),
            before,
            "nothing has changed"
        );

        fixture.put(&file, "", 0o600);
        assert_eq!(fixture.certificates.reload().len(), 1);
        assert_eq!(fixture.certificates.find(certificate.thumbprint()).unwrap(), before, "the old one stays");

        let issuer = &more[..more.find("-----BEGIN PRIVATE").unwrap()];
        fixture.put(&file, &[&pem, issuer].concat(), 0o600);
        assert!(fixture.certificates.reload().is_empty());
        let after = fixture.certificates.find(certificate.thumbprint()).unwrap();
        assert_ne!(after, before);
        assert_eq!((after.chain.len(), other.chain.len()), (2, 1));
    }
}
