//! Line of the file: the description of a controller in clear text and its encrypted secrets, separated
//! by tabs.

use std::fmt;
use std::fmt::Write as _;

use accounts::{AccountsError, HostKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Host, Secrets};

/// A controller with its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub(crate) host: Host,
    /// Stored form: encrypted, or decrypted if it came from another process; `None` if it could not be decrypted.
    password: Option<Zeroizing<Vec<u8>>>,
    group_key: Option<Zeroizing<Vec<u8>>>,
}

impl Entry {
    pub(super) fn seal(host: Host, secrets: &Secrets, key: &HostKey) -> Result<Self, AccountsError> {
        let password = key.seal_secret(&secrets.password, &about(&host, "password"))?;
        let group_key = match &secrets.group_key {
            Some(group_key) => Some(key.seal_secret(group_key, &about(&host, "key"))?),
            None => None,
        };
        Ok(Self { host, password: Some(password.into()), group_key: group_key.map(Zeroizing::new) })
    }

    /// Decrypts the secrets; `None` if they were encrypted for another controller or with another key.
    pub(super) fn open(&self, key: &HostKey) -> Option<Secrets> {
        let password = key.open_secret(self.password.as_ref()?, &about(&self.host, "password"))?;
        let group_key = match &self.group_key {
            Some(sealed) => Some(key.open_secret(sealed, &about(&self.host, "key"))?),
            None => None,
        };
        Some(Secrets { password, group_key })
    }

    /// Returns the secrets of an entry from another process, which are not encrypted.
    pub(super) fn exported(&self) -> Option<Secrets> {
        Some(Secrets { password: self.password.clone()?, group_key: self.group_key.clone() })
    }

    /// Returns the entry with decrypted secrets, for a process without the key.
    pub(super) fn opened(&self, key: &HostKey) -> Self {
        let (password, group_key) = match self.open(key) {
            Some(Secrets { password, group_key }) => (Some(password), group_key),
            None => (None, None),
        };
        Self { host: self.host.clone(), password, group_key }
    }

    fn parse(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, address, user, level, suite, password, group_key] = fields.as_slice() else {
            return Err(format!("{} fields separated by tabs instead of 7", fields.len()));
        };
        let host = Host {
            name: name.parse().map_err(text)?,
            address: address.parse().map_err(text)?,
            user: (*user).to_owned(),
            level: level.parse().map_err(|_| format!("unknown privilege level \"{level}\""))?,
            suite: match *suite {
                NONE => None,
                number => Some(number.parse().map_err(text)?),
            },
        };
        let (password, group_key) = (secret(password)?, secret(group_key)?);
        Ok(Self { host, password, group_key })
    }
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

/// Decodes a stored secret; `-` stands for none.
fn secret(text: &str) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    if text == NONE {
        return Ok(None);
    }
    let octets = STANDARD.decode(text).map_err(|error| format!("invalid encrypted secret: {error}"))?;
    Ok(Some(Zeroizing::new(octets)))
}

fn show_secret(secret: Option<&Zeroizing<Vec<u8>>>) -> Zeroizing<String> {
    Zeroizing::new(secret.map_or_else(|| NONE.to_owned(), |octets| STANDARD.encode(octets)))
}

/// Returns the authenticated data of a secret. Names and addresses contain no tabs, so different values never
/// give the same text.
fn about(host: &Host, what: &str) -> Vec<u8> {
    let Host { name, address, user, .. } = host;
    format!("ipmi-host\t{what}\t{}\t{address}\t{user}", name.as_str().to_ascii_lowercase()).into_bytes()
}

/// Parses the entries of a text.
///
/// # Errors
/// The line number and the reason.
pub fn parse(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(at, line)| Entry::parse(line).map_err(|reason| (at + 1, reason))).collect()
}

/// Writes entries as text.
pub fn show(entries: &[Entry]) -> String {
    // Allocated at full size: growing would leave copies of decrypted secrets behind.
    let mut text = String::with_capacity(HEADER.len() + entries.len() * LONGEST_LINE);
    text.push_str(HEADER);
    for Entry { host, password, group_key } in entries {
        let Host { name, address, user, level, suite } = host;
        let suite = suite.map_or_else(|| NONE.to_owned(), |suite| suite.number().to_string());
        let (password, group_key) = (show_secret(password.as_ref()), show_secret(group_key.as_ref()));
        let (level, password, group_key) = (level.name(), password.as_str(), group_key.as_str());
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "{name}\t{address}\t{user}\t{level}\t{suite}\t{password}\t{group_key}");
    }
    text
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Upper limit of the length of a line in bytes, given the limits of its fields.
const LONGEST_LINE: usize = 1_024;
const NONE: &str = "-";
const HEADER: &str = "# Management controllers of root/hardware: telarch ipmi host list\n";
