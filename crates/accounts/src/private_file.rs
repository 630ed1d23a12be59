//! Text files for the eyes of their owner, for crates that keep something sealed.

use std::path::{Path, PathBuf};

use crate::file::disk::{self, Stamp};
use crate::{AccountsError, IfMissing};

/// A text file that nobody but its owner may read or change, and that is never half there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateFile(PathBuf);

/// Tells a file from a changed one; two that are equal are of the same content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edition(Option<Stamp>);

impl PrivateFile {
    /// Takes a file that need not be there yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Which edition there is now, without reading it.
    #[must_use]
    pub fn edition(&self) -> Edition {
        Edition(Stamp::of(&self.0))
    }

    /// Its text; a file that is not there is an empty one.
    ///
    /// # Errors
    /// [`AccountsError`] if others could read or change it, or it cannot be read.
    pub fn read(&self) -> Result<(String, Edition), AccountsError> {
        match disk::text_with_stamp(&self.0) {
            Ok((text, stamp)) => Ok((text, Edition(Some(stamp)))),
            Err(AccountsError::Missing { .. }) => Ok((String::new(), Edition(None))),
            Err(error) => Err(error),
        }
    }

    /// Makes a new text of the old one: whole, or not at all, and one change after the other.
    ///
    /// # Errors
    /// Those of the change, and [`AccountsError`] if the file cannot be read or replaced.
    pub fn update<T, E: From<AccountsError>>(
        &self,
        change: impl FnOnce(&str) -> Result<(String, T), E>,
    ) -> Result<T, E> {
        disk::update_text(&self.0, IfMissing::Create, |_, old| change(old))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_change_is_another_edition_and_others_see_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = PrivateFile::new(folder.path().join("hosts"));
        assert_eq!(file.read().unwrap(), (String::new(), file.edition()));
        let before = file.edition();
        file.update::<_, AccountsError>(|old| Ok((format!("{old}one\n"), ()))).unwrap();
        let (text, edition) = file.read().unwrap();
        assert_eq!((text.as_str(), edition), ("one\n", file.edition()));
        assert_ne!(edition, before);
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(file.read(), Err(AccountsError::Exposed { mode: 0o644, .. })));
    }
}
