//! Errors of copies.

use std::io;
use std::path::{Path, PathBuf};

use files::IncomingError;

use crate::RemotePath;

/// Reason why a file was not copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A local file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Local {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The remote machine refused the copy, or sent something unexpected.
    #[error("cannot copy {path}: {reason}")]
    Remote {
        /// Path on the remote machine.
        path: String,
        /// Message of the remote machine.
        reason: String,
    },
    /// PowerShell remoting of the remote machine cannot copy files.
    #[error(
        "the machine cannot copy files with PowerShell remoting: {reason}\n  omit --carrier psrp, or use an endpoint without restrictions"
    )]
    Remoting {
        /// Reason.
        reason: String,
    },
    /// The copy was cancelled.
    #[error("the copy was cancelled")]
    Cancelled,
    /// A request failed.
    #[error(transparent)]
    Request(#[from] client::Error),
}

impl CopyError {
    pub(crate) fn local(path: &Path, source: impl Into<LocalError>) -> Self {
        Self::Local { path: path.to_owned(), source: source.into().0 }
    }

    pub(crate) fn remote(path: &RemotePath, reason: impl Into<String>) -> Self {
        Self::Remote { path: path.to_string(), reason: reason.into() }
    }
}

/// Error of a local file, as the error of a system call.
pub(crate) struct LocalError(io::Error);

impl From<io::Error> for LocalError {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

impl From<IncomingError> for LocalError {
    fn from(error: IncomingError) -> Self {
        Self(match error {
            IncomingError::System(error) => error,
            other => io::Error::other(other),
        })
    }
}
