//! File of remote controllers with encrypted passwords.

pub(crate) mod entry;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use std::{fmt, io};

use accounts::{AccountsError, FileVersion, HostKey, PrivateFile};
use ipmi::proto::{CipherSuite, GroupKey, Login, Password, Privilege, ProtoError, UserName};
use zeroize::Zeroizing;

pub(crate) use self::entry::Entry;
use crate::ControllerSource;

/// File of controllers: names, addresses and users in clear text; passwords and keys encrypted with the
/// [`HostKey`]. Name, address and user are part of the authenticated data, so that no secret can be sent to
/// another address.
///
/// The key is loaded or created on first use: listing controllers does not need it.
#[derive(Debug)]
pub struct HostFile {
    file: PrivateFile,
    state: PathBuf,
    key: OnceLock<HostKey>,
    /// Source of the content and the time since when it is used, if this process may not read the file.
    source: Option<(Arc<dyn ControllerSource>, Instant)>,
}

/// Version of the list of controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Version of the file.
    File(FileVersion),
    /// Number of the current interval, in which the other process is asked only once.
    Interval(u64),
}

/// Name, address and login options of a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name in `root/hardware`.
    pub name: HostName,
    /// Network address.
    pub address: Address,
    /// User name; empty for the anonymous user.
    pub user: String,
    /// Highest privilege level to request.
    pub level: Privilege,
    /// The only cipher suite to use; `None` means 17, or 3 if 17 is rejected.
    pub suite: Option<CipherSuite>,
}

/// Secrets of a controller.
pub struct Secrets {
    /// Password of the user.
    pub password: Zeroizing<Vec<u8>>,
    /// Key `K_g` of the controller, if it has one.
    pub group_key: Option<Zeroizing<Vec<u8>>>,
}

/// Name of a controller: letters, digits, `.`, `_` and `-`, at most 255 characters; case-insensitive.
#[derive(Clone, Debug)]
pub struct HostName(Arc<str>);

/// Address of a controller: host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Host name, or IP address without brackets.
    pub host: String,
    /// UDP port.
    pub port: u16,
}

/// Error of reading or changing the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostFileError {
    /// Error of the file or of the key.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// A line of the file is not valid.
    #[error("{path}, line {line}: {reason}\n  fix the line, or remove it and add the controller again")]
    Line {
        /// Path of the file.
        path: String,
        /// Line number, from 1.
        line: usize,
        /// Reason.
        reason: String,
    },
    /// A name, address or login option is not valid.
    #[error("{what} \"{found}\" is not {expected}")]
    Value {
        /// Name of the value.
        what: &'static str,
        /// The value that was given.
        found: String,
        /// Description of the expected value.
        expected: &'static str,
    },
    /// A password, key or user name that no controller accepts.
    #[error(transparent)]
    Login(#[from] ProtoError),
    /// The caller may not access the controllers of this machine.
    #[error(
        "access denied: only root and members of BUILTIN\\Administrators may use the management controllers of this machine\n  root can add local groups in the table [Groups] of the configuration file"
    )]
    AccessDenied,
    /// Only root may change the file.
    #[error("only root may change the list of management controllers\n  run telarch ipmi host add as root")]
    ReadOnly,
    /// The other process does not respond.
    #[error("cannot load the list of management controllers: {0}")]
    Source(io::Error),
    /// No controller has this name.
    #[error("unknown controller {0}\n  telarch ipmi host list shows all controllers")]
    Unknown(HostName),
    /// The file contains too many controllers.
    #[error("more than {max} controllers")]
    TooMany {
        /// Maximum number of controllers.
        max: usize,
    },
}

/// Result of adding a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The controller is new.
    New,
    /// A controller with this name was replaced.
    Replaced,
}

impl HostFile {
    /// File name in the state directory.
    pub const NAME: &str = "ipmi-hosts";
    /// Maximum number of controllers in a file.
    pub const MAX: usize = 4_096;

    /// Returns the file in the state directory of the service; the file need not exist yet.
    #[must_use]
    pub fn of_state(state: &Path) -> Self {
        let file = PrivateFile::new(state.join(Self::NAME));
        Self { file, state: state.to_owned(), key: OnceLock::new(), source: None }
    }

    /// Returns the file with its content provided by another process, for a process that may not read it.
    #[must_use]
    pub fn with_source(self, source: Arc<dyn ControllerSource>) -> Self {
        Self { source: Some((source, Instant::now())), ..self }
    }

    /// Returns the text of the file with decrypted secrets, for a process that may not read it.
    ///
    /// # Errors
    /// If the file or the key cannot be used.
    pub fn export(&self) -> Result<Zeroizing<String>, HostFileError> {
        let (entries, _) = self.entries()?;
        if entries.is_empty() {
            // Without controllers no key is created.
            return Ok(Zeroizing::default());
        }
        let key = self.key()?;
        let opened: Vec<Entry> = entries.iter().map(|entry| entry.opened(key)).collect();
        Ok(Zeroizing::new(entry::show(&opened)))
    }

    pub(crate) fn source(&self) -> Option<&Arc<dyn ControllerSource>> {
        self.source.as_ref().map(|(source, _)| source)
    }

    fn require_writable(&self) -> Result<(), HostFileError> {
        if self.source.is_some() { Err(HostFileError::ReadOnly) } else { Ok(()) }
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    fn key(&self) -> Result<&HostKey, AccountsError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = HostKey::load_or_create(&self.state)?;
        Ok(self.key.get_or_init(|| key))
    }

    /// Returns all controllers, in the order of the file.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn list(&self) -> Result<Vec<Host>, HostFileError> {
        Ok(self.entries()?.0.into_iter().map(|entry| entry.host).collect())
    }

    /// Returns the controllers whose names satisfy `is_wanted`, each with its login. The login is `None` if
    /// the password was encrypted with another key, or for another address or user.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn logins(
        &self,
        is_wanted: impl Fn(&HostName) -> bool,
    ) -> Result<Vec<(Host, Option<Login>)>, HostFileError> {
        let (entries, _) = self.entries()?;
        let wanted = entries.into_iter().filter(|entry| is_wanted(&entry.host.name));
        Ok(wanted
            .map(|entry| {
                let login = self.login(&entry);
                (entry.host, login)
            })
            .collect())
    }

    /// Adds a controller, or replaces the one with the same name.
    ///
    /// # Errors
    /// If no controller accepts such secrets, or the file cannot be changed.
    pub fn add(&self, host: &Host, secrets: &Secrets) -> Result<Added, HostFileError> {
        self.require_writable()?;
        login(host, secrets)?;
        let entry = Entry::seal(host.clone(), secrets, self.key()?)?;
        self.file.update(|old| {
            let mut entries = self.parse(old)?;
            let added = if let Some(other) = entries.iter_mut().find(|other| other.host.name == host.name) {
                *other = entry;
                Added::Replaced
            } else {
                entries.push(entry);
                Added::New
            };
            if entries.len() > Self::MAX {
                return Err(HostFileError::TooMany { max: Self::MAX });
            }
            Ok((entry::show(&entries), added))
        })
    }

    /// Removes a controller.
    ///
    /// # Errors
    /// [`HostFileError::Unknown`] if no controller has this name; other errors if the file cannot be changed.
    pub fn remove(&self, name: &HostName) -> Result<(), HostFileError> {
        self.require_writable()?;
        self.file.update(|old| {
            let mut entries = self.parse(old)?;
            let before = entries.len();
            entries.retain(|entry| entry.host.name != *name);
            if entries.len() == before {
                return Err(HostFileError::Unknown(name.clone()));
            }
            Ok((entry::show(&entries), ()))
        })
    }

    /// Returns the current version of the list of controllers.
    pub(crate) fn version(&self) -> Version {
        match &self.source {
            None => Version::File(self.file.version()),
            Some((_, since)) => Version::Interval(since.elapsed().as_secs() / REFRESH_INTERVAL.as_secs()),
        }
    }

    pub(crate) fn entries(&self) -> Result<(Vec<Entry>, Version), HostFileError> {
        let Some((source, _)) = &self.source else {
            let (text, edition) = self.file.read()?;
            return Ok((self.parse(&text)?, Version::File(edition)));
        };
        let version = self.version();
        let access = source.load().map_err(HostFileError::Source)?;
        let text = access.controllers.ok_or(HostFileError::AccessDenied)?;
        Ok((self.parse(&text)?, version))
    }

    /// Returns the login; `None` if the password was encrypted with another key, or for another address or
    /// user.
    pub(crate) fn login(&self, entry: &Entry) -> Option<Login> {
        login(&entry.host, &self.secrets(entry)?).ok()
    }

    pub(crate) fn secrets(&self, entry: &Entry) -> Option<Secrets> {
        match self.source {
            Some(_) => entry.exported(),
            None => entry.open(self.key().ok()?),
        }
    }

    fn parse(&self, text: &str) -> Result<Vec<Entry>, HostFileError> {
        entry::parse(text).map_err(|(line, reason)| HostFileError::Line {
            path: self.file.path().display().to_string(),
            line,
            reason,
        })
    }
}

/// Maximum delay of a change if the content comes from another process.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

fn login(host: &Host, secrets: &Secrets) -> Result<Login, HostFileError> {
    if host.user.chars().any(char::is_control) {
        let (what, expected) = ("the name of the user", "without control characters");
        return Err(HostFileError::Value { what, found: host.user.chars().take(80).collect(), expected });
    }
    let password = Password::new(&secrets.password)?;
    let mut login = Login::new(UserName::new(&host.user)?, password).privilege(host.level);
    if let Some(key) = &secrets.group_key {
        login = login.group_key(GroupKey::new(key)?);
    }
    if let Some(suite) = host.suite {
        login = login.suite(suite);
    }
    Ok(login)
}

impl HostName {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = HostFileError;

    fn from_str(text: &str) -> Result<Self, HostFileError> {
        if (1..=255).contains(&text.len()) && text.bytes().all(is_name_character) {
            return Ok(Self(text.into()));
        }
        Err(HostFileError::Value {
            what: "the name of the controller",
            found: text.chars().take(80).collect(),
            expected: "a name of letters, digits, '.', '_' and '-', at most 255 characters long",
        })
    }
}

fn is_name_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

impl PartialEq for HostName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for HostName {}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Address {
    type Err = HostFileError;

    /// Parses `name`, `name:port`, `10.0.0.7:623`, `[2001:db8::7]:623`, or an IPv6 address without port.
    fn from_str(text: &str) -> Result<Self, HostFileError> {
        Self::parse(text).ok_or_else(|| HostFileError::Value {
            what: "the address",
            found: text.chars().take(80).collect(),
            expected: "a name or an address, followed by :PORT if the port is not 623",
        })
    }
}

impl Address {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
            }
            None => match text.split_once(':') {
                Some((_, rest)) if rest.contains(':') => (text, None),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port.map_or(Some(ipmi::PORT), |port| port.parse().ok())?;
        let is_host =
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'[' | b']'));
        (port != 0 && is_host).then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn host(name: &str, address: &str) -> Host {
        Host {
            name: name.parse().unwrap(),
            address: address.parse().unwrap(),
            user: "admin".to_owned(),
            level: Privilege::Operator,
            suite: Some(CipherSuite::SHA256),
        }
    }

    fn secrets(password: &str, key: Option<&str>) -> Secrets {
        Secrets { password: octets(password), group_key: key.map(octets) }
    }

    fn octets(text: &str) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(text.as_bytes().to_vec())
    }

    /// Returns the number of passwords that can be decrypted in a file with this text.
    fn decrypted(file: &HostFile, text: &str) -> usize {
        fs::write(file.path(), text).unwrap();
        let (entries, _) = file.entries().unwrap();
        entries.iter().filter(|entry| file.login(entry).is_some()).count()
    }

    #[test]
    fn addresses_are_parsed_and_printed() {
        for (text, written) in [
            ("bmc7", "bmc7:623"),
            ("10.0.0.7:6230", "10.0.0.7:6230"),
            ("[2001:db8::7]", "[2001:db8::7]:623"),
            ("2001:db8::7", "[2001:db8::7]:623"),
            ("[::1]:9623", "[::1]:9623"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), written);
        }
        for text in ["", "a:0", "a:x", ":5", "[::1", "[::1]x", "[[7]:9623", "a[", "a b", "a\tb", "a\n"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
        for text in ["", "a b", "a:1", "a\t", "ä", &"x".repeat(256)] {
            assert!(text.parse::<HostName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_password_is_encrypted_for_one_name_address_and_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ipmi-hosts");
        let file = HostFile::of_state(folder.path());
        assert!(file.list().unwrap().is_empty());
        let (seven, secret) = (host("Node7", "10.0.0.7"), secrets("hunter2-hunter2", Some("k-g-key")));
        assert_eq!(file.add(&seven, &secret).unwrap(), Added::New);
        assert_eq!(file.add(&host("node7", "10.0.0.7"), &secret).unwrap(), Added::Replaced);
        let eight = Host { suite: None, user: String::new(), ..host("node8", "[::1]:9") };
        assert_eq!(file.add(&eight, &secrets("", None)).unwrap(), Added::New);
        assert_eq!(file.list().unwrap(), [seven, eight]);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("k-g-key"), "{text}");
        assert_eq!(decrypted(&file, &text), 2);
        for (before, after) in [("10.0.0.7", "10.6.6.6"), ("admin", "adm"), ("node7", "node9")] {
            assert_eq!(decrypted(&file, &text.replace(before, after)), 1, "{after}");
        }
        fs::write(&path, &text).unwrap();
        file.remove(&"NODE7".parse().unwrap()).unwrap();
        assert!(matches!(file.remove(&"node7".parse().unwrap()), Err(HostFileError::Unknown(_))));
        assert_eq!(file.list().unwrap().len(), 1);
    }

    #[test]
    fn invalid_login_options_are_rejected_and_not_stored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ipmi-hosts");
        let file = HostFile::of_state(folder.path());
        let error = file.add(&host("a", "b"), &secrets(&"x".repeat(21), None)).unwrap_err();
        assert!(matches!(error, HostFileError::Login(_)) && !path.exists(), "{error}");
        let long = Host { user: "seventeen letters".to_owned(), ..host("a", "b") };
        assert!(matches!(file.add(&long, &secrets("x", None)), Err(HostFileError::Login(_))));
        let split = Host { user: "a\nb\t".to_owned(), ..host("a", "b") };
        assert!(matches!(file.add(&split, &secrets("x", None)), Err(HostFileError::Value { .. })));
        file.add(&host("a", "b"), &secrets("x", None)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for line in ["a", "a\tb:1\tadmin\tking\t17\tAA==\t-", "a\tb:1\tadmin\tuser\t99\tAA==\t-"] {
            fs::write(&path, format!("{text}{line}\n")).unwrap();
            let error = file.list().unwrap_err().to_string();
            assert!(error.contains("line 3"), "{error}");
        }
    }
}
