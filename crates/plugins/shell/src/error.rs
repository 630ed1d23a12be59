use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Why a command could not be started, or could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The working directory is not there.
    #[error("the working directory {} does not exist", path.display())]
    NoSuchDirectory {
        /// As it was asked for.
        path: PathBuf,
    },
    /// The working directory is something else.
    #[error("the working directory {} is not a directory", path.display())]
    NotADirectory {
        /// As it was asked for.
        path: PathBuf,
    },
    /// The user may not enter the working directory.
    #[error("the working directory {} may not be entered", path.display())]
    DirectoryForbidden {
        /// As it was asked for.
        path: PathBuf,
    },
    /// No file of that name, neither at the path given nor on the command's `PATH`.
    #[error("the program {} was not found", program.display())]
    NoSuchProgram {
        /// As it was asked for.
        program: OsString,
    },
    /// The file is there but may not be executed.
    #[error("the program {} may not be executed", program.display())]
    ProgramForbidden {
        /// As it was asked for.
        program: OsString,
    },
    /// A name that no environment can hold.
    #[error("an environment variable cannot be named \"{}\": the name is empty or contains \"=\"", name.display())]
    EnvironmentName {
        /// As it was asked for.
        name: OsString,
    },
    /// Linux ends every argument, variable and path at a NUL.
    #[error("the {place} contains a NUL character")]
    ContainsNul {
        /// Which part of the command.
        place: &'static str,
    },
    /// The kernel refused for another reason, such as too long a command line or too many processes.
    #[error("the program {} could not be started", program.display())]
    Spawn {
        /// As it was asked for.
        program: OsString,
        /// What the kernel said.
        source: io::Error,
    },
    /// `WINRS_CODEPAGE` names a page that no conversion is known for.
    #[error("code page {number} is not supported: use 65001 (UTF-8)")]
    UnknownCodePage {
        /// The page's Windows number.
        number: u32,
    },
    /// No output and no end within the time given; the client asks again.
    #[error("no output within the time given")]
    TimedOut,
    /// Input is still being written for an earlier request; the client tries again.
    #[error("the command is still taking the input of an earlier request")]
    Busy,
    /// The end of the command was reported before.
    #[error("the command has ended and its end was already reported")]
    AlreadyDone,
    /// The command was closed while the operation waited for it.
    #[error("the command was closed")]
    Closed,
    /// None of the command's processes may be signalled by this user (it runs `sudo`, for instance).
    #[error("the command could not be signalled")]
    Signal {
        /// What the kernel said.
        source: io::Error,
    },
}
