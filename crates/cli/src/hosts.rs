//! Hosts that somebody has given a name: `~/.config/telarch/hosts.toml`.
//!
//! A saved name stands for an address with its port, transport, scheme and user wherever an endpoint is asked for.
//! Passwords are not kept.

mod file;

use std::path::{Path, PathBuf};

use crate::connection::draft::Scheme;
use crate::endpoint::{Address, Transport};
use crate::error::Error;
use crate::switch::{Keyword as _, find_keyword};

pub use file::HostsError;

/// Where saved hosts are; nothing is read before a name is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedHosts(Option<PathBuf>);

/// A host under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedHost {
    name: Name,
    address: Address,
    transport: Option<Transport>,
    port: Option<u16>,
    scheme: Option<Scheme>,
    user: Option<String>,
}

/// What a host is saved under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(
    /// INVARIANT: not empty; ASCII letters, digits, `-`, `_` and `.` only.
    String,
);

/// The variable that names another file.
pub const HOSTS_VARIABLE: &str = "TELARCH_HOSTS";

impl SavedHosts {
    /// Those of the user of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let named = std::env::var_os(HOSTS_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let own = || {
            let paths = config::Paths::of_user(|name| std::env::var_os(name))?;
            Some(paths.config.with_file_name("hosts.toml"))
        };
        Self(named.or_else(own))
    }

    /// Those of one file.
    #[must_use]
    pub fn of_file(path: impl Into<PathBuf>) -> Self {
        Self(Some(path.into()))
    }

    /// There are none.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// The host that an address names, if it is nothing but a saved name.
    pub(crate) fn find(&self, address: &Address) -> Result<Option<SavedHost>, HostsError> {
        let Some(name) = address.bare_host().and_then(Name::parse) else { return Ok(None) };
        Ok(self.all()?.into_iter().find(|host| host.name.is(&name)))
    }

    /// The host of a name.
    pub(crate) fn named(&self, name: &Name) -> Result<SavedHost, HostsError> {
        let found = self.all()?.into_iter().find(|host| host.name.is(name));
        found.ok_or_else(|| HostsError::Unknown { name: name.0.clone() })
    }

    /// All of them, in the order of the file.
    pub(crate) fn all(&self) -> Result<Vec<SavedHost>, HostsError> {
        self.0.as_deref().map_or_else(|| Ok(Vec::new()), file::read)
    }

    /// Saves a host, in place of one of the same name.
    pub(crate) fn save(&self, host: &SavedHost) -> Result<(), HostsError> {
        file::change(self.path()?, |document| file::put(document, host))
    }

    /// Forgets a host.
    pub(crate) fn forget(&self, name: &Name) -> Result<(), HostsError> {
        self.named(name)?;
        file::change(self.path()?, |document| file::remove(document, name))
    }

    /// The file, for people.
    pub(crate) fn place(&self) -> String {
        self.0.as_ref().map_or_else(|| "nowhere".to_owned(), |path| path.display().to_string())
    }

    fn path(&self) -> Result<&Path, HostsError> {
        self.0.as_deref().ok_or(HostsError::NoPlace)
    }
}

impl SavedHost {
    /// A host as a command line says it.
    pub(crate) fn new(
        name: Name,
        address: Address,
        (transport, port): (Option<Transport>, Option<u16>),
        (scheme, user): (Option<Scheme>, Option<String>),
    ) -> Self {
        Self { name, address, transport, port, scheme, user }
    }

    /// The name it is saved under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name.0
    }

    /// How it is reached, as one would type it.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn transport(&self) -> Option<Transport> {
        self.address.transport().or(self.transport)
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    pub(crate) fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The words of the file, for tables: name and value, in their order.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let text = |name, value: Option<String>| value.map(|value| (name, value));
        let scheme = self.scheme.and_then(|scheme| {
            let known = Scheme::WORDS.iter().find(|(_, known)| *known == scheme);
            known.map(|(word, _)| (*word).to_owned())
        });
        [
            Some((file::ADDRESS, self.address.to_string())),
            text(file::TRANSPORT, self.transport.map(|transport| transport.to_string())),
            text(file::PORT, self.port.map(|port| port.to_string())),
            text(file::AUTHENTICATION, scheme),
            text(file::USER, self.user.clone()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Name {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_name = !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(fits);
        is_name.then(|| Self(text.to_owned()))
    }

    /// A name from the command line.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        Self::parse(text).ok_or_else(|| Error::BadHostName { text: text.to_owned() })
    }

    /// Whether it is the same, in any case of letters, as names of hosts are.
    fn is(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// One word of `Transport` or `Authentication` in the file.
fn word<K: crate::switch::Keyword>(text: &str) -> Option<K> {
    find_keyword(text)
}

const LONGEST_NAME: usize = 64;
