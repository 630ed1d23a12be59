//! Files that a program trusts: no other user can have written them or redirected them by a link.
//!
//! A program that runs as root, perhaps with the `HOME` of another user (`sudo`), finds files that this user may have
//! placed under well-known names. A [`TrustedFile`] is opened without following links and without blocking. The checks
//! then apply to the opened file, not to its name:
//!
//! - The file is regular. FIFOs and devices are rejected, except [descriptors](own_descriptor) of this process.
//! - The owner is the user of this process or root.
//! - The mode grants other users no more than [`Access`] allows.
//! - A symbolic link is followed only if it also belongs to the user or to root, so that configuration can be mounted or
//!   stored elsewhere.
//!
//! Changes are serialized by a lock and replace the file atomically. [`replace`] does the same for callers with other
//! rules for the files that they trust.
//!
//! [`Directory`] and [`IncomingFile`] are for files that a peer sends: they are written in pieces, and replace the old file
//! once they are complete.

mod change;
mod folder_content;
mod incoming;
mod open;
mod replace;
mod walk;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

pub use folder_content::{FolderRules, read_folder};
pub use incoming::{Begin, Directory, Durability, FileMode, IncomingError, IncomingFile};
pub use replace::{Attributes, create, folder, replace, sibling};
pub use walk::{Walk, WalkError, Walked};

/// A file that no other user can control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedFile {
    path: PathBuf,
    access: Access,
}

/// Access that other users may have to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Other users may read the file, which contains no secrets.
    Read,
    /// Members of the group of the file may read it, and all other users have no access to it.
    ReadByGroup,
    /// Other users have no access to the file, which contains secrets.
    Nothing,
}

/// Reason why a file is rejected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A system call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// The failed operation: `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The file is a directory, a FIFO or a device.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another user.
    #[error("{} belongs to another user, {owner}", path.display())]
    ForeignOwner {
        /// The file, the link, or the directory in which the file would be created.
        path: PathBuf,
        /// UID of the owner.
        owner: u32,
    },
    /// Other users can write the file.
    #[error("others can write {} (mode {mode:03o})", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Permissions of the file.
        mode: u32,
    },
    /// Other users can create files in the directory in which the file would be created.
    #[error("others can put files into {} (mode {mode:03o})", path.display())]
    OpenFolder {
        /// The directory.
        path: PathBuf,
        /// Permissions of the directory.
        mode: u32,
    },
    /// Other users can read the file.
    #[error("others can read {} (mode {mode:03o})", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Permissions of the file.
        mode: u32,
    },
    /// The file is larger than the caller allows.
    #[error("{} is larger than {most} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        most: usize,
    },
    /// The folder has more files than the caller allows.
    #[error("{} has more than {most} files", path.display())]
    TooManyFiles {
        /// The folder.
        path: PathBuf,
        /// Maximum number of files.
        most: usize,
    },
    /// The path contains too many links, or a loop.
    #[error("{} leads through too many links", path.display())]
    TooManyLinks {
        /// The file.
        path: PathBuf,
    },
}

impl TrustedFile {
    /// Names a file that other users may read.
    #[must_use]
    pub fn readable(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), access: Access::Read }
    }

    /// Names a file that only its owner may read.
    #[must_use]
    pub fn private(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), access: Access::Nothing }
    }

    /// Names a file that only its owner and the members of its group may read.
    #[must_use]
    pub fn of_group(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), access: Access::ReadByGroup }
    }

    /// Returns the path as given to the constructor.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file for reading. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(&self) -> Result<Option<File>, FileError> {
        let (path, file) = match open::open_existing(&self.path, OFlags::RDONLY)? {
            Some(found) => found,
            None => return Ok(None),
        };
        open::check(&path, &file, self.access)?;
        Ok(Some(file))
    }

    /// Reads the file, which may have at most `most` bytes. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(&self, most: usize) -> Result<Option<Vec<u8>>, FileError> {
        self.open()?.map(|file| self.content(file, most)).transpose()
    }

    /// Opens the file for appending. If it does not exist, it is created with mode 0600.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn append(&self) -> Result<File, FileError> {
        let (path, file) = open::open_or_create(&self.path, OFlags::WRONLY | OFlags::APPEND)?;
        open::check(&path, &file, self.access)?;
        Ok(file)
    }

    /// Atomically replaces the content of the file, while other processes that use this method wait.
    ///
    /// An existing file keeps its permissions. A new file has mode 0600, and missing directories are created. `change`
    /// receives the current content of at most `most` bytes, or `None`, and returns the new content.
    ///
    /// # Errors
    /// The errors of `change`, and [`FileError`].
    pub fn update<E: From<FileError>>(
        &self,
        most: usize,
        change: impl FnOnce(Option<Vec<u8>>) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        let folder = change::LockedFolder::lock(&self.path)?;
        let file = Self { path: folder.file().to_owned(), access: self.access };
        let opened = file.open()?;
        let mode = opened.as_ref().map(|file| open::mode(&self.path, file)).transpose()?;
        let content = opened.map(|opened| file.content(opened, most)).transpose()?;
        let content = change(content)?;
        Ok(folder.replace(&content, mode)?)
    }

    fn content(&self, file: File, most: usize) -> Result<Vec<u8>, FileError> {
        let mut content = Vec::new();
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut content).map_err(|source| FileError::Disk {
            action: "read",
            path: self.path.clone(),
            source,
        })?;
        if content.len() > most {
            return Err(FileError::TooLarge { path: self.path.clone(), most });
        }
        Ok(content)
    }
}

/// Returns whether a path names a descriptor of this process, its terminal, or the null device.
///
/// The user who started the process has chosen these, so they may be pipes and are not checked.
#[must_use]
pub fn own_descriptor(path: &Path) -> bool {
    let devices = ["/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/null"];
    devices.into_iter().any(|device| path.as_os_str() == device)
        || ["/dev/fd/", "/proc/self/fd/"].into_iter().any(|folder| is_number_in(path, folder))
}

/// Returns whether a path consists of a folder and a decimal number.
fn is_number_in(path: &Path, folder: &str) -> bool {
    let number = path.to_str().and_then(|path| path.strip_prefix(folder));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

impl FileError {
    /// Returns the remedy, if it follows from the error.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::ForeignOwner { path, .. } if rustix::process::geteuid().is_root() => {
                Some(format!("use a file of your own (sudo -H does), or chown root {}", path.display()))
            }
            Self::ForeignOwner { .. } => Some("use a file of your own".to_owned()),
            Self::Writable { path, .. } | Self::Readable { path, .. } => {
                Some(format!("chmod 600 {}", path.display()))
            }
            Self::OpenFolder { path, .. } => Some(format!("chmod go-w {}", path.display())),
            Self::NotAFile { .. } | Self::TooLarge { .. } => Some("name another file".to_owned()),
            Self::Disk { .. } | Self::TooManyFiles { .. } | Self::TooManyLinks { .. } => None,
        }
    }

    /// Returns the error message and, on a second line, the remedy.
    #[must_use]
    pub fn with_advice(&self) -> String {
        self.advice().map_or_else(|| self.to_string(), |advice| format!("{self}\n  {advice}"))
    }
}

#[cfg(test)]
mod tests;
