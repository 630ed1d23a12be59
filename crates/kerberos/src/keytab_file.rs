//! Paths of keytab files.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::KerberosError;

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
