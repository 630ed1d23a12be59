//! Text files with secrets that only their owner may read.

use std::path::{Path, PathBuf};

use crate::AccountsError;
use crate::disk::{self, IfMissing, Stamp};

/// A text file that only its owner may read or change, and that is replaced atomically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateFile(PathBuf);

/// Version of a file's content. Equal versions mean unchanged content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileVersion(Option<Stamp>);

impl PrivateFile {
    /// Creates a handle for a file that need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the current version without reading the file.
    #[must_use]
    pub fn version(&self) -> FileVersion {
        FileVersion(Stamp::of(&self.0))
    }

    /// Reads the text and its version; a missing file reads as empty.
    ///
    /// # Errors
    /// [`AccountsError`] if other users could read or change the file, or if it cannot be read.
    pub fn read(&self) -> Result<(String, FileVersion), AccountsError> {
        match disk::text_with_stamp(&self.0) {
            Ok((text, stamp)) => Ok((text, FileVersion(Some(stamp)))),
            Err(AccountsError::Missing { .. }) => Ok((String::new(), FileVersion(None))),
            Err(error) => Err(error),
        }
    }

    /// Replaces the text by a new one computed from the old text. The replacement is atomic, and concurrent updates are
    /// serialised.
    ///
    /// # Errors
    /// The error of `change`; [`AccountsError`] if the file cannot be read or replaced.
    pub fn update<T, E: From<AccountsError>>(
        &self,
        change: impl FnOnce(&str) -> Result<(String, T), E>,
    ) -> Result<T, E> {
        disk::update_text(&self.0, IfMissing::Create, |_, old| change(old))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_change_gives_a_new_version_and_mode_0600() {
        let folder = tempfile::tempdir().unwrap();
        let file = PrivateFile::new(folder.path().join("hosts"));
        assert_eq!(file.read().unwrap(), (String::new(), file.version()));
        let before = file.version();
        file.update::<_, AccountsError>(|old| Ok((format!("{old}one\n"), ()))).unwrap();
        let (text, version) = file.read().unwrap();
        assert_eq!((text.as_str(), version), ("one\n", file.version()));
        assert_ne!(version, before);
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(file.read(), Err(AccountsError::Exposed { mode: 0o644, .. })));
    }
}
