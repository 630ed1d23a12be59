use std::io;
use std::path::{Path, PathBuf};

use crate::{FileError, Origin, PolicyError, SettingError};

/// Error while reading or writing the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// Failed action, such as `read`.
        action: &'static str,
        /// Path of the file or its directory.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// All users can write the file, so it is not trusted.
    #[error("{path} is writable by all users: run chmod o-w {path} after reviewing its contents", path = path.display())]
    WorldWritable {
        /// Path of the file.
        path: PathBuf,
    },
    /// The service runs as root, and a group other than root can write the file, so it is not trusted.
    #[error("{path} is writable by group {group}: run chmod g-w {path} after reviewing its contents", path = path.display())]
    GroupWritable {
        /// Path of the file.
        path: PathBuf,
        /// Group ID.
        group: u32,
    },
    /// The file belongs neither to root nor to the user of this process, so it is not trusted.
    #[error("{path} is owned by user {owner}: run chown root {path} after reviewing its contents", path = path.display())]
    ForeignOwner {
        /// Path of the file.
        path: PathBuf,
        /// User ID.
        owner: u32,
    },
    /// A policy file is invalid.
    #[error("{error} ({origin})\n  {}", PolicyError::WAY_OUT)]
    Policy {
        /// File and position.
        origin: Origin,
        /// Error at this position.
        error: Box<PolicyError>,
    },
    /// The configuration file is invalid.
    #[error("{error} ({}, line {line})", path.display())]
    Content {
        /// Path of the file.
        path: PathBuf,
        /// Line number, counted from 1.
        line: usize,
        /// Error in this line.
        error: FileError,
    },
    /// A file exceeds its maximum size.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Path of the file.
        path: PathBuf,
        /// Maximum size in bytes.
        limit: usize,
    },
    /// A setting is unknown, its value is invalid, or it cannot be changed.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The change is permitted only in the configuration file, not to clients.
    #[error("{name} can only be changed in the configuration file")]
    FileOnly {
        /// Path of the setting, or name of the table.
        name: String,
    },
    /// The file was changed after the new text had been prepared.
    #[error("{} was changed by another process at the same time; retry", path.display())]
    Changed {
        /// Path of the file.
        path: PathBuf,
    },
    /// The structure of the file does not allow the change. Nothing was changed.
    #[error("cannot insert the change into the structure of {}; edit the file by hand and reload it", path.display())]
    NotRepresentable {
        /// Path of the file.
        path: PathBuf,
    },
}

impl StoreError {
    /// Returns a conversion of I/O errors for `map_err`.
    pub(crate) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { action, path: path.to_owned(), source }
    }
}
