//! File of remote controllers with encrypted passwords.

mod entry;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use std::{fmt, io};

use accounts::{AccountsError, FileVersion, HostKey, PrivateFile};
use ipmi::proto::{CipherSuite, GroupKey, Login, Password, Privilege, ProtoError, UserName};
use zeroize::Zeroizing;

pub(crate) use self::entry::Entry;
use crate::HardwareKeeper;

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
    /// Keeper of the content and the time since when it is used, if this process may not read the file.
    keeper: Option<(Arc<dyn HardwareKeeper>, Instant)>,
}

/// Version of the list of controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Version of the file.
    Edition(FileVersion),
    /// Number of the current interval, in which a keeper is asked only once.
    While(u64),
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
    #[error("{path}, line {line}: {reason}\n  mend the line, or take it out and add the controller again")]
    Line {
        /// Path of the file.
        path: String,
        /// Line number, from 1.
        line: usize,
        /// Reason.
        reason: String,
    },
    /// A name, address or login option is not valid.
    #[error("{what} {found:?} is not {expected}")]
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
        "only root and members of BUILTIN\\Administrators may ask the management controllers that this machine knows\n  root makes them members: the table [Groups] of the settings names the groups"
    )]
    NotYours,
    /// Only root may change the file.
    #[error(
        "only root changes the management controllers that this machine knows\n  telarch ipmi host add, as root"
    )]
    NotChanged,
    /// The keeper does not respond.
    #[error("the management controllers cannot be had from the service's broker: {0}")]
    Keeper(io::Error),
    /// No controller has this name.
    #[error("there is no controller {0}\n  telarch ipmi host list shows which there are")]
    Unknown(HostName),
    /// The file contains too many controllers.
    #[error("these are more than {most} controllers")]
    TooMany {
        /// Maximum number of controllers.
        most: usize,
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
    pub const MOST: usize = 4_096;

    /// Returns the file in the state directory of the service; the file need not exist yet.
    #[must_use]
    pub fn of_state(state: &Path) -> Self {
        let file = PrivateFile::new(state.join(Self::NAME));
        Self { file, state: state.to_owned(), key: OnceLock::new(), keeper: None }
    }

    /// Returns the file with its content provided by a keeper, for a process that may not read it.
    #[must_use]
    pub fn kept_by(self, keeper: Arc<dyn HardwareKeeper>) -> Self {
        Self { keeper: Some((keeper, Instant::now())), ..self }
    }

    /// Returns the text of the file with decrypted secrets, for a process that may not read it.
    ///
    /// # Errors
    /// If the file or the key cannot be used.
    pub fn hand_over(&self) -> Result<Zeroizing<String>, HostFileError> {
        let (entries, _) = self.entries()?;
        if entries.is_empty() {
            // Without controllers no key is created.
            return Ok(Zeroizing::default());
        }
        let key = self.key()?;
        let opened: Vec<Entry> = entries.iter().map(|entry| entry.opened(key)).collect();
        Ok(Zeroizing::new(entry::show(&opened)))
    }

    pub(crate) fn keeper(&self) -> Option<&Arc<dyn HardwareKeeper>> {
        self.keeper.as_ref().map(|(keeper, _)| keeper)
    }

    fn demand_change(&self) -> Result<(), HostFileError> {
        if self.keeper.is_some() { Err(HostFileError::NotChanged) } else { Ok(()) }
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
        self.demand_change()?;
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
            if entries.len() > Self::MOST {
                return Err(HostFileError::TooMany { most: Self::MOST });
            }
            Ok((entry::show(&entries), added))
        })
    }

    /// Removes a controller.
    ///
    /// # Errors
    /// [`HostFileError::Unknown`] if no controller has this name; other errors if the file cannot be changed.
    pub fn remove(&self, name: &HostName) -> Result<(), HostFileError> {
        self.demand_change()?;
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
    pub(crate) fn mark(&self) -> Mark {
        match &self.keeper {
            None => Mark::Edition(self.file.version()),
            Some((_, since)) => Mark::While(since.elapsed().as_secs() / ASKED_EVERY.as_secs()),
        }
    }

    pub(crate) fn entries(&self) -> Result<(Vec<Entry>, Mark), HostFileError> {
        let Some((keeper, _)) = &self.keeper else {
            let (text, edition) = self.file.read()?;
            return Ok((self.parse(&text)?, Mark::Edition(edition)));
        };
        let mark = self.mark();
        let handed = keeper.hand_over().map_err(HostFileError::Keeper)?;
        let text = handed.controllers.ok_or(HostFileError::NotYours)?;
        Ok((self.parse(&text)?, mark))
    }

    /// Returns the login; `None` if the password was encrypted with another key, or for another address or
    /// user.
    pub(crate) fn login(&self, entry: &Entry) -> Option<Login> {
        login(&entry.host, &self.secrets(entry)?).ok()
    }

    pub(crate) fn secrets(&self, entry: &Entry) -> Option<Secrets> {
        match self.keeper {
            Some(_) => entry.handed(),
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

/// Maximum delay of a change if the content comes from a keeper.
const ASKED_EVERY: Duration = Duration::from_secs(5);

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

/// Checks that entries survive writing and parsing; for [`crate::oracle::host_file`].
pub(crate) fn read_again(text: &str) {
    match entry::parse(text) {
        Ok(entries) => {
            assert!(entry::parse(&entry::show(&entries)).as_ref() == Ok(&entries), "{entries:?}");
        }
        Err((line, reason)) => {
            assert!(line <= text.lines().count() && !reason.is_empty(), "line {line}: {reason}");
        }
    }
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
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-');
        if (1..=255).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.into()));
        }
        Err(HostFileError::Value {
            what: "the name of the controller",
            found: text.chars().take(80).collect(),
            expected: "letters, digits, '.', '_' and '-', at most 255 of them",
        })
    }
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
        let wrong = || HostFileError::Value {
            what: "the address",
            found: text.chars().take(80).collect(),
            expected: "a name or an address, with :PORT behind it if that is not 623",
        };
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
                let port =
                    if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(wrong)?) };
                (host, port)
            }
            None => match text.split_once(':') {
                Some((_, rest)) if rest.contains(':') => (text, None),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port.map_or(Ok(ipmi::PORT), |port| port.parse().map_err(|_| wrong()))?;
        let is_of_name = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'[' | b']');
        let is_name = !host.is_empty() && host.bytes().all(is_of_name);
        if port == 0 || !is_name {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
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
#[allow(clippy::unwrap_used)]
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
        let octets = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
        Secrets { password: octets(password), group_key: key.map(octets) }
    }

    #[test]
    fn addresses_are_read_as_they_are_written() {
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
    fn a_password_is_sealed_for_one_name_address_and_user() {
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
        let opened = |text: &str| {
            fs::write(&path, text).unwrap();
            let (entries, _) = file.entries().unwrap();
            entries.iter().filter(|entry| file.login(entry).is_some()).count()
        };
        assert_eq!(opened(&text), 2);
        for (before, after) in [("10.0.0.7", "10.6.6.6"), ("admin", "adm"), ("node7", "node9")] {
            assert_eq!(opened(&text.replace(before, after)), 1, "{after}");
        }
        fs::write(&path, &text).unwrap();
        file.remove(&"NODE7".parse().unwrap()).unwrap();
        assert!(matches!(file.remove(&"node7".parse().unwrap()), Err(HostFileError::Unknown(_))));
        assert_eq!(file.list().unwrap().len(), 1);
    }

    #[test]
    fn what_no_controller_takes_is_refused_before_it_is_kept() {
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
