//! Files that a program trusts or keeps for its user: no other user may have written them, or chosen them by a link.
//!
//! A program that runs as root, perhaps with the `HOME` of somebody else (`sudo`), meets files that another user has
//! put under names that it knows. A [`TrustedFile`] is opened without following links and without waiting, and then
//! judged by what was opened, not by its name:
//!
//! - It is a regular file. FIFOs and devices are refused, except [the descriptors](own_descriptor) of this process.
//! - It belongs to the user of this process or to root.
//! - Its mode gives others no more than [`Access`] says.
//! - A symbolic link is followed only if it belongs to the user or to root as well, so that configuration that is kept
//!   elsewhere, or mounted, can be linked to.
//!
//! Changes are made one after the other, under a lock, and replace the whole file or nothing.

mod change;
mod open;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// A file in which no other user has a hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedFile {
    path: PathBuf,
    access: Access,
}

/// What other users may do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// They may read it: it says what to do, and holds no secret.
    Read,
    /// They may do nothing: it holds secrets.
    Nothing,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// What failed, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a directory, a FIFO or a device.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Another user owns it.
    #[error("{} belongs to another user, {owner}", path.display())]
    ForeignOwner {
        /// The file, the link, or the directory that it would be made in.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
    },
    /// Others can write it.
    #[error("others can write {} (mode {mode:03o})", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Others can put files into the directory that it would be made in.
    #[error("others can put files into {} (mode {mode:03o})", path.display())]
    OpenFolder {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Others can read it.
    #[error("others can read {} (mode {mode:03o})", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It has more bytes than anything of its kind.
    #[error("{} is larger than {most} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        most: usize,
    },
    /// Links that lead to links, or round in circles.
    #[error("{} leads through too many links", path.display())]
    TooManyLinks {
        /// The file.
        path: PathBuf,
    },
}

impl TrustedFile {
    /// A file that others may read.
    #[must_use]
    pub fn readable(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), access: Access::Read }
    }

    /// A file that is its owner's alone.
    #[must_use]
    pub fn private(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), access: Access::Nothing }
    }

    /// The path, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file for reading; `None` if there is none.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(&self) -> Result<Option<File>, FileError> {
        let (path, file) = match open::existing(&self.path, OFlags::RDONLY)? {
            Some(found) => found,
            None => return Ok(None),
        };
        open::judge(&path, &file, self.access)?;
        Ok(Some(file))
    }

    /// Reads the file, of `most` bytes; `None` if there is none.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(&self, most: usize) -> Result<Option<Vec<u8>>, FileError> {
        self.open()?.map(|file| self.content(file, most)).transpose()
    }

    /// Opens the file for writing at its end; makes it, for its owner alone, if there is none.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn append(&self) -> Result<File, FileError> {
        let (path, file) = open::or_make(&self.path, OFlags::WRONLY | OFlags::APPEND)?;
        open::judge(&path, &file, self.access)?;
        Ok(file)
    }

    /// Replaces the content, whole or not at all, while no other process does; a file that is made is its owner's
    /// alone, and one that was there keeps its permissions. Directories are made where they are missing.
    ///
    /// `change` gets what is there, of `most` bytes, and returns what is to be there.
    ///
    /// # Errors
    /// Those of `change`, and [`FileError`].
    pub fn update<E: From<FileError>>(
        &self,
        most: usize,
        change: impl FnOnce(Option<Vec<u8>>) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        let folder = change::Folder::lock(&self.path)?;
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

/// Returns whether a path names a descriptor of this process, its terminal or the null device. What is behind these is
/// the choice of whoever started the process, so it may be a pipe, and is not judged.
#[must_use]
pub fn own_descriptor(path: &Path) -> bool {
    let devices = ["/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/null"];
    let number = |folder: &str| {
        let rest = path.to_str()?.strip_prefix(folder)?;
        Some(!rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    devices.into_iter().any(|device| path.as_os_str() == device)
        || ["/dev/fd/", "/proc/self/fd/"].into_iter().any(|folder| number(folder) == Some(true))
}

impl FileError {
    /// Returns what to do about it, where that follows from the failure.
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
            Self::Disk { .. } | Self::TooManyLinks { .. } => None,
        }
    }

    /// Returns the failure and, on a line of its own, what to do about it.
    #[must_use]
    pub fn with_advice(&self) -> String {
        self.advice().map_or_else(|| self.to_string(), |advice| format!("{self}\n  {advice}"))
    }
}

#[cfg(test)]
mod tests;
