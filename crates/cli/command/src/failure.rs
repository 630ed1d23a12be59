//! What went wrong, and how the program ends.

use std::fmt;
use std::io;
use std::process::ExitCode;

use accounts::AccountsError;
use config::StoreError;

/// A message without the name of the program: what is wrong, then the way out on a line of its own.
#[derive(Debug)]
pub enum Failure {
    /// The command line was not understood.
    Usage(String),
    /// What it says could not be done.
    Failed(String),
    /// Who read the output, such as `head`, has what they wanted: that is no failure.
    Unread,
}

impl Failure {
    pub fn usage(what: impl fmt::Display, way_out: &str) -> Self {
        Self::Usage(format!("{what}\n  {way_out}"))
    }

    pub fn failed(what: impl fmt::Display, way_out: &str) -> Self {
        Self::Failed(format!("{what}\n  {way_out}"))
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
            Self::Unread => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
            Self::Unread => f.write_str("nobody reads the output any more"),
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(error, "telarch COMMAND --help shows whole command lines")
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

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Disk { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::failed(
                    error,
                    "only its owner can: run this as root, or name a file of your own with --file",
                )
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<AccountsError> for Failure {
    fn from(error: AccountsError) -> Self {
        match &error {
            AccountsError::Disk { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::failed(
                    error,
                    "only its owner can: run this as root, or name a file of your own with --file",
                )
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}
