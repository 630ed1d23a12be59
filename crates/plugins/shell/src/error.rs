use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Error of a command's start or of an operation on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The working directory does not exist.
    #[error("the working directory {} does not exist; choose another one", path.display())]
    NoSuchDirectory {
        /// Requested path.
        path: PathBuf,
    },
    /// The working directory is not a directory.
    #[error("the working directory {} is not a directory; choose another one", path.display())]
    NotADirectory {
        /// Requested path.
        path: PathBuf,
    },
    /// The user lacks the permission to enter the working directory.
    #[error("permission denied for the working directory {}; choose another one, or grant the user access to it", path.display())]
    DirectoryForbidden {
        /// Requested path.
        path: PathBuf,
    },
    /// The program does not exist, neither at the given path nor on the command's `PATH`.
    #[error("program not found: {}; check its name, and PATH of the command", program.display())]
    NoSuchProgram {
        /// Requested program.
        program: OsString,
    },
    /// The file exists but is not executable by the user.
    #[error("permission denied for the program {}; make it executable for the user", program.display())]
    ProgramForbidden {
        /// Requested program.
        program: OsString,
    },
    /// An environment cannot contain a variable of this name.
    #[error("invalid name of an environment variable \"{}\": it is empty or contains \"=\"; rename it", name.display())]
    EnvironmentName {
        /// Requested name.
        name: OsString,
    },
    /// A string contains NUL, which ends strings in Linux.
    #[error("the {place} contains a NUL character; remove it")]
    ContainsNul {
        /// Part of the command that contains it.
        place: &'static str,
    },
    /// The kernel refused for another reason, such as a command line that is too long or too many processes.
    #[error("cannot start the program {}", program.display())]
    Spawn {
        /// Requested program.
        program: OsString,
        /// Error of the kernel.
        source: io::Error,
    },
    /// `WINRS_CODEPAGE` names an unsupported code page.
    #[error("code page {number} is not supported: use 65001 (UTF-8)")]
    UnknownCodePage {
        /// Windows number of the page.
        number: u32,
    },
    /// There was no output within the timeout; the client sends another Receive.
    #[error("no output within the timeout")]
    TimedOut,
    /// Input of an earlier request is still being written; the client tries again.
    #[error("the command is still reading the input of an earlier request; try again")]
    Busy,
    /// The end of the command was already reported.
    #[error("the command has ended and its end was already reported")]
    AlreadyDone,
    /// The command was closed during the operation.
    #[error("the command was closed; start it again")]
    Closed,
    /// The user may not signal any of the command's processes, for instance because it runs `sudo`.
    #[error("cannot signal the command")]
    Signal {
        /// Error of the kernel.
        source: io::Error,
    },
}
