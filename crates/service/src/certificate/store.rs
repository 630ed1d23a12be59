//! Where the certificates of this machine are kept, each found by its thumbprint.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use config::Thumbprint;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{Certificate, CertificateError};

/// The certificates that listeners can name by `CertificateThumbprint`, and the self-signed one for those that
/// name none.
///
/// An administrator's are in one directory, each in a file `THUMBPRINT.pem` with the chain and the key, or in
/// `THUMBPRINT.crt` and `THUMBPRINT.key`. The self-signed one is made when it is first asked for and kept in
/// the state directory, so that clients that trust it need to be told only once.
pub struct Certificates {
    given: PathBuf,
    own: PathBuf,
    keeper: Option<Arc<dyn CertificateKeeper>>,
    loaded: Mutex<Loaded>,
}

/// Reads and makes the files, where this process may not. What is given is the text of a PEM file.
pub trait CertificateKeeper: Send + Sync {
    /// Those of the certificate with a thumbprint. Waits.
    ///
    /// # Errors
    /// A text that says why not.
    fn find(&self, thumbprint: Thumbprint) -> Result<Zeroizing<String>, String>;

    /// Those of the self-signed certificate, made for these names if there is none. Waits.
    ///
    /// # Errors
    /// A text that says why not.
    fn own(&self, names: &[String]) -> Result<Zeroizing<String>, String>;
}

#[derive(Debug, Default)]
struct Loaded {
    /// With the texts they were read from, so that reading the same again changes nothing.
    by_name: BTreeMap<Thumbprint, (Text, Certificate)>,
    own: Option<Thumbprint>,
}

/// Files as they were read; they hold keys.
#[derive(PartialEq, Eq)]
struct Text(Zeroizing<String>);

impl Certificates {
    /// `given` is the administrator's directory, `own` the state directory; neither has to exist yet.
    #[must_use]
    pub fn new(given: PathBuf, own: PathBuf) -> Self {
        Self { given, own, keeper: None, loaded: Mutex::default() }
    }

    /// Has the files read by another process.
    #[must_use]
    pub fn kept_by(keeper: Arc<dyn CertificateKeeper>) -> Self {
        Self { keeper: Some(keeper), ..Self::new(PathBuf::new(), PathBuf::new()) }
    }

    /// The certificate with a thumbprint. Waits for the disk the first time.
    ///
    /// # Errors
    /// [`CertificateError`] says which file is missing or wrong, and how.
    pub fn find(&self, thumbprint: Thumbprint) -> Result<Certificate, CertificateError> {
        let mut loaded = self.lock();
        if let Some((_, certificate)) = loaded.by_name.get(&thumbprint) {
            return Ok(certificate.clone());
        }
        let (text, certificate) = self.read(thumbprint)?;
        loaded.by_name.insert(thumbprint, (text, certificate.clone()));
        Ok(certificate)
    }

    /// The self-signed certificate; it is made for these names if there is none, which takes a moment.
    ///
    /// # Errors
    /// [`CertificateError`] if it cannot be made or kept.
    pub fn own(&self, names: &[String], now: SystemTime) -> Result<Certificate, CertificateError> {
        let mut loaded = self.lock();
        if let Some((_, certificate)) = loaded.own.and_then(|own| loaded.by_name.get(&own)) {
            return Ok(certificate.clone());
        }
        let (text, certificate) = match (&self.keeper, self.kept()) {
            (Some(keeper), _) => taken(keeper.own(names))?,
            (None, Some(kept)) => kept,
            (None, None) => self.make(names, now)?,
        };
        loaded.own = Some(certificate.name());
        loaded.by_name.insert(certificate.name(), (text, certificate.clone()));
        Ok(certificate)
    }

    /// The files of a thumbprint as they are now, for another process.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn pem(&self, thumbprint: Thumbprint) -> Result<Zeroizing<String>, CertificateError> {
        self.read(thumbprint).map(|(text, _)| text.0)
    }

    /// The files of the self-signed certificate, for another process.
    ///
    /// # Errors
    /// As [`own`](Self::own).
    pub fn own_pem(&self, names: &[String], now: SystemTime) -> Result<Zeroizing<String>, CertificateError> {
        self.own(names, now).and_then(|own| self.pem(own.name()))
    }

    /// The self-signed certificate if there is one; none is made.
    #[must_use]
    pub fn made_before(&self) -> Option<Certificate> {
        if self.keeper.is_some() {
            let loaded = self.lock();
            return loaded.own.and_then(|own| Some(loaded.by_name.get(&own)?.1.clone()));
        }
        self.kept().map(|(_, certificate)| certificate)
    }

    /// Reads every file again that has been read before; what has become wrong stays as it was.
    ///
    /// The errors are of those that stay.
    pub fn reload(&self) -> Vec<CertificateError> {
        let mut errors = Vec::new();
        for (thumbprint, entry) in &mut self.lock().by_name {
            match self.read(*thumbprint) {
                Ok((text, _)) if text == entry.0 => {}
                Ok(changed) => {
                    tracing::info!(%thumbprint, "The certificate's file was read again");
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
            return taken(keeper.find(thumbprint)).and_then(|(text, certificate)| match certificate.name() {
                found if found == thumbprint => Ok((text, certificate)),
                found => Err(CertificateError::Misnamed { path: PathBuf::new(), found }),
            });
        }
        let base = self.given.join(thumbprint.to_string());
        let both = [base.with_extension("crt"), base.with_extension("key")];
        let own = self.own.join(format!("{thumbprint}.pem"));
        let whole = base.with_extension("pem");
        let (text, path) = match text_of(&whole, Secrecy::Key)? {
            Some(text) => (text, whole),
            None => match (text_of(&both[0], Secrecy::None)?, text_of(&both[1], Secrecy::Key)?) {
                (Some(chain), Some(key)) => {
                    let [path, _] = both;
                    (Text(Zeroizing::new([chain.0.as_str(), "\n", key.0.as_str()].concat())), path)
                }
                _ => match text_of(&own, Secrecy::Key)? {
                    Some(text) => (text, own),
                    None => {
                        let directory = self.given.clone();
                        return Err(CertificateError::NotFound { thumbprint, directory });
                    }
                },
            },
        };
        let certificate = Certificate::from_pem(&text.0, &path)?;
        if certificate.name() != thumbprint {
            return Err(CertificateError::Misnamed { path, found: certificate.name() });
        }
        Ok((text, certificate))
    }

    /// The self-signed certificate of an earlier start: of several the one that is valid longest.
    fn kept(&self) -> Option<(Text, Certificate)> {
        let files = fs::read_dir(&self.own).ok()?.filter_map(Result::ok).map(|entry| entry.path());
        let named = files.filter(|path| path.extension().is_some_and(|extension| extension == "pem"));
        let read = named.filter_map(|path| {
            Thumbprint::parse(path.file_stem()?.to_str()?).ok()?;
            let read = text_of(&path, Secrecy::Key).and_then(|text| {
                let Some(text) = text else { return Ok(None) };
                let certificate = Certificate::from_pem(&text.0, &path)?;
                Ok(Some((text, certificate)))
            });
            read.unwrap_or_else(|error| {
                tracing::warn!(%error, "A certificate kept earlier cannot be used");
                None
            })
        });
        read.max_by_key(|(_, certificate)| certificate.not_after())
    }

    fn make(&self, names: &[String], now: SystemTime) -> Result<(Text, Certificate), CertificateError> {
        let (certificate, pem) = Certificate::self_signed(names, now)?;
        let pem = Text(Zeroizing::new(pem));
        let path = self.own.join(format!("{}.pem", certificate.name()));
        write(&path, &pem).map_err(|source| CertificateError::Disk {
            action: "write",
            path: path.clone(),
            source,
        })?;
        tracing::info!(
            thumbprint = %certificate.name(), file = %path.display(), names = names.join(" "),
            "A self-signed certificate was made: clients must be told to trust it"
        );
        Ok((pem, certificate))
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        // Each entry is whole at any moment.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A certificate of what another process has read.
fn taken(text: Result<Zeroizing<String>, String>) -> Result<(Text, Certificate), CertificateError> {
    let text = Text(text.map_err(CertificateError::Kept)?);
    let certificate = Certificate::from_pem(&text.0, Path::new("what the broker has read"))?;
    Ok((text, certificate))
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Certificates").field("given", &self.given).finish_non_exhaustive()
    }
}

/// Whether a file holds something that others must not read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    None,
    Key,
}

/// The text of a file, none if it does not exist.
fn text_of(path: &Path, secrecy: Secrecy) -> Result<Option<Text>, CertificateError> {
    /// Far more than any chain with its key, in octets.
    const LARGEST: u64 = 1 << 20;
    let disk = |source| CertificateError::Disk { action: "read", path: path.to_owned(), source };
    // Opening a FIFO or a device under this name must fail later instead of waiting now.
    let not_waiting = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(not_waiting).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(disk(error)),
    };
    let metadata = file.metadata().map_err(disk)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(disk(io::Error::other("it is not a file of at most 1 MiB")));
    }
    let mode = metadata.mode() & 0o777;
    // A group may be allowed on purpose, such as Debian's ssl-cert.
    if secrecy == Secrecy::Key && mode & 0o007 != 0 {
        return Err(CertificateError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(
        usize::try_from(metadata.len()).unwrap_or_default().saturating_add(1),
    ));
    file.take(LARGEST).read_to_string(&mut text).map_err(disk)?;
    Ok(Some(Text(text)))
}

/// Writes a file that only its owner can read, whole or not at all.
fn write(path: &Path, text: &Text) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.0.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

impl std::fmt::Debug for Text {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Text(…)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    struct Place {
        folder: tempfile::TempDir,
        certificates: Certificates,
    }

    impl Place {
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
    fn the_own_certificate_is_made_once_and_found_again_at_the_next_start() {
        let place = Place::new();
        let now = SystemTime::now();
        let made = place.certificates.own(&names(), now).unwrap();
        assert_eq!(place.certificates.own(&names(), now).unwrap(), made);
        let file = place.folder.path().join("own").join(format!("{}.pem", made.thumbprint()));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let later = Certificates::new(place.folder.path().join("given"), place.folder.path().join("own"));
        assert_eq!(later.own(&["other".to_owned()], now).unwrap().name(), made.name());
        assert_eq!(later.find(made.name()).unwrap().name(), made.name());
    }

    #[test]
    fn of_several_own_certificates_the_one_that_is_valid_longest_is_taken() {
        let place = Place::new();
        let now = SystemTime::now();
        place.certificates.make(&names(), now).unwrap();
        let (_, newest) = place.certificates.make(&names(), now + Duration::from_secs(86_400)).unwrap();
        place.certificates.make(&names(), now - Duration::from_secs(86_400)).unwrap();
        assert_eq!(place.certificates.own(&names(), now).unwrap().name(), newest.name());
    }

    #[test]
    fn a_certificate_may_be_in_one_file_or_in_two() {
        let place = Place::new();
        for split in [false, true] {
            let (certificate, pem) = Certificate::self_signed(&names(), SystemTime::now()).unwrap();
            let name = certificate.thumbprint();
            if split {
                let key = pem.find("-----BEGIN PRIVATE").unwrap();
                place.put(&format!("{name}.crt"), &pem[..key], 0o644);
                place.put(&format!("{name}.key"), &pem[key..], 0o600);
            } else {
                place.put(&format!("{name}.pem"), &pem, 0o600);
            }
            assert_eq!(place.certificates.find(certificate.name()).unwrap().name(), certificate.name());
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named_with_what_is_wrong() {
        let place = Place::new();
        let (certificate, pem) = Certificate::self_signed(&names(), SystemTime::now()).unwrap();
        let name = certificate.name();
        let error = || place.certificates.find(name).unwrap_err().to_string();
        assert!(error().contains(&format!("there is no certificate {name}")), "{}", error());
        place.put(&format!("{name}.pem"), &pem, 0o644);
        assert!(error().contains("can be read by everyone (mode 0644)"), "{}", error());
        place.put(&format!("{name}.pem"), "nothing", 0o600);
        assert!(error().contains("is not a PEM file"), "{}", error());
        let (other, pem) = Certificate::self_signed(&names(), SystemTime::now()).unwrap();
        place.put(&format!("{name}.pem"), &pem, 0o600);
        assert!(error().contains(&format!("name the file {}.pem", other.name())), "{}", error());
    }

    #[test]
    fn reloading_takes_what_has_changed_and_keeps_what_has_become_wrong() {
        let place = Place::new();
        let (certificate, pem) = Certificate::self_signed(&names(), SystemTime::now()).unwrap();
        let (other, more) = Certificate::self_signed(&names(), SystemTime::now()).unwrap();
        let file = format!("{}.pem", certificate.name());
        place.put(&file, &pem, 0o600);
        let before = place.certificates.find(certificate.name()).unwrap();

        assert!(place.certificates.reload().is_empty());
        assert_eq!(place.certificates.find(certificate.name()).unwrap(), before, "nothing has changed");

        place.put(&file, "", 0o600);
        assert_eq!(place.certificates.reload().len(), 1);
        assert_eq!(place.certificates.find(certificate.name()).unwrap(), before, "the old one stays");

        let issuer = &more[..more.find("-----BEGIN PRIVATE").unwrap()];
        place.put(&file, &[&pem, issuer].concat(), 0o600);
        assert!(place.certificates.reload().is_empty());
        let after = place.certificates.find(certificate.name()).unwrap();
        assert_ne!(after, before);
        assert_eq!((after.chain.len(), other.chain.len()), (2, 1));
    }
}
