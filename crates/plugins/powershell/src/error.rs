//! Errors of PowerShell processes and their pools.

use std::io;
use std::path::PathBuf;

use psrp::PsrpError;

/// Error of a runspace pool or of its PowerShell process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// PowerShell is not installed.
    #[error(
        "PowerShell is not installed on this machine: there is no pwsh on PATH or in /opt/microsoft/powershell/7\n  \
         install PowerShell 7 (package powershell), or set PowerShell/Program to its path"
    )]
    NotInstalled,
    /// The configured program does not exist or cannot be executed.
    #[error("cannot start PowerShell {}: {source}\n  check the setting PowerShell/Program", program.display())]
    Start {
        /// Path of the program.
        program: PathBuf,
        /// Error of the kernel.
        source: io::Error,
    },
    /// The working directory does not exist or is not a directory.
    #[error("the working directory {} does not exist or is not a directory; choose another WorkingDirectory", path.display())]
    Directory {
        /// Requested path.
        path: PathBuf,
    },
    /// The process has ended.
    #[error("the PowerShell process has ended{reason}; open a new shell")]
    Ended {
        /// Exit code and the end of its standard error, as the rest of a sentence.
        reason: String,
    },
    /// The process did not acknowledge data in time.
    #[error("the PowerShell process did not respond within {seconds} s; delete the shell and open a new one")]
    NoResponse {
        /// Time that it had, in seconds.
        seconds: u64,
    },
    /// The process wrote data that does not follow the protocol.
    #[error(
        "the PowerShell process wrote invalid data: {0}; check the setting PowerShell/Program, and open a new shell"
    )]
    Child(PsrpError),
    /// The client sent data that does not follow the protocol.
    #[error("invalid PowerShell remoting data: {0}; open a new shell")]
    Client(PsrpError),
    /// A value of the client is invalid.
    #[error("{0}")]
    Invalid(String),
    /// Output waits for the client, so that the process cannot accept more input.
    #[error("too much output of the pool waits for the client; receive it, then send again")]
    Busy,
    /// There was no output within the timeout.
    #[error("no output within the timeout")]
    TimedOut,
    /// The pipeline does not exist or was released.
    #[error("unknown pipeline")]
    UnknownPipeline,
    /// The pipeline was terminated during the operation.
    #[error("the pipeline was terminated; start it again")]
    Terminated,
    /// The pool has too many pipelines.
    #[error("too many pipelines")]
    TooManyPipelines,
    /// The pool is disconnected.
    #[error("the shell is disconnected; reconnect to it")]
    Disconnected,
    /// The pool is connected to another client.
    #[error("the shell is connected to another client; disconnect that client first")]
    InUse,
    /// The shell was closed during the operation.
    #[error("the shell was closed; open a new one")]
    Closed,
    /// The client's maximum response is smaller than a fragment.
    #[error("the next fragment does not fit into a response of {limit} bytes")]
    NoRoom {
        /// Maximum size of the response in bytes.
        limit: u32,
    },
}
