//! File format of saved hosts: one TOML table per host. Comments are preserved.

use std::path::{Path, PathBuf};

use files::{FileError, TrustedFile};
use toml_edit::{DocumentMut, Item, Table, TableLike, value};

use super::{Name, SavedHost, word};
use crate::endpoint::Address;

/// Reason why saved hosts cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostsError {
    /// The file cannot be read or written, or is accessible to another user.
    #[error("cannot use saved hosts: {}", .0.with_advice())]
    File(#[from] FileError),
    /// The file has invalid content.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Path of the file.
        path: PathBuf,
        /// Description of the problem, with its location.
        problem: String,
    },
    /// No saved host has this name.
    #[error("unknown saved host '{name}'")]
    Unknown {
        /// Name as typed.
        name: String,
    },
    /// The path of the file is unknown.
    #[error("cannot locate the file of saved hosts: neither HOME nor TELARCH_HOSTS is set")]
    NoFile,
}

pub(super) const ADDRESS: &str = "Address";
pub(super) const TRANSPORT: &str = "Transport";
pub(super) const PORT: &str = "Port";
pub(super) const AUTHENTICATION: &str = "Authentication";
pub(super) const USER: &str = "UserName";

/// Reads every host of a file; a missing file contains no hosts.
pub(super) fn read(path: &Path) -> Result<Vec<SavedHost>, HostsError> {
    let document = document(path, TrustedFile::readable(path).read(LARGEST)?)?;
    let hosts = document.iter().map(|(name, item)| host(name, item));
    hosts.map(|host| host.map_err(|problem| invalid(path, problem))).collect()
}

fn invalid(path: &Path, problem: String) -> HostsError {
    HostsError::Content { path: path.to_owned(), problem }
}

/// Replaces the file atomically, while holding the lock of the file.
pub(super) fn change(path: &Path, change: impl FnOnce(&mut DocumentMut)) -> Result<(), HostsError> {
    TrustedFile::readable(path).update(LARGEST, |content| {
        let mut document = document(path, content)?;
        change(&mut document);
        Ok(document.to_string().into_bytes())
    })
}

pub(super) fn put(document: &mut DocumentMut, host: &SavedHost) {
    let mut table = Table::new();
    for (name, text) in host.fields() {
        let number = (name == PORT).then(|| text.parse::<i64>().ok()).flatten();
        table.insert(name, number.map_or_else(|| value(text), value));
    }
    let name = key(document, &host.name);
    document.insert(&name, Item::Table(table));
}

pub(super) fn remove(document: &mut DocumentMut, name: &Name) {
    let name = key(document, name);
    document.remove(&name);
}

/// Returns the name as spelled in the file, which may differ in case.
fn key(document: &DocumentMut, name: &Name) -> String {
    let existing = document.iter().map(|(key, _)| key).find(|key| key.eq_ignore_ascii_case(&name.0));
    existing.unwrap_or(&name.0).to_owned()
}

fn document(path: &Path, content: Option<Vec<u8>>) -> Result<DocumentMut, HostsError> {
    let text = String::from_utf8(content.unwrap_or_default())
        .map_err(|error| invalid(path, error.utf8_error().to_string()))?;
    text.parse().map_err(|error: toml_edit::TomlError| invalid(path, error.to_string().trim_end().to_owned()))
}

fn host(name: &str, item: &Item) -> Result<SavedHost, String> {
    let table = item.as_table_like().ok_or_else(|| format!("[{name}]: must be a table"))?;
    host_of_table(name, table).map_err(|problem| format!("[{name}]: {problem}"))
}

fn host_of_table(name: &str, table: &dyn TableLike) -> Result<SavedHost, String> {
    let keys = [ADDRESS, TRANSPORT, PORT, AUTHENTICATION, USER];
    if let Some((other, _)) = table.iter().find(|(key, _)| !keys.contains(key)) {
        return Err(format!("unknown key {other}; valid keys: {}", keys.join(", ")));
    }
    let name = Name::parse(name).ok_or("a name consists of up to 64 letters, digits, '-', '_' and '.'")?;
    let address = text(table, ADDRESS)?.ok_or("Address is missing")?;
    let address = Address::parse(address).map_err(|error| error.to_string())?;
    let transport = match text(table, TRANSPORT)? {
        None => None,
        Some(text) => Some(word(text).ok_or("Transport must be http or https")?),
    };
    let scheme = match text(table, AUTHENTICATION)? {
        None => None,
        Some(text) => Some(word(text).ok_or("Authentication must be a value of -authentication")?),
    };
    let port = match table.get(PORT) {
        None => None,
        Some(item) => {
            let port = item.as_integer().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
            Some(port.ok_or("Port must be a number from 1 to 65535")?)
        }
    };
    if address.transport().is_some() && transport.is_some() {
        return Err(format!("{TRANSPORT} is already part of Address"));
    }
    if address.port().is_some() && port.is_some() {
        return Err(format!("{PORT} is already part of Address"));
    }
    let user = text(table, USER)?.map(str::to_owned);
    Ok(SavedHost::new(name, address).with_endpoint(transport, port).with_login(scheme, user))
}

fn text<'t>(table: &'t dyn TableLike, key: &str) -> Result<Option<&'t str>, String> {
    match table.get(key) {
        None => Ok(None),
        Some(item) => item.as_str().map(Some).ok_or_else(|| format!("{key} must be a string")),
    }
}

/// Maximum size of the file in bytes.
const LARGEST: usize = 4 * 1_024 * 1_024;
