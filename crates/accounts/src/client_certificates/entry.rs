//! One line of the file: keys, user and standing in the clear, the password sealed, with tabs between.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use auth::account_file::Standing;
use auth::certificate_mapping::{CertificateThumbprint, Mapping, SubjectPattern, UriPattern};
use auth::{Secret, UserName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{AccountsError, HostKey};

/// A mapping with its password.
pub(super) struct Entry {
    pub(super) mapping: Mapping,
    sealed: Vec<u8>,
}

impl Entry {
    pub(super) fn seal(mapping: Mapping, password: &Secret, key: &HostKey) -> Result<Self, AccountsError> {
        let sealed = key.seal_secret(password.expose().as_bytes(), about(&mapping).as_bytes())?;
        Ok(Self { mapping, sealed })
    }

    /// None if it was sealed for another mapping, or with another key.
    pub(super) fn password(&self, key: &HostKey) -> Option<Secret> {
        let octets = key.open_secret(&self.sealed, about(&self.mapping).as_bytes())?;
        std::str::from_utf8(&octets).ok().map(|text| Secret::new(text.to_owned()))
    }

    fn parse(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [issuer, subject, uri, user, standing, sealed] = fields.as_slice() else {
            return Err(format!("there are {} fields with tabs between, and not 6", fields.len()));
        };
        let text = |error: &dyn fmt::Display| error.to_string();
        let mapping = Mapping {
            issuer: CertificateThumbprint::parse(issuer).map_err(|error| text(&error))?,
            subject: SubjectPattern::parse(subject).map_err(|error| text(&error))?,
            uri: UriPattern::parse(uri).map_err(|error| text(&error))?,
            user: UserName::parse(user).map_err(|error| text(&error))?,
            standing: match *standing {
                ENABLED => Standing::Enabled,
                DISABLED => Standing::Disabled,
                other => return Err(format!("{other:?} is neither {ENABLED} nor {DISABLED}")),
            },
        };
        let sealed = STANDARD.decode(sealed).map_err(|error| format!("the sealed password: {error}"))?;
        Ok(Self { mapping, sealed })
    }
}

/// What a password is sealed together with, so that it is of no use beside another user or for others.
fn about(mapping: &Mapping) -> String {
    format!("certmapping\t{}\t{}\t{}\t{}", mapping.issuer, mapping.subject, mapping.uri, mapping.user)
}

pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Entry>, AccountsError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let entries = lines.map(|(at, line)| {
        let wrong = |reason| AccountsError::Mapping { path: path.to_owned(), line: at + 1, reason };
        Entry::parse(line).map_err(wrong)
    });
    entries.collect()
}

pub(super) fn show(entries: &[Entry]) -> String {
    let mut text = HEADER.to_owned();
    for Entry { mapping, sealed } in entries {
        let Mapping { issuer, subject, uri, user, standing } = mapping;
        let standing = match standing {
            Standing::Enabled => ENABLED,
            Standing::Disabled => DISABLED,
        };
        let sealed = STANDARD.encode(sealed);
        // Writing to a text does not fail.
        let _ = writeln!(text, "{issuer}\t{subject}\t{uri}\t{user}\t{standing}\t{sealed}");
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
const HEADER: &str = "# Client certificates and whose accounts their holders are: winrm enumerate winrm/config/service/certmapping\n";
