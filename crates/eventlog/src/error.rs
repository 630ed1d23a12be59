//! The error type of the crate.

use std::io;
use std::path::{Path, PathBuf};

/// Error of reading a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A directory or file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Path of the directory or file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },

    /// A journal file uses a part of the format that this reader does not know.
    #[error("journal file uses an unsupported feature: {0}")]
    Unsupported(&'static str),

    /// A journal file does not follow the format.
    #[error("journal file is damaged at byte {at}: {reason}")]
    Damaged {
        /// Offset in the file.
        at: u64,
        /// Rule that the file breaks.
        reason: &'static str,
    },

    /// A part of a journal file cannot be read.
    #[error("cannot read a journal file: {0}")]
    Io(#[from] io::Error),
}

impl LogError {
    /// Returns the error of reading a directory or file.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }
}
