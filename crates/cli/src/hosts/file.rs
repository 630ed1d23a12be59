//! The file of saved hosts: a table for each, whose comments are kept.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, value};

use super::{Name, SavedHost, word};
use crate::endpoint::Address;

/// Why saved hosts cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostsError {
    /// The file cannot be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    Disk {
        /// What failed.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
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
    let document = document(path)?;
    let content = |problem: String| HostsError::Content { path: path.to_owned(), problem };
    document.iter().map(|(name, item)| host(name, item).map_err(content)).collect()
}

/// Replaces the file by another, whole or not at all.
pub(super) fn change(path: &Path, change: impl FnOnce(&mut DocumentMut)) -> Result<(), HostsError> {
    let mut document = document(path)?;
    change(&mut document);
    let failed = |source| HostsError::Disk { what: "write", path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    // A temporary file is for its owner alone, and so is what it becomes.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(document.to_string().as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| failed(error.error))
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

fn document(path: &Path) -> Result<DocumentMut, HostsError> {
    let failed = |source| HostsError::Disk { what: "read", path: path.to_owned(), source };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(DocumentMut::new()),
        Err(source) => return Err(failed(source)),
    };
    // Whoever can write it says where passwords go. The open file is looked at, not the name.
    let found = file.metadata().map_err(failed)?;
    if found.is_file() && found.permissions().mode() & 0o022 != 0 {
        let problem = format!("others can write it: chmod 600 {}", path.display());
        return Err(HostsError::Content { path: path.to_owned(), problem });
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
    text.parse().map_err(|error: toml_edit::TomlError| HostsError::Content {
        path: path.to_owned(),
        problem: error.to_string().trim_end().to_owned(),
    })
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

/// Nobody has that many hosts.
const LARGEST: u64 = 4 * 1_024 * 1_024;
