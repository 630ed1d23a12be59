//! Argument conversion and error reporting shared by the programs.

use std::ffi::OsString;
use std::io::{self, Write};

use crate::failure::{ExitCodes, Failure, Kind, Program};
use crate::format::Format;

/// Reason why a program stops early.
#[derive(Debug)]
pub enum Stop {
    /// The command failed.
    Failed(Failure),
    /// The output cannot be written.
    Output(io::Error),
    /// The user or the system interrupted the program.
    Interrupted,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<crate::Error> for Stop {
    fn from(error: crate::Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<wording::locator::LocatorError> for Stop {
    fn from(error: wording::locator::LocatorError) -> Self {
        crate::Error::from(error).into()
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl Stop {
    /// Writes the error report to `errors` and returns the exit status.
    ///
    /// A broken output pipe is not an error: a reader such as `head` has stopped reading.
    pub fn report(&self, program: Program, format: Format, codes: ExitCodes, errors: &mut dyn Write) -> u8 {
        let (text, status) = match self {
            Self::Failed(failure) => (failure.report(program, format), failure.kind().exit_status(codes)),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
            Self::Output(error) => {
                let failure = Failure::here(Kind::Fault, format!("cannot write the output: {error}"));
                (failure.report(program, format), failure.kind().exit_status(codes))
            }
            Self::Interrupted => return INTERRUPTED,
        };
        // If standard error cannot be written either, the exit status still reports the failure.
        let _ = errors.write_all(text.as_bytes()).and_then(|()| errors.flush());
        status
    }
}

/// Returns the command-line arguments without the program name.
///
/// # Errors
/// A [`Failure`] for an argument that is not UTF-8.
pub fn arguments(given: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, Failure> {
    given.into_iter().skip(1).map(utf8).collect()
}

fn utf8(argument: OsString) -> Result<String, Failure> {
    argument.into_string().map_err(|argument| {
        Failure::here(Kind::Usage, format!("argument is not UTF-8: {}", argument.to_string_lossy()))
    })
}

/// Exit status that shells report for a program ended by SIGINT: 128 + 2.
const INTERRUPTED: u8 = 130;
