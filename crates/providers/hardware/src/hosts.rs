//! Controllers that are asked over the network, by names, each with a password that is sealed.

mod entry;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use std::{fmt, io};

use accounts::{AccountsError, Edition, HostKey, PrivateFile};
use ipmi::proto::{CipherSuite, GroupKey, Login, Password, Privilege, ProtoError, UserName};
use zeroize::Zeroizing;

pub(crate) use self::entry::Entry;
use crate::HardwareKeeper;

/// The file of controllers: names, addresses and users in the clear, passwords and keys sealed with the
/// [`HostKey`] together with name, address and user, so that none of them is sent to another address.
///
/// The key is read, or made, when it is needed first: who only lists controllers need not be able to read it.
#[derive(Debug)]
pub struct HostFile {
    file: PrivateFile,
    state: PathBuf,
    key: OnceLock<HostKey>,
    /// Who is asked for what is in it, and since when, where this process may not read it.
    keeper: Option<(Arc<dyn HardwareKeeper>, Instant)>,
}

/// Tells the controllers of one moment from those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// An edition of the file.
    Edition(Edition),
    /// A while in which a keeper is not asked twice.
    While(u64),
}

/// What a controller is called, where it is, and who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// What it is called in `root/hardware`.
    pub name: HostName,
    /// Where it is.
    pub address: Address,
    /// Who signs in; the empty name is the anonymous user.
    pub user: String,
    /// The highest level to ask for.
    pub level: Privilege,
    /// The only cipher suite to use; if none is named, 17, or 3 where that is refused.
    pub suite: Option<CipherSuite>,
}

/// What proves who signs in.
pub struct Secrets {
    /// The user's password.
    pub password: Zeroizing<Vec<u8>>,
    /// The controller's own key (`K_g`), if it has one.
    pub group_key: Option<Zeroizing<Vec<u8>>>,
}

/// What a controller is called: letters, digits, `.`, `_` and `-`, at most 255; case means nothing.
#[derive(Clone, Debug)]
pub struct HostName(Arc<str>);

/// Where a controller is: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port of UDP.
    pub port: u16,
}

/// Why the file cannot be used or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostFileError {
    /// The file, or the key.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// A line of it means nothing.
    #[error("{path}, line {line}: {reason}\n  mend the line, or take it out and add the controller again")]
    Line {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A name, an address, or something of the login.
    #[error("{what} {found:?} is not {expected}")]
    Value {
        /// What it is.
        what: &'static str,
        /// What was found.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A password, key or user that no controller takes.
    #[error(transparent)]
    Login(#[from] ProtoError),
    /// Only some may have them.
    #[error(
        "only root and members of BUILTIN\\Administrators may ask the management controllers that this machine knows\n  root makes them members: the table [Groups] of the settings names the groups"
    )]
    NotYours,
    /// Only root changes them.
    #[error(
        "only root changes the management controllers that this machine knows\n  telarch ipmi host add, as root"
    )]
    NotChanged,
    /// Whoever keeps them does not answer.
    #[error("the management controllers cannot be had from the service's broker: {0}")]
    Keeper(io::Error),
    /// There is no controller of this name.
    #[error("there is no controller {0}\n  telarch ipmi host list shows which there are")]
    Unknown(HostName),
    /// The file has too many.
    #[error("these are more than {most} controllers")]
    TooMany {
        /// How many there may be.
        most: usize,
    },
}

/// Whether a controller of the name was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was not.
    New,
    /// It was, and is another one now.
    Replaced,
}

impl HostFile {
    /// What the file is called there.
    pub const NAME: &str = "ipmi-hosts";
    /// How many controllers one file may have.
    pub const MOST: usize = 4_096;

    /// The file of a service that keeps its state in this directory; it need not be there yet.
    #[must_use]
    pub fn of_state(state: &Path) -> Self {
        let file = PrivateFile::new(state.join(Self::NAME));
        Self { file, state: state.to_owned(), key: OnceLock::new(), keeper: None }
    }

    /// The same, of which somebody else has to be asked what is in it, because this process may not read it.
    #[must_use]
    pub fn kept_by(self, keeper: Arc<dyn HardwareKeeper>) -> Self {
        Self { keeper: Some((keeper, Instant::now())), ..self }
    }

    /// What a process that may not read the file needs of it: its text, with the secrets opened.
    ///
    /// # Errors
    /// When the file or the key cannot be used.
    pub fn hand_over(&self) -> Result<Zeroizing<String>, HostFileError> {
        let (entries, _) = self.entries()?;
        if entries.is_empty() {
            // There may be no key yet, and none is made for nothing.
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

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    fn key(&self) -> Result<&HostKey, AccountsError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = HostKey::load_or_make(&self.state)?;
        Ok(self.key.get_or_init(|| key))
    }

    /// All controllers, in the order of the file.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn list(&self) -> Result<Vec<Host>, HostFileError> {
        Ok(self.entries()?.0.into_iter().map(|entry| entry.host).collect())
    }

    /// Those that are wanted, with who signs in; nobody where the password was sealed with another key, or for another
    /// address or user.
    ///
    /// # Errors
    /// When the file cannot be used.
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

    /// Adds a controller, or replaces the one of its name.
    ///
    /// # Errors
    /// When the secrets are such as no controller takes, or the file cannot be changed.
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

    /// Takes a controller out.
    ///
    /// # Errors
    /// [`HostFileError::Unknown`] if there is none of this name; when the file cannot be changed.
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

    /// What tells whether the controllers are still the same.
    pub(crate) fn mark(&self) -> Mark {
        match &self.keeper {
            None => Mark::Edition(self.file.edition()),
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

    /// Who signs in; none if the password was sealed with another key, or for another address or user.
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

/// How soon a change counts where a keeper has to be asked.
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

/// For the fuzzer: see [`crate::oracle::host_file`].
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
    /// The text of it.
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

    /// Reads `name`, `name:port`, `10.0.0.7:623`, `[2001:db8::7]:623`, or an IPv6 address alone.
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
