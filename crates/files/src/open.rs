//! Opening without following the links of others, and judging what was opened.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::{Access, FileError, own_descriptor};

/// The file of a path that exists, with its own path behind links; `None` if there is none.
pub(crate) fn existing(path: &Path, how: OFlags) -> Result<Option<(PathBuf, File)>, FileError> {
    match opened(path, how, "read") {
        Ok(found) => Ok(Some(found)),
        Err(FileError::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file of a path, made for its owner alone if there is none.
pub(crate) fn or_make(path: &Path, how: OFlags) -> Result<(PathBuf, File), FileError> {
    opened(path, how | OFlags::CREATE, "write")
}

/// Follows links as long as they belong to this user or to root, and returns the path that is none; its file need not
/// exist.
pub(crate) fn target(path: &Path) -> Result<PathBuf, FileError> {
    let mut place = path.to_owned();
    for _ in 0..MOST_LINKS {
        match link(&place)? {
            Some(next) => place = next,
            None => return Ok(place),
        }
    }
    Err(FileError::TooManyLinks { path: path.to_owned() })
}

/// Rejects what is no regular file, what another user owns, and what others may read or write too freely.
pub(crate) fn judge(path: &Path, file: &File, access: Access) -> Result<(), FileError> {
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
    if access == Access::Nothing && mode & 0o077 != 0 {
        return Err(FileError::Readable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// The permissions of an open file.
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

fn opened(path: &Path, how: OFlags, action: &'static str) -> Result<(PathBuf, File), FileError> {
    if own_descriptor(path) {
        // The kernel's links to descriptors lead to no path, and waiting for a pipe is what was asked for.
        return at(path, how, action).map(|file| (path.to_owned(), file));
    }
    let place = target(path)?;
    // Whatever has taken the place of the file in the meantime is not followed, and not waited for.
    let file = at(&place, how | OFlags::NOFOLLOW | OFlags::NONBLOCK, action)?;
    Ok((place, file))
}

fn at(path: &Path, how: OFlags, action: &'static str) -> Result<File, FileError> {
    let flags = how | OFlags::CLOEXEC | OFlags::NOCTTY;
    match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(descriptor) => Ok(File::from(descriptor)),
        // A FIFO that nobody reads, and a socket.
        Err(Errno::NXIO) => Err(FileError::NotAFile { path: path.to_owned() }),
        Err(errno) => Err(FileError::Disk { action, path: path.to_owned(), source: errno.into() }),
    }
}

/// The path that a link leads to; `None` if the path is no link.
fn link(path: &Path) -> Result<Option<PathBuf>, FileError> {
    let failed =
        |errno: Errno| FileError::Disk { action: "read", path: path.to_owned(), source: errno.into() };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found: OwnedFd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    // The link that was opened is judged and read, whatever its name means by now.
    let facts = rustix::fs::fstat(&found).map_err(failed)?;
    if !rustix::fs::FileType::from_raw_mode(facts.st_mode).is_symlink() {
        return Ok(None);
    }
    require_own(path, facts.st_uid)?;
    let target = rustix::fs::readlinkat(&found, "", Vec::new()).map_err(failed)?;
    let target = PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes()));
    Ok(Some(path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target))))
}

fn metadata(path: &Path, file: &File) -> Result<Metadata, FileError> {
    file.metadata().map_err(|source| FileError::Disk { action: "read", path: path.to_owned(), source })
}

const MOST_LINKS: usize = 16;
