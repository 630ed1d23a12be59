//! Saved hosts: `~/.config/telarch/hosts.toml`.
//!
//! The name of a saved host can be used in place of an endpoint. It represents an address with port, transport,
//! authentication scheme and user. Passwords are not saved.

mod file;

use std::path::{Path, PathBuf};

use crate::connection::draft::{Draft, Scheme};
use crate::endpoint::{Address, Transport};
use crate::error::Error;
use crate::switch::{Keyword as _, find_keyword};

pub use file::HostsError;

/// File of saved hosts; read only when a name is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedHosts(Option<PathBuf>);

/// A saved host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedHost {
    name: Name,
    address: Address,
    transport: Option<Transport>,
    port: Option<u16>,
    scheme: Option<Scheme>,
    user: Option<String>,
}

/// Name of a saved host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(
    /// INVARIANT: not empty; ASCII letters, digits, `-`, `_` and `.` only.
    String,
);

/// Environment variable that names another file of saved hosts.
pub const HOSTS_VARIABLE: &str = "TELARCH_HOSTS";

impl SavedHosts {
    /// Returns the saved hosts of the user of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let explicit = std::env::var_os(HOSTS_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self(explicit.or_else(|| {
            let paths = config::Paths::of_user(|name| std::env::var_os(name))?;
            Some(paths.config.with_file_name("hosts.toml"))
        }))
    }

    /// Returns the saved hosts of one file.
    #[must_use]
    pub fn of_file(path: impl Into<PathBuf>) -> Self {
        Self(Some(path.into()))
    }

    /// Returns an empty list of saved hosts.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Returns the saved host whose name was typed as the address, or `None` if the address is not a saved name.
    pub(crate) fn find(&self, address: &Address) -> Result<Option<SavedHost>, HostsError> {
        let Some(name) = address.bare_host().and_then(Name::parse) else { return Ok(None) };
        Ok(self.all()?.into_iter().find(|host| host.name.is(&name)))
    }

    /// Returns the host with this name.
    pub(crate) fn named(&self, name: &Name) -> Result<SavedHost, HostsError> {
        let found = self.all()?.into_iter().find(|host| host.name.is(name));
        found.ok_or_else(|| HostsError::Unknown { name: name.0.clone() })
    }

    /// Returns all saved hosts in file order.
    pub(crate) fn all(&self) -> Result<Vec<SavedHost>, HostsError> {
        self.0.as_deref().map_or_else(|| Ok(Vec::new()), file::read)
    }

    /// Saves a host, replacing a host with the same name.
    pub(crate) fn save(&self, host: &SavedHost) -> Result<(), HostsError> {
        file::change(self.path()?, |document| file::put(document, host))
    }

    /// Deletes a host.
    pub(crate) fn delete(&self, name: &Name) -> Result<(), HostsError> {
        self.named(name)?;
        file::change(self.path()?, |document| file::remove(document, name))
    }

    /// Returns the path of the file, for messages.
    pub(crate) fn path_text(&self) -> String {
        self.0.as_ref().map_or_else(|| "nowhere".to_owned(), |path| path.display().to_string())
    }

    fn path(&self) -> Result<&Path, HostsError> {
        self.0.as_deref().ok_or(HostsError::NoFile)
    }
}

impl Draft {
    /// Replaces the name of a saved host by its saved values; switches take precedence.
    pub(crate) fn look_up(&mut self, hosts: &SavedHosts) -> Result<(), Error> {
        let Some(saved) = self.remote.as_ref().map(|address| hosts.find(address)).transpose()?.flatten()
        else {
            return Ok(());
        };
        self.ssl |= saved.address().transport().is_none() && saved.transport() == Some(Transport::Https);
        self.port = self.port.or(saved.port());
        self.remote = Some(saved.address().clone());
        let certificate = self.thumbprint.is_some() || self.certificate_file.is_some();
        if !certificate && self.scheme.is_none() {
            self.scheme = saved.scheme();
        }
        let needs_user = !matches!(self.scheme, Some(Scheme::None | Scheme::Certificate));
        if !certificate && needs_user && self.user.is_none() && !self.default_credentials {
            self.user = saved.user().map(str::to_owned);
        }
        Ok(())
    }
}

impl SavedHost {
    /// Creates a host without port, transport, scheme and user.
    pub(crate) fn new(name: Name, address: Address) -> Self {
        Self { name, address, transport: None, port: None, scheme: None, user: None }
    }

    /// Sets transport and port, for an address without them.
    pub(crate) fn with_endpoint(self, transport: Option<Transport>, port: Option<u16>) -> Self {
        Self { transport, port, ..self }
    }

    /// Sets authentication scheme and user.
    pub(crate) fn with_login(self, scheme: Option<Scheme>, user: Option<String>) -> Self {
        Self { scheme, user, ..self }
    }

    /// Returns the name of the saved host.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name.0
    }

    /// Returns the address as typed.
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

    /// Returns the keys and values of the host in file order.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let scheme = self.scheme.and_then(|scheme| {
            let keyword = Scheme::WORDS.iter().find(|(_, value)| *value == scheme);
            keyword.map(|(word, _)| (*word).to_owned())
        });
        let fields = [
            (file::ADDRESS, Some(self.address.to_string())),
            (file::TRANSPORT, self.transport.map(|transport| transport.to_string())),
            (file::PORT, self.port.map(|port| port.to_string())),
            (file::AUTHENTICATION, scheme),
            (file::USER, self.user.clone()),
        ];
        fields.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }
}

impl Name {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_name = !text.is_empty()
            && text.len() <= LONGEST_NAME
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        is_name.then(|| Self(text.to_owned()))
    }

    /// Parses a name from the command line.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        Self::parse(text).ok_or_else(|| Error::BadHostName { text: text.to_owned() })
    }

    /// Returns whether the names are equal; case is ignored, as in host names.
    fn is(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// Parses a keyword of `Transport` or `Authentication` in the file.
fn word<K: crate::switch::Keyword>(text: &str) -> Option<K> {
    find_keyword(text)
}

/// Maximum length of a name in characters.
const LONGEST_NAME: usize = 64;

impl From<HostsError> for Error {
    fn from(error: HostsError) -> Self {
        Self::SavedHosts { problem: error.to_string() }
    }
}
