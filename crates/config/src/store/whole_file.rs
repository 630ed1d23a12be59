//! Other files that are kept as the settings are.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::StoreError;
use super::disk::{self, Directory};

/// A text that is believed only if nobody who must not could have written it, and that is written whole or not at
/// all, also when the process is killed.
#[derive(Clone, Debug)]
pub struct WholeFile {
    path: PathBuf,
    most: usize,
}

/// Which file was read: it is another one once somebody has written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState(Option<(u64, u64, i64, i64, u64)>);

impl WholeFile {
    /// The file of a path, which need not exist while its directory does, of at most so many octets.
    ///
    /// # Errors
    /// [`StoreError::Disk`] if there is no such directory.
    pub fn at(path: &Path, most: usize) -> Result<Self, StoreError> {
        Ok(Self { path: disk::resolve(path)?, most })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text; nothing if there is no file.
    ///
    /// # Errors
    /// [`StoreError`] for a file that cannot be read or believed.
    pub fn read(&self) -> Result<String, StoreError> {
        disk::read_up_to(&self.path, self.most).map(|found| found.text)
    }

    /// Replaces the text by what `change` makes of it, if it makes something. Others who do so wait meanwhile.
    ///
    /// # Errors
    /// Those of `change`, and [`StoreError`] if the file cannot be read or written; then it is what it was.
    pub fn update<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&str) -> Result<(Option<String>, T), E>,
    ) -> Result<T, E> {
        let directory = Directory::lock(&self.path)?;
        let found = disk::read_up_to(&self.path, self.most)?;
        let (text, result) = change(&found.text)?;
        if let Some(text) = text.filter(|text| *text != found.text) {
            if text.len() > self.most {
                return Err(StoreError::TooLarge { path: self.path.clone(), most: self.most }.into());
            }
            directory.replace(&self.path, &text, &found)?;
        }
        Ok(result)
    }

    /// Which file it is now.
    ///
    /// # Errors
    /// [`StoreError::Disk`] if that cannot be told.
    pub fn state(&self) -> Result<FileState, StoreError> {
        match fs::metadata(&self.path) {
            Ok(found) => Ok(FileState(Some((
                found.dev(),
                found.ino(),
                found.mtime(),
                found.mtime_nsec(),
                found.size(),
            )))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FileState(None)),
            Err(source) => Err(StoreError::Disk { action: "find", path: self.path.clone(), source }),
        }
    }
}
