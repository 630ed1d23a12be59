//! The folder of policies: read only if nobody who must not could have put anything there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::registry_pol::MAX_OCTETS;
use super::{Form, Policies, PolicyError, Wrong};
use crate::StoreError;
use crate::store::disk;

/// The most files that are read.
const MAX_FILES: usize = 256;

impl Policies {
    /// The name of the folder of policies beside a file of settings.
    pub const FOLDER: &'static str = "policy.d";

    /// The folder of policies beside a file of settings.
    #[must_use]
    pub fn folder_beside(settings: &Path) -> PathBuf {
        settings.with_file_name(Self::FOLDER)
    }

    /// What the files of a folder demand; one that is not there demands nothing.
    ///
    /// Folder and files must belong to root or to the user of this process, and nobody else may be able to write
    /// them. A single file that cannot be read, believed or understood is an error: what it would forbid is not known.
    ///
    /// # Errors
    /// [`StoreError`] names the file, the place in it and what to do.
    pub fn of_folder(folder: &Path) -> Result<Self, StoreError> {
        Self::of_folders([folder])
    }

    /// The same for several folders; the files of later ones win over all of those before.
    ///
    /// # Errors
    /// As for [`Policies::of_folder`].
    pub fn of_folders<P: AsRef<Path>>(folders: impl IntoIterator<Item = P>) -> Result<Self, StoreError> {
        let mut files = Vec::new();
        for folder in folders {
            for path in names(folder.as_ref())? {
                // One that has vanished in this moment demands nothing.
                if let Some(octets) = disk::octets(&path, MAX_OCTETS)? {
                    files.push((path, octets));
                }
            }
        }
        Self::of_files(&files).map_err(StoreError::from)
    }
}

/// The files of policies in a folder, in the order of their names.
fn names(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let disk = |source| StoreError::Disk { action: "read", path: folder.to_owned(), source };
    if !disk::is_trusted_directory(folder)? {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(disk)? {
        let path = entry.map_err(disk)?.path();
        // Editors and package managers leave other files beside those that count.
        let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden || Form::of(&path).is_none() {
            continue;
        }
        if names.len() >= MAX_FILES {
            return Err(disk(io::Error::other(format!("there are more than {MAX_FILES} files of policies"))));
        }
        names.push(path);
    }
    names.sort();
    Ok(names)
}

impl From<Wrong> for StoreError {
    fn from(Wrong { origin, error }: Wrong) -> Self {
        Self::Policy { origin, error }
    }
}

impl PolicyError {
    /// What to do about a file that cannot be understood.
    pub(crate) const WAY_OUT: &'static str =
        "mend or remove the file: until then nothing of policy.d is taken over";
}
