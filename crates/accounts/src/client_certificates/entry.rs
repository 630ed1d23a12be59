//! Line format of the file: keys, user and state in clear text and the sealed password, separated by tabs.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use auth::account_file::EnabledState;
use auth::certificate_mapping::{CertificateThumbprint, Mapping, SubjectPattern, UriPattern};
use auth::{Secret, UserName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{AccountsError, HostKey};

/// A mapping with its sealed password.
pub(super) struct Entry {
    pub(super) mapping: Mapping,
    sealed: Vec<u8>,
}

impl Entry {
    pub(super) fn seal(mapping: Mapping, password: &Secret, key: &HostKey) -> Result<Self, AccountsError> {
        let sealed = key.seal_secret(password.expose().as_bytes(), about(&mapping).as_bytes())?;
        Ok(Self { mapping, sealed })
    }

    /// Opens the password; `None` if it was sealed for another mapping or with another key.
    pub(super) fn password(&self, key: &HostKey) -> Option<Secret> {
        let octets = key.open_secret(&self.sealed, about(&self.mapping).as_bytes())?;
        std::str::from_utf8(&octets).ok().map(|text| Secret::new(text.to_owned()))
    }

    fn parse(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [issuer, subject, uri, user, state, sealed] = fields.as_slice() else {
            return Err(format!("expected 6 fields separated by tabs, found {}", fields.len()));
        };
        let mapping = Mapping {
            issuer: CertificateThumbprint::parse(issuer).map_err(|error| error.to_string())?,
            subject: SubjectPattern::parse(subject).map_err(|error| error.to_string())?,
            uri: UriPattern::parse(uri).map_err(|error| error.to_string())?,
            user: UserName::parse(user).map_err(|error| error.to_string())?,
            state: match *state {
                ENABLED => EnabledState::Enabled,
                DISABLED => EnabledState::Disabled,
                other => return Err(format!("state \"{other}\" is neither {ENABLED} nor {DISABLED}")),
            },
        };
        let sealed = STANDARD.decode(sealed).map_err(|error| format!("invalid sealed password: {error}"))?;
        Ok(Self { mapping, sealed })
    }
}

/// Returns the data that is authenticated with the sealed password, so that it cannot be moved to another user or
/// mapping.
fn about(mapping: &Mapping) -> String {
    format!("certmapping\t{}\t{}\t{}\t{}", mapping.issuer, mapping.subject, mapping.uri, mapping.user)
}

pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Entry>, AccountsError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let entries = lines.map(|(at, line)| {
        Entry::parse(line).map_err(|reason| AccountsError::Mapping {
            path: path.to_owned(),
            line: at + 1,
            reason,
        })
    });
    entries.collect()
}

pub(super) fn show(entries: &[Entry]) -> String {
    let mut text = HEADER.to_owned();
    for Entry { mapping, sealed } in entries {
        let Mapping { issuer, subject, uri, user, state } = mapping;
        let state = match state {
            EnabledState::Enabled => ENABLED,
            EnabledState::Disabled => DISABLED,
        };
        let sealed = STANDARD.encode(sealed);
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{issuer}\t{subject}\t{uri}\t{user}\t{state}\t{sealed}");
    }
    text
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("mapping", &self.mapping).finish_non_exhaustive()
    }
}

const ENABLED: &str = "enabled";
const DISABLED: &str = "disabled";
const HEADER: &str = "# Mappings of client certificates to accounts; list them with: winrm enumerate winrm/config/service/certmapping\n";
