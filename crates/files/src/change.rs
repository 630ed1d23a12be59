//! Atomic replacement of files under a lock.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::replace::{Attributes, folder, replace, sibling};
use crate::{Access, FileError, open};

/// The directory of a file, locked against other processes that replace the file with this module.
pub(crate) struct LockedFolder {
    file: PathBuf,
    /// Closing it releases the lock.
    _lock: File,
}

impl LockedFolder {
    /// Waits for the lock. Creates the directory if it is missing.
    pub(crate) fn lock(path: &Path) -> Result<Self, FileError> {
        let file = open::target(path)?;
        let folder = folder(&file);
        require_own_folder(folder)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| write_error(path, source))?;
        // The lock is a separate private file: any user who can open a file can lock it, and others may read this one.
        let sibling = sibling(&file, "lock");
        let (lock_path, lock) = open::open_or_create(&sibling, OFlags::WRONLY)?;
        open::check(&lock_path, &lock, Access::Nothing)?;
        lock.lock().map_err(|source| write_error(path, source))?;
        Ok(Self { file, _lock: lock })
    }

    /// Returns the path of the file, with links resolved.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Replaces the file. A new file has the mode 0600 unless `mode` is set.
    pub(crate) fn replace(&self, content: &[u8], mode: Option<u32>) -> Result<(), FileError> {
        let attributes = mode.map_or(Attributes::PRIVATE, |mode| Attributes { mode, group: None });
        replace(&self.file, content, attributes).map_err(|source| write_error(&self.file, source))
    }
}

/// Checks that no other user could replace a file in a directory, or in its nearest existing ancestor.
///
/// In particular, root must not create files in the home directory of a user, who could not change them any more.
fn require_own_folder(folder: &Path) -> Result<(), FileError> {
    for ancestor in folder.ancestors() {
        let ancestor = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        let found: Metadata = match fs::metadata(ancestor) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => {
                return Err(FileError::Disk { action: "read", path: ancestor.to_owned(), source });
            }
        };
        open::require_own(ancestor, found.uid())?;
        let (mode, sticky) = (found.mode() & 0o777, found.mode() & 0o1000 != 0);
        if mode & 0o002 != 0 && !sticky {
            return Err(FileError::OpenFolder { path: ancestor.to_owned(), mode });
        }
        return Ok(());
    }
    Ok(())
}

fn write_error(path: &Path, source: io::Error) -> FileError {
    FileError::Disk { action: "write", path: path.to_owned(), source }
}
