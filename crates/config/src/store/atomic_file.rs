//! Other files that are stored like the configuration.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::StoreError;
use super::disk::{self, Directory};

/// Text file that only trusted users can write, with a maximum size and atomic changes.
#[derive(Clone, Debug)]
pub struct AtomicFile {
    path: PathBuf,
    limit: usize,
}

/// Version of a file. It differs after every change of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileVersion(Option<(u64, u64, i64, i64, u64)>);

impl AtomicFile {
    /// Returns the file with a path and a maximum size in bytes. The file need not exist, but its directory must.
    ///
    /// # Errors
    /// [`StoreError::Disk`] if the directory does not exist.
    pub fn at(path: &Path, limit: usize) -> Result<Self, StoreError> {
        Ok(Self { path: disk::resolve(path)?, limit })
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// PolicyKind the text; a missing file counts as an empty one.
    ///
    /// # Errors
    /// [`StoreError`] for a file that cannot be read or is not trusted.
    pub fn read(&self) -> Result<String, StoreError> {
        disk::read_up_to(&self.path, self.limit).map(|found| found.text)
    }

    /// Replaces the text by the one that `change` returns, if any. Changes of all processes are serialized.
    ///
    /// # Errors
    /// Those of `change`, and [`StoreError`] if the file cannot be read or written. The file does not change then.
    pub fn update<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&str) -> Result<(Option<String>, T), E>,
    ) -> Result<T, E> {
        let directory = Directory::lock(&self.path)?;
        let found = disk::read_up_to(&self.path, self.limit)?;
        let (text, result) = change(&found.text)?;
        if let Some(text) = text.filter(|text| *text != found.text) {
            if text.len() > self.limit {
                return Err(StoreError::TooLarge { path: self.path.clone(), limit: self.limit }.into());
            }
            directory.replace(&self.path, &text, &found)?;
        }
        Ok(result)
    }

    /// Returns the current version of the file.
    ///
    /// # Errors
    /// [`StoreError::Disk`] if the attributes of the file cannot be read.
    pub fn version(&self) -> Result<FileVersion, StoreError> {
        match fs::metadata(&self.path) {
            Ok(found) => Ok(FileVersion(Some((
                found.dev(),
                found.ino(),
                found.mtime(),
                found.mtime_nsec(),
                found.size(),
            )))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FileVersion(None)),
            Err(source) => Err(StoreError::disk("find", &self.path)(source)),
        }
    }
}
