//! What every program does before and after its work.

use std::ffi::OsString;
use std::io::{self, Write};

use crate::failure::{ExitCodes, Failure, Kind, Program};
use crate::format::{Format, harmless};
use crate::screen::Screen;

/// Why a program stops before its work is done.
#[derive(Debug)]
pub enum Stop {
    /// Something went wrong.
    Failed(Failure),
    /// The output cannot be written.
    Output(io::Error),
    /// The one in front of the terminal, or the system, wants it to end.
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
    /// Reports as [`report`](Self::report) does, with colours where somebody sees them.
    pub fn report_on(
        &self,
        screen: &Screen,
        program: Program,
        format: Format,
        codes: ExitCodes,
        errors: &mut dyn Write,
    ) -> u8 {
        let mut report = Vec::new();
        let status = self.report(program, format, codes, &mut report);
        let report = screen.failure(&harmless(&String::from_utf8_lossy(&report)));
        // Where errors cannot be written either, the exit status says it alone.
        let _ = errors.write_all(report.as_bytes()).and_then(|()| errors.flush());
        status
    }

    /// Reports to `errors` and returns the exit status.
    ///
    /// A reader that has gone away, such as `head`, has what it wanted: that is no failure.
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
        // Where errors cannot be written either, the exit status says it alone.
        let _ = errors.write_all(text.as_bytes()).and_then(|()| errors.flush());
        status
    }
}

/// The arguments behind the name of the program.
///
/// # Errors
/// A [`Failure`] for an argument that is not UTF-8.
pub fn arguments(given: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, Failure> {
    let text = |argument: OsString| {
        argument.into_string().map_err(|argument| {
            Failure::here(Kind::Usage, format!("an argument is not UTF-8: {}", argument.to_string_lossy()))
        })
    };
    given.into_iter().skip(1).map(text).collect()
}

/// What shells report for a program that an interrupt ended.
const INTERRUPTED: u8 = 130;
