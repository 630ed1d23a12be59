//! Reading of trusted files, and their atomic replacement.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use files::{Attributes, folder, sibling};
use rustix::fs::OFlags;

use super::StoreError;
use crate::FileError;
use crate::file::MAX_OCTETS;

/// File as read from disk.
#[derive(Default)]
pub(super) struct Found {
    pub(super) text: String,
    /// Mode and group, if the file exists.
    attributes: Option<Attributes>,
}

/// Resolves symbolic links, so that replacing the file does not replace the links.
///
/// The file itself need not exist, but its directory must: otherwise a wrong path would count as an empty file.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    match fs::canonicalize(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or_else(|| StoreError::disk("find", path)(error))?;
            Ok(fs::canonicalize(folder(path)).map_err(StoreError::disk("find", path))?.join(name))
        }
        Err(error) => Err(StoreError::disk("find", path)(error)),
    }
}

/// Reads the configuration file if only trusted users can write it.
pub(super) fn read(path: &Path) -> Result<Found, StoreError> {
    read_up_to(path, MAX_OCTETS).map_err(|error| match error {
        StoreError::TooLarge { path, .. } => {
            StoreError::Content { path, line: 1, error: FileError::TooLarge }
        }
        error => error,
    })
}

/// Reads a file of at most `limit` bytes if only trusted users can write it.
pub(super) fn read_up_to(path: &Path, limit: usize) -> Result<Found, StoreError> {
    let Some((file, metadata)) = open_trusted(path)? else { return Ok(Found::default()) };
    let mut text = String::new();
    file.take(limit as u64 + 1).read_to_string(&mut text).map_err(StoreError::disk("read", path))?;
    if text.len() > limit {
        return Err(StoreError::TooLarge { path: path.to_owned(), limit });
    }
    let attributes = Attributes { mode: metadata.mode() & 0o777, group: Some(metadata.gid()) };
    Ok(Found { text, attributes: Some(attributes) })
}

/// Reads the bytes of a file if only trusted users can write it. Returns `limit` + 1 bytes of a larger file, and
/// `None` if there is no file.
pub(crate) fn read_bytes(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
    let Some((file, _)) = open_trusted(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(StoreError::disk("read", path))?;
    Ok(Some(bytes))
}

/// Returns whether a directory exists. An existing one is an error unless only trusted users can write it.
pub(crate) fn trusted_directory_exists(path: &Path) -> Result<bool, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => check_trusted(path, &metadata).map(|()| true),
        Ok(_) => Err(StoreError::disk("read", path)(io::Error::other("not a directory"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::disk("read", path)(error)),
    }
}

/// Opens a file if only trusted users can write it; returns `None` if there is no file.
fn open_trusted(path: &Path) -> Result<Option<(File, Metadata)>, StoreError> {
    let file = match OpenOptions::new().read(true).custom_flags(non_blocking()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::disk("read", path)(error)),
    };
    let metadata = file.metadata().map_err(StoreError::disk("read", path))?;
    if !metadata.is_file() {
        return Err(StoreError::disk("read", path)(io::Error::other("not a regular file")));
    }
    check_trusted(path, &metadata)?;
    Ok(Some((file, metadata)))
}

fn check_trusted(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    let (me, owner, group) = (rustix::process::geteuid(), metadata.uid(), metadata.gid());
    if owner != 0 && owner != me.as_raw() {
        return Err(StoreError::ForeignOwner { path: path.to_owned(), owner });
    }
    if metadata.mode() & 0o002 != 0 {
        return Err(StoreError::WorldWritable { path: path.to_owned() });
    }
    // The private group of an ordinary user usually has no other members. Files that root reads must not depend on
    // that.
    if me.is_root() && group != 0 && metadata.mode() & 0o020 != 0 {
        return Err(StoreError::GroupWritable { path: path.to_owned(), group });
    }
    Ok(())
}

/// Directory of a file, locked against other processes that change the file.
pub(super) struct Directory {
    /// Closing this file releases the lock.
    _lock: File,
}

impl Directory {
    pub(super) fn lock(path: &Path) -> Result<Self, StoreError> {
        let open = || {
            let directory = File::open(folder(path))?;
            let lock = open_lock(&sibling(path, "lock"), &directory)?;
            lock.lock()?;
            Ok(Self { _lock: lock })
        };
        open().map_err(StoreError::disk("lock", path))
    }

    /// Replaces the file atomically.
    pub(super) fn replace(&self, path: &Path, text: &str, found: &Found) -> Result<(), StoreError> {
        let attributes = found.attributes.unwrap_or_else(new_attributes);
        files::replace(path, text.as_bytes(), attributes).map_err(StoreError::disk("write", path))
    }
}

/// Opens or creates a lock file with the owner of its directory.
///
/// A separate file is used because any user who may open a file may also lock it. With a lock on the directory or the
/// configuration file, which all users may read, any local user could block changes by the administrator.
fn open_lock(path: &Path, directory: &File) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed() | non_blocking());
    match options.clone().create_new(true).open(path) {
        Ok(created) => {
            let owner = directory.metadata()?.uid();
            if created.metadata()?.uid() != owner && rustix::process::geteuid().is_root() {
                fchown(&created, Some(owner), None)?;
            }
            Ok(created)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// Returns the attributes of a new file: clients of all users read the machine's file, only its owner reads a user's
/// file.
fn new_attributes() -> Attributes {
    if rustix::process::geteuid().is_root() {
        Attributes { mode: 0o644, group: None }
    } else {
        Attributes::PRIVATE
    }
}

/// Returns flags with which opening a FIFO or device does not block; reading it is rejected later.
fn non_blocking() -> i32 {
    (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed()
}
