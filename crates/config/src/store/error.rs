use std::io;
use std::path::PathBuf;

use crate::{FileError, Origin, PolicyError, SettingError};

/// Why the configuration cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused to read or write.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// What was to be done.
        action: &'static str,
        /// The file or its directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Everyone may write the file, so it cannot be trusted.
    #[error("{path} may be written by everyone: run chmod o-w {path} after reading what is in it", path = path.display())]
    WorldWritable {
        /// The file.
        path: PathBuf,
    },
    /// A group may write the file that root obeys.
    #[error("{path} may be written by group {group}: run chmod g-w {path} after reading what is in it", path = path.display())]
    GroupWritable {
        /// The file.
        path: PathBuf,
        /// The group's number.
        group: u32,
    },
    /// The file belongs neither to root nor to the user who would obey it.
    #[error("{path} belongs to user {owner}: run chown root {path} after reading what is in it", path = path.display())]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// The user's number.
        owner: u32,
    },
    /// A file of policies cannot be understood.
    #[error("{error} ({origin})\n  {}", PolicyError::WAY_OUT)]
    Policy {
        /// Which file, and where in it.
        origin: Origin,
        /// What is wrong there.
        error: Box<PolicyError>,
    },
    /// What is in the file is wrong.
    #[error("{error} ({}, line {line})", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        error: FileError,
    },
    /// A file is larger than is read or written.
    #[error("{} is larger than {most} octets", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How large it may be.
        most: usize,
    },
    /// A setting cannot have a value it was given.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A change that no message can ask for.
    #[error("{name} can be changed in the file of settings only")]
    NotByMessage {
        /// What was to be changed.
        name: String,
    },
    /// It is no longer what a change was made to.
    #[error("{} was changed at the same time: ask again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot say what the change asks for, so nothing was changed.
    #[error("the change has no place in {}: write it there by hand and reload", path.display())]
    NoPlace {
        /// The file.
        path: PathBuf,
    },
}
