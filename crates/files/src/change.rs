//! Replacing a file while no other process does.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::{Access, FileError, open};

/// The directory of a file, locked against other processes that change the file in the same way.
pub(crate) struct Folder {
    file: PathBuf,
    folder: File,
    /// Closing it releases the lock.
    _lock: File,
}

impl Folder {
    /// Waits for the lock; makes the directory if it is missing.
    pub(crate) fn lock(path: &Path) -> Result<Self, FileError> {
        let file = open::target(path)?;
        let parent = parent(&file);
        require_own_folder(parent)?;
        let disk = |source| FileError::Disk { action: "write", path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(disk)?;
        let folder = File::open(parent).map_err(disk)?;
        // Everybody who may open a file may lock it, so the lock is not on the file itself, which others may read.
        let beside = beside(&file, "lock");
        let (place, lock) = open::or_make(&beside, OFlags::WRONLY)?;
        open::judge(&place, &lock, Access::Nothing)?;
        lock.lock().map_err(disk)?;
        Ok(Self { file, folder, _lock: lock })
    }

    /// The path of the file, behind links.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Puts a new file in the place of the old one.
    pub(crate) fn replace(&self, content: &[u8], mode: Option<u32>) -> Result<(), FileError> {
        let beside = beside(&self.file, "new");
        let written = self.write(&beside, content, mode.unwrap_or(0o600));
        if written.is_err() {
            // The old file is still there; the rest of the new one is of no use.
            let _ = fs::remove_file(&beside);
        }
        written.map_err(|source| FileError::Disk { action: "write", path: self.file.clone(), source })
    }

    fn write(&self, beside: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // A process that was killed here has left it.
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(beside, &self.file)?;
        self.folder.sync_all()
    }
}

/// Rejects a directory, or the nearest one that exists, in which another user could replace a file at will: root must
/// not leave files in the home of a user, which the user could not change any more.
fn require_own_folder(folder: &Path) -> Result<(), FileError> {
    for place in folder.ancestors() {
        let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
        let found: Metadata = match fs::metadata(place) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => {
                return Err(FileError::Disk { action: "read", path: place.to_owned(), source });
            }
        };
        open::require_own(place, found.uid())?;
        let (mode, sticky) = (found.mode() & 0o777, found.mode() & 0o1000 != 0);
        if mode & 0o002 != 0 && !sticky {
            return Err(FileError::OpenFolder { path: place.to_owned(), mode });
        }
        return Ok(());
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn beside(path: &Path, purpose: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(purpose);
    path.with_file_name(name)
}
