//! Opening files without following links of other users, and checking the opened files.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::{Access, FileError, own_descriptor};

/// Opens an existing file. Returns it with its path behind links, or `None` if it does not exist.
pub(crate) fn open_existing(path: &Path, how: OFlags) -> Result<Option<(PathBuf, File)>, FileError> {
    match open_checked_path(path, how, "read") {
        Ok(found) => Ok(Some(found)),
        Err(FileError::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file, creating it with mode 0600 if it does not exist. Returns it with its path behind links.
pub(crate) fn open_or_create(path: &Path, how: OFlags) -> Result<(PathBuf, File), FileError> {
    open_checked_path(path, how | OFlags::CREATE, "write")
}

/// Resolves links that belong to this user or to root. The file at the resulting path need not exist.
pub(crate) fn target(path: &Path) -> Result<PathBuf, FileError> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match read_link(&target)? {
            Some(next) => target = next,
            None => return Ok(target),
        }
    }
    Err(FileError::TooManyLinks { path: path.to_owned() })
}

/// Rejects files that are not regular, belong to another user, or grant other users too much access.
pub(crate) fn check(path: &Path, file: &File, access: Access) -> Result<(), FileError> {
    if own_descriptor(path) {
        return Ok(());
    }
    let metadata = metadata(path, file)?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile { path: path.to_owned() });
    }
    require_own(path, metadata.uid())?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(FileError::Writable { path: path.to_owned(), mode });
    }
    let secret = match access {
        Access::Read => 0,
        Access::ReadByGroup => 0o007,
        Access::Nothing => 0o077,
    };
    if mode & secret != 0 {
        return Err(FileError::Readable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Returns the permissions of an open file.
pub(crate) fn mode(path: &Path, file: &File) -> Result<u32, FileError> {
    Ok(metadata(path, file)?.mode() & 0o777)
}

/// Rejects an owner that is neither this user nor root.
pub(crate) fn require_own(path: &Path, owner: u32) -> Result<(), FileError> {
    if owner == 0 || owner == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(FileError::ForeignOwner { path: path.to_owned(), owner })
    }
}

fn open_checked_path(path: &Path, how: OFlags, action: &'static str) -> Result<(PathBuf, File), FileError> {
    if own_descriptor(path) {
        // The kernel's links to descriptors have no path, and blocking on a pipe is intended.
        return open_at(path, how, action).map(|file| (path.to_owned(), file));
    }
    let path = target(path)?;
    // A link or FIFO that has replaced the file meanwhile must not be followed or waited for.
    let file = open_at(&path, how | OFlags::NOFOLLOW | OFlags::NONBLOCK, action)?;
    Ok((path, file))
}

fn open_at(path: &Path, how: OFlags, action: &'static str) -> Result<File, FileError> {
    let flags = how | OFlags::CLOEXEC | OFlags::NOCTTY;
    match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(descriptor) => Ok(File::from(descriptor)),
        // A FIFO without a reader, or a socket.
        Err(Errno::NXIO) => Err(FileError::NotAFile { path: path.to_owned() }),
        Err(errno) => Err(FileError::Disk { action, path: path.to_owned(), source: errno.into() }),
    }
}

/// Returns the target of a link, or `None` if the path is not a link.
fn read_link(path: &Path) -> Result<Option<PathBuf>, FileError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found: OwnedFd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(read_error(path, errno)),
    };
    // The opened link is checked and read, even if its name refers to another file by now.
    let facts = rustix::fs::fstat(&found).map_err(|errno| read_error(path, errno))?;
    if !rustix::fs::FileType::from_raw_mode(facts.st_mode).is_symlink() {
        return Ok(None);
    }
    require_own(path, facts.st_uid)?;
    let target = rustix::fs::readlinkat(&found, "", Vec::new()).map_err(|errno| read_error(path, errno))?;
    let target = PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes()));
    Ok(Some(path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target))))
}

fn read_error(path: &Path, errno: Errno) -> FileError {
    FileError::Disk { action: "read", path: path.to_owned(), source: errno.into() }
}

fn metadata(path: &Path, file: &File) -> Result<Metadata, FileError> {
    file.metadata().map_err(|source| FileError::Disk { action: "read", path: path.to_owned(), source })
}

/// Maximum number of links in a chain.
const MAX_LINKS: usize = 16;
