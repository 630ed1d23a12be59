//! Revision of a configuration.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::value::InvalidValue;

/// Revision of a configuration: SHA-256 over the paths and contents of all its files. It is the entity tag of the API.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision([u8; 32]);

impl Revision {
    /// Computes the revision of files, which must be sorted by path.
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut digest = Sha256::new();
        for (path, content) in files {
            for part in [path.as_bytes(), content] {
                // Lengths separate the parts, so that no two sets of files have the same digest input.
                digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
                digest.update(part);
            }
        }
        Self(digest.finalize().into())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Revision {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.len() != 64 || !text.is_ascii() {
            return Err(invalid(text));
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = str::from_utf8(digits).map_err(|_| invalid(text))?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| invalid(text))?;
        }
        Ok(Self(bytes))
    }
}

fn invalid(text: &str) -> InvalidValue {
    InvalidValue::new("revision", text, "it must have 64 hexadecimal digits")
}

impl TryFrom<String> for Revision {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> Self {
        revision.to_string()
    }
}
