//! Paths of keytab files.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::{KerberosError, Principal};

/// Path of a keytab file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeytabFile(
    /// INVARIANT: contains no NUL character.
    PathBuf,
);

impl KeytabFile {
    pub(crate) fn new(path: PathBuf) -> Result<Self, KerberosError> {
        if path.as_os_str().as_bytes().contains(&0) {
            return Err(KerberosError::NotAName(path.display().to_string()));
        }
        Ok(Self(path))
    }

    /// Returns the principal in the content of a keytab with which a machine authenticates to services: the first one
    /// whose name ends with `$`, as domains of Windows name computers, or else the first one. Returns `None` if the
    /// content is not a keytab with a principal.
    #[must_use]
    pub fn machine_principal(content: &[u8]) -> Option<Principal> {
        let mut entries = content.strip_prefix(VERSION_2)?;
        let mut first = None;
        for _ in 0..MAX_ENTRIES {
            let Some((length, rest)) = entries.split_first_chunk::<4>() else { break };
            let length = i32::from_be_bytes(*length);
            // The bytes of a removed entry have a negative length.
            let (entry, rest) = rest.split_at_checked(usize::try_from(length.unsigned_abs()).ok()?)?;
            entries = rest;
            if length == 0 {
                break;
            }
            let Some(principal) = (length > 0).then(|| principal(entry)).flatten() else { continue };
            if principal.components().first().is_some_and(|name| name.ends_with('$')) {
                return Some(principal);
            }
            first.get_or_insert(principal);
        }
        first
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the name for the library. Without the type, a colon in the path would be parsed as the end of a type.
    pub(crate) fn name(&self) -> CString {
        CString::new([b"FILE:", self.0.as_os_str().as_bytes()].concat()).unwrap_or_default()
    }
}

/// Returns the principal of an entry of a keytab.
fn principal(entry: &[u8]) -> Option<Principal> {
    let (count, mut rest) = entry.split_first_chunk::<2>()?;
    let realm = take_text(&mut rest)?;
    let components: Option<Vec<String>> =
        (0..u16::from_be_bytes(*count)).map(|_| take_text(&mut rest)).collect();
    Principal::of_parts(components?, realm)
}

/// Takes a text with its length in front.
fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *bytes = rest;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

/// First bytes of a keytab of version 2, the only one that MIT Kerberos still writes (keytab file format).
const VERSION_2: &[u8] = b"\x05\x02";
/// Maximum number of entries that are read.
const MAX_ENTRIES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(components: &[&str], realm: &str) -> Vec<u8> {
        let mut bytes = u16::try_from(components.len()).unwrap().to_be_bytes().to_vec();
        for text in [&[realm], components].concat() {
            bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        // Name type, time, version and key.
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 18, 0, 2, 7, 7]);
        bytes
    }

    fn keytab(entries: &[(i32, Vec<u8>)]) -> Vec<u8> {
        let entries = entries.iter().map(|(sign, entry)| {
            let length = i32::try_from(entry.len()).unwrap() * sign;
            [&length.to_be_bytes()[..], entry].concat()
        });
        [VERSION_2.to_vec()].into_iter().chain(entries).collect::<Vec<_>>().concat()
    }

    #[test]
    fn the_principal_of_the_computer_is_preferred() {
        let host = entry(&["host", "web1.example.com"], "EXAMPLE.COM");
        let computer = entry(&["WEB1$"], "EXAMPLE.COM");
        let removed = entry(&["OLD$"], "EXAMPLE.COM");
        let found = |entries: &[(i32, Vec<u8>)]| {
            KeytabFile::machine_principal(&keytab(entries)).map(|principal| principal.to_string())
        };
        let all = [(-1, removed), (1, host.clone()), (1, computer)];
        assert_eq!(found(&all).as_deref(), Some("WEB1$@EXAMPLE.COM"));
        assert_eq!(found(&[(1, host)]).as_deref(), Some("host/web1.example.com@EXAMPLE.COM"));
        assert_eq!(found(&[]), None);
        assert_eq!(KeytabFile::machine_principal(b"\x05\x01"), None);
        let complete = keytab(&all);
        for length in 0..complete.len() {
            let _ = KeytabFile::machine_principal(&complete[..length]);
        }
    }
}
