//! One line of the file: what a controller is in the clear, its secrets sealed, with tabs between.

use std::fmt;
use std::fmt::Write as _;

use accounts::{AccountsError, HostKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Host, Secrets};

/// A controller with its secrets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) host: Host,
    password: Vec<u8>,
    group_key: Option<Vec<u8>>,
}

impl Entry {
    pub(super) fn seal(host: Host, secrets: &Secrets, key: &HostKey) -> Result<Self, AccountsError> {
        let password = key.seal_secret(&secrets.password, &about(&host, "password"))?;
        let seal = |octets: &zeroize::Zeroizing<Vec<u8>>| key.seal_secret(octets, &about(&host, "key"));
        let group_key = secrets.group_key.as_ref().map(seal).transpose()?;
        Ok(Self { host, password, group_key })
    }

    /// None if they were sealed for another controller, or with another key.
    pub(super) fn open(&self, key: &HostKey) -> Option<Secrets> {
        let password = key.open_secret(&self.password, &about(&self.host, "password"))?;
        let group_key = match &self.group_key {
            Some(sealed) => Some(key.open_secret(sealed, &about(&self.host, "key"))?),
            None => None,
        };
        Some(Secrets { password, group_key })
    }

    fn parse(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, address, user, level, suite, password, group_key] = fields.as_slice() else {
            return Err(format!("there are {} fields with tabs between, and not 7", fields.len()));
        };
        let text = |error: &dyn fmt::Display| error.to_string();
        let sealed = |text: &str| STANDARD.decode(text).map_err(|error| format!("a sealed secret: {error}"));
        let host = Host {
            name: name.parse().map_err(|error| text(&error))?,
            address: address.parse().map_err(|error| text(&error))?,
            user: (*user).to_owned(),
            level: level.parse().map_err(|_| format!("{level:?} is no level"))?,
            suite: match *suite {
                NONE => None,
                number => Some(number.parse().map_err(|error| text(&error))?),
            },
        };
        let group_key = if *group_key == NONE { None } else { Some(sealed(group_key)?) };
        Ok(Self { host, password: sealed(password)?, group_key })
    }
}

/// What a secret is sealed together with. Neither name nor address has a tab, so that no two have one text.
fn about(host: &Host, what: &str) -> Vec<u8> {
    let Host { name, address, user, .. } = host;
    format!("ipmi-host\t{what}\t{}\t{address}\t{user}", name.as_str().to_ascii_lowercase()).into_bytes()
}

/// The entries of a text, or the number of the line that is wrong, and why.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(at, line)| Entry::parse(line).map_err(|reason| (at + 1, reason))).collect()
}

pub(super) fn show(entries: &[Entry]) -> String {
    let mut text = HEADER.to_owned();
    for Entry { host, password, group_key } in entries {
        let Host { name, address, user, level, suite } = host;
        let suite = suite.map_or_else(|| NONE.to_owned(), |suite| suite.number().to_string());
        let group_key = group_key.as_ref().map_or_else(|| NONE.to_owned(), |sealed| STANDARD.encode(sealed));
        let (level, password) = (level.name(), STANDARD.encode(password));
        // Writing to a text does not fail.
        let _ = writeln!(text, "{name}\t{address}\t{user}\t{level}\t{suite}\t{password}\t{group_key}");
    }
    text
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("host", &self.host).finish_non_exhaustive()
    }
}

const NONE: &str = "-";
const HEADER: &str = "# Management controllers of root/hardware: telarch ipmi host list\n";
