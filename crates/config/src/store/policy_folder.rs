//! Reading of the policy directory, if only trusted users can write it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{StoreError, disk};
use crate::policy::{Form, LocatedPolicyError, MAX_OCTETS};
use crate::{Policies, PolicyError};

/// Maximum number of policy files.
const MAX_FILES: usize = 256;

impl Policies {
    /// Name of the policy directory.
    pub const FOLDER: &'static str = "policy.d";

    /// Returns the policy directory next to a configuration file.
    #[must_use]
    pub fn folder_beside(settings: &Path) -> PathBuf {
        settings.with_file_name(Self::FOLDER)
    }

    /// PolicyKind the policy files in a directory; a missing directory contains none.
    ///
    /// Directory and files must belong to root or to the user of this process, and other users must not be able to
    /// write them. A single file that cannot be read, trusted or parsed is an error, because its restrictions are
    /// unknown.
    ///
    /// # Errors
    /// [`StoreError`] with the file, the position in it and a hint.
    pub fn of_folder(folder: &Path) -> Result<Self, StoreError> {
        Self::of_folders([folder])
    }

    /// PolicyKind the policy files in several directories; files of later directories win.
    ///
    /// # Errors
    /// [`StoreError`] with the file, the position in it and a hint.
    pub fn of_folders<P: AsRef<Path>>(folders: impl IntoIterator<Item = P>) -> Result<Self, StoreError> {
        let mut files = Vec::new();
        for folder in folders {
            for path in names(folder.as_ref())? {
                // A file that was deleted meanwhile sets nothing.
                if let Some(bytes) = disk::read_bytes(&path, MAX_OCTETS)? {
                    files.push((path, bytes));
                }
            }
        }
        Self::of_files(&files).map_err(StoreError::from)
    }
}

/// Returns the policy files in a directory, sorted by name.
fn names(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    if !disk::trusted_directory_exists(folder)? {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    let read_error = |source| StoreError::Disk { action: "read", path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        // Hidden files and files with other extensions are left by editors and package managers.
        let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden || Form::of(&path).is_none() {
            continue;
        }
        if names.len() >= MAX_FILES {
            let error = io::Error::other(format!("more than {MAX_FILES} policy files"));
            return Err(read_error(error));
        }
        names.push(path);
    }
    names.sort();
    Ok(names)
}

impl From<LocatedPolicyError> for StoreError {
    fn from(LocatedPolicyError { origin, error }: LocatedPolicyError) -> Self {
        Self::Policy { origin, error }
    }
}

impl PolicyError {
    /// Hint for a policy file that cannot be parsed.
    pub(crate) const WAY_OUT: &'static str =
        "fix or remove the file; until then, no change in policy.d takes effect";
}
