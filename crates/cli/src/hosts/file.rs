//! The file of saved hosts: a table for each, whose comments are kept.

use std::path::{Path, PathBuf};

use files::{FileError, TrustedFile};
use toml_edit::{DocumentMut, Item, Table, value};

use super::{Name, SavedHost, word};
use crate::endpoint::Address;

/// Why saved hosts cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostsError {
    /// The file cannot be read or written, or another user has a hand in it.
    #[error("cannot use saved hosts: {}", .0.with_advice())]
    File(#[from] FileError),
    /// The file is not what it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// No host has this name.
    #[error("no host is saved as {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Nothing says where the file should be.
    #[error("there is no place for saved hosts: neither HOME nor TELARCH_HOSTS is set")]
    NoPlace,
}

pub(super) const ADDRESS: &str = "Address";
pub(super) const TRANSPORT: &str = "Transport";
pub(super) const PORT: &str = "Port";
pub(super) const AUTHENTICATION: &str = "Authentication";
pub(super) const USER: &str = "UserName";

/// Every host of a file; a file that is not there has none.
pub(super) fn read(path: &Path) -> Result<Vec<SavedHost>, HostsError> {
    let document = document(path, TrustedFile::readable(path).read(LARGEST)?)?;
    let content = |problem: String| HostsError::Content { path: path.to_owned(), problem };
    document.iter().map(|(name, item)| host(name, item).map_err(content)).collect()
}

/// Replaces the file by another, whole or not at all, while no other process does.
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

/// The name as the file has it, whose case of letters may be another.
fn key(document: &DocumentMut, name: &Name) -> String {
    let known = document.iter().map(|(known, _)| known).find(|known| known.eq_ignore_ascii_case(&name.0));
    known.unwrap_or(&name.0).to_owned()
}

fn document(path: &Path, content: Option<Vec<u8>>) -> Result<DocumentMut, HostsError> {
    let wrong = |problem: String| HostsError::Content { path: path.to_owned(), problem };
    let text = String::from_utf8(content.unwrap_or_default())
        .map_err(|error| wrong(error.utf8_error().to_string()))?;
    text.parse().map_err(|error: toml_edit::TomlError| wrong(error.to_string().trim_end().to_owned()))
}

fn host(name: &str, item: &Item) -> Result<SavedHost, String> {
    let wrong = |what: &str| format!("[{name}]: {what}");
    let table = item.as_table_like().ok_or_else(|| wrong("a host is a table, [NAME]"))?;
    let known = [ADDRESS, TRANSPORT, PORT, AUTHENTICATION, USER];
    if let Some((other, _)) = table.iter().find(|(key, _)| !known.contains(key)) {
        return Err(wrong(&format!("{other} is not known: there are {}", known.join(", "))));
    }
    let text = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(item) => match item.as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(wrong(&format!("{key} is a text in quotation marks"))),
        },
    };
    let name_of_host = Name::parse(name)
        .ok_or_else(|| wrong("a name has letters, digits, '-', '_' and '.' only, 64 at most"))?;
    let address = text(ADDRESS)?.ok_or_else(|| wrong("Address is missing"))?;
    let address = Address::parse(address).map_err(|error| wrong(&error.to_string()))?;
    let transport =
        text(TRANSPORT)?.map(|text| word(text).ok_or_else(|| wrong("Transport is http or https")));
    let scheme = text(AUTHENTICATION)?
        .map(|text| word(text).ok_or_else(|| wrong("Authentication is one of the words of -authentication")));
    let port = match table.get(PORT) {
        None => None,
        Some(item) => {
            let port = item.as_integer().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
            Some(port.ok_or_else(|| wrong("Port is a number from 1 to 65535"))?)
        }
    };
    let twice = [
        (address.transport().is_some() && transport.is_some(), TRANSPORT),
        (address.port().is_some() && port.is_some(), PORT),
    ];
    if let Some((_, which)) = twice.iter().find(|(twice, _)| *twice) {
        return Err(wrong(&format!("{which} stands in Address, too")));
    }
    let user = text(USER)?.map(str::to_owned);
    Ok(SavedHost::new(name_of_host, address, (transport.transpose()?, port), (scheme.transpose()?, user)))
}

/// In bytes; no list of hosts is that long.
const LARGEST: usize = 4 * 1_024 * 1_024;
