//! Failures of commands, and the exit status of the program.

use std::fmt;
use std::io;
use std::process::ExitCode;

use accounts::AccountsError;
use cli::program::Stop;
use cli::remote::message;
use config::StoreError;

/// The reason why a command failed: a message without the name of the program, and on its next line what to do.
#[derive(Debug)]
pub enum Failure {
    /// The command line is invalid.
    Usage(String),
    /// The command could not be carried out.
    Failed(String),
    /// The reader of the output, such as `head`, has closed it; the program ends successfully and silently.
    Unread,
    /// The command has reported everything, and the program ends with this exit status.
    Ended(u8),
}

impl Failure {
    /// SIGINT has ended the command; the exit status is that of shells, 128 + 2.
    pub const INTERRUPTED: Self = Self::Ended(130);

    /// An invalid command line, and what to do.
    pub fn usage(problem: impl fmt::Display, remedy: &str) -> Self {
        Self::Usage(format!("{problem}\n  {remedy}"))
    }

    /// A command that failed, and what to do.
    pub fn failed(problem: impl fmt::Display, remedy: &str) -> Self {
        Self::Failed(format!("{problem}\n  {remedy}"))
    }

    /// The exit status of the program.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
            Self::Unread => ExitCode::SUCCESS,
            Self::Ended(status) => ExitCode::from(*status),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
            Self::Unread => f.write_str("the reader of the output has closed it"),
            Self::Ended(status) => write!(f, "exit status {status}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(failure) => Self::Usage(message(&failure)),
            Stop::Output(error) => error.into(),
            Stop::Interrupted => Self::INTERRUPTED,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Disk { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::failed(error, PERMISSION_REMEDY)
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<AccountsError> for Failure {
    fn from(error: AccountsError) -> Self {
        match &error {
            AccountsError::Disk { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::failed(error, PERMISSION_REMEDY)
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

const PERMISSION_REMEDY: &str =
    "only the owner of the file has access: run this as root, or select another file with --file";
