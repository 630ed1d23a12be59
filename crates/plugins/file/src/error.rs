//! Errors of transfers.

use std::io;
use std::path::PathBuf;

use files::IncomingError;
use wsman::{Detail, Fault, Subcode, code};

/// Reason why a transfer fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    /// A file cannot be opened, read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    /// The target cannot be received.
    #[error("cannot write {}: {source}", path.display())]
    Target { path: PathBuf, source: IncomingError },
    /// The path leads to a directory.
    #[error("{} is a directory; name a file, or copy it with its entries", .0.display())]
    IsDirectory(PathBuf),
    /// The path leads to a device, a FIFO or a socket.
    #[error("{} is not a regular file; name another one", .0.display())]
    NotAFile(PathBuf),
    /// Another transfer continues the same partial file.
    #[error("another copy of {} is in progress; try again later", .0.display())]
    InUse(PathBuf),
    /// The transfer does not exist, has expired, or belongs to another user.
    #[error("unknown transfer: it has ended, has expired, or belongs to another user; open a new one")]
    Unknown,
    /// The user has too many transfers.
    #[error(
        "{0} transfers are open, which is the limit of a user (File/MaxTransfersPerUser); end one of them"
    )]
    TooMany(u32),
    /// The settings do not allow transfers.
    #[error(
        "file transfer is disabled on this machine because {0} is false; an administrator can set it to true"
    )]
    Disabled(&'static str),
    /// A piece does not fit the transfer.
    #[error("{0}")]
    Piece(&'static str),
    /// A request cannot be interpreted.
    #[error("{0}")]
    Request(&'static str),
    /// The content is not the announced one.
    #[error("the SHA-256 of the received data does not match; copy the file again")]
    Mismatch,
    /// Earlier pieces did not arrive in time.
    #[error("an earlier piece of the file did not arrive in time; copy the file again")]
    TimedOut,
    /// An earlier request of the transfer has failed.
    #[error("an earlier request of this transfer has failed; open a new transfer")]
    Failed,
}

impl TransferError {
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { action, path: path.into(), source }
    }
}

/// Converts a [`TransferError`] into a fault. No other place does.
impl From<TransferError> for Fault {
    fn from(error: TransferError) -> Self {
        let reason = error.to_string();
        let (subcode, code) = match &error {
            TransferError::Unknown => {
                return Self::new(Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS, reason)
                    .with_detail(Detail::UNEXPECTED_SELECTORS);
            }
            TransferError::TooMany(_) => {
                return Self::new(Subcode::QuotaLimit, code::MAX_OPERATIONS_PER_USER, reason);
            }
            TransferError::TimedOut => return Self::new(Subcode::TimedOut, code::TIMED_OUT, reason),
            TransferError::Piece(_) | TransferError::Request(_) => {
                return Self::new(Subcode::InvalidParameter, code::INVALID_PARAMETER, reason);
            }
            TransferError::Disabled(_) => (Subcode::AccessDenied, code::ACCESS_DENIED),
            TransferError::File { source, .. }
            | TransferError::Target { source: IncomingError::System(source), .. } => match source.kind() {
                io::ErrorKind::NotFound => (Subcode::InvalidParameter, code::FILE_NOT_FOUND),
                io::ErrorKind::PermissionDenied => (Subcode::AccessDenied, code::ACCESS_DENIED),
                _ => (Subcode::InvalidParameter, code::INVALID_PARAMETER),
            },
            TransferError::Target { .. }
            | TransferError::IsDirectory(_)
            | TransferError::NotAFile(_)
            | TransferError::InUse(_)
            | TransferError::Mismatch
            | TransferError::Failed => (Subcode::InvalidParameter, code::INVALID_PARAMETER),
        };
        Self::new(subcode, code, reason.clone()).with_provider("file", "telarchd", reason)
    }
}
