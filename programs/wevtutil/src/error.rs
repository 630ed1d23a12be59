//! Errors of the program, with their exit status.

use std::io;
use std::path::{Path, PathBuf};

use cli_events::forwarded_log::ForwardedLogError;
use cli_events::windows_options::UsageError;
use eventlog::LogError;
use winevent::WinEventError;

/// Error of the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    #[error("{0}\nRun wevtutil /? for the commands.")]
    Usage(#[from] UsageError),
    #[error("The specified channel could not be found: {0}\nRun wevtutil el for the names.")]
    NoChannel(String),
    #[error("The specified query is invalid: {0}")]
    Query(#[from] WinEventError),
    #[error("{0}\n{1}")]
    NotSupported(&'static str, &'static str),
    #[error("{0}\nThe journal needs membership in the group systemd-journal, and the audit log in adm.")]
    Log(#[from] LogError),
    #[error(
        "{0}\nThe collector stores events in the state directory of its service; TELARCH_STATE names another one."
    )]
    Forwarded(#[from] ForwardedLogError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} exists; use /ow:true to overwrite it", .0.display())]
    Exists(PathBuf),
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl ToolError {
    /// Returns the error of a file.
    pub(crate) fn of_file(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists(path.to_owned()),
            _ => Self::File { path: path.to_owned(), source },
        }
    }

    /// Returns the exit status: the error number of Windows if it fits into 8 bits, otherwise 1.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 87,
            Self::NotSupported(..) => 50,
            Self::Exists(_) => 80,
            Self::File { source, .. } | Self::Log(LogError::Read { source, .. }) => status_of(source),
            Self::Forwarded(ForwardedLogError::Folder { source, .. }) => status_of(source),
            Self::Forwarded(_) | Self::NoChannel(_) | Self::Query(_) | Self::Log(_) | Self::Output(_) => 1,
        }
    }
}

fn status_of(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound => 2,
        io::ErrorKind::PermissionDenied => 5,
        _ => 1,
    }
}
