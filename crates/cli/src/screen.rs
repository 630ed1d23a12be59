//! Terminal output: width, colours, tables and the progress line.

mod progress;
mod table;

use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

use crate::failure::{ExitCodes, Program};
use crate::format::{Format, harmless};
use crate::program::Stop;

pub use progress::{ByteCount, Progress};
pub use table::{Columns, Table};

/// Properties of standard output and standard error.
///
/// Tables, colours and progress are shown on terminals only. Output to pipes and files keeps the format that scripts
/// parse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Width of standard output in characters; `None` if it is not a terminal.
    out: Option<usize>,
    /// Width of standard error in characters; `None` if it is not a terminal that can redraw a line.
    errors: Option<usize>,
    colour: Colour,
}

/// Whether colours are used on terminals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Colour {
    #[default]
    Off,
    On,
}

impl Screen {
    /// Returns the screen of this process. `NO_COLOR` and `TERM=dumb` disable colours (no-color.org).
    #[must_use]
    pub fn of_this_process() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let (out, errors) = (io::stdout(), io::stderr());
        Self {
            out: out.is_terminal().then(|| terminal_width(&out)),
            // A terminal without carriage return would show every state of the progress line.
            errors: (errors.is_terminal() && !dumb).then(|| terminal_width(&errors)),
            colour: if dumb || unwanted { Colour::Off } else { Colour::On },
        }
    }

    /// Returns a screen without a terminal.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the maximum width of a table on standard output, or `None` if it is not a terminal.
    #[must_use]
    pub fn table_width(&self) -> Option<usize> {
        self.out
    }

    /// Returns the maximum width of the progress line, or `None` if it is not shown.
    #[must_use]
    pub fn progress_width(&self) -> Option<usize> {
        self.errors
    }

    pub(crate) fn is_out_a_terminal(&self) -> bool {
        self.out.is_some()
    }

    /// Returns the text in bold, if standard output shows colours.
    pub(crate) fn heading(&self, text: &str) -> String {
        self.rendered(1, text)
    }

    /// Returns the text in a graphic rendition (ECMA-48 8.3.117), if standard output shows colours.
    #[must_use]
    pub fn rendered(&self, rendition: u8, text: &str) -> String {
        if self.out.is_some() && self.colour == Colour::On {
            format!("\x1b[{rendition}m{}\x1b[0m", harmless(text))
        } else {
            text.to_owned()
        }
    }

    /// Returns a failure report with its headline highlighted, if standard error shows colours.
    #[must_use]
    pub fn failure(&self, report: &str) -> String {
        if self.errors.is_none() || self.colour == Colour::Off {
            return report.to_owned();
        }
        let mut is_after_number = false;
        report
            .split_inclusive('\n')
            .map(|line| {
                let is_message = std::mem::replace(&mut is_after_number, line.starts_with("Error number: "));
                match line.strip_suffix('\n') {
                    Some(line) if is_message || is_headline(line) => format!("\x1b[1;31m{line}\x1b[0m\n"),
                    Some(line) if line.starts_with("  (") => format!("\x1b[2m{line}\x1b[0m\n"),
                    _ => line.to_owned(),
                }
            })
            .collect()
    }
}

fn is_headline(line: &str) -> bool {
    ["Error: ", "Winrs error: "].iter().any(|start| line.starts_with(start))
}

/// Returns the width of a terminal in characters.
fn terminal_width(terminal: impl AsFd) -> usize {
    let columns = tcgetwinsize(terminal).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { DEFAULT_WIDTH } else { columns }
}

/// Width of a terminal that does not report its size.
const DEFAULT_WIDTH: usize = 80;

impl Stop {
    /// Reports like [`report`](Self::report), with colours if standard error is a terminal.
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
        // If standard error cannot be written either, the exit status still reports the failure.
        let _ = errors.write_all(report.as_bytes()).and_then(|()| errors.flush());
        status
    }
}

#[cfg(test)]
impl Screen {
    /// Returns a terminal that shows colours.
    pub(crate) fn of_width(width: usize) -> Self {
        Self { out: Some(width), errors: Some(width), colour: Colour::On }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_coloured_on_terminals_only() {
        let report = "Error number:  5 0x5\ndenied\n\nwinrm: host node7\n  check\n  (code 5)\n";
        assert_eq!(Screen::none().failure(report), report);
        assert_eq!(
            Screen::of_width(80).failure(report),
            "Error number:  5 0x5\n\x1b[1;31mdenied\x1b[0m\n\nwinrm: host node7\n  check\n\x1b[2m  (code 5)\x1b[0m\n"
        );
    }
}
