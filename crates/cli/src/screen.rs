//! The terminal in front of somebody: its width, its colours, tables, and a line that tells that something goes on.

mod progress;
mod table;

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;

use rustix::termios::tcgetwinsize;

use crate::format::harmless;

pub(crate) use progress::Progress;
pub use table::{Columns, Table};

/// What standard output and standard error lead to.
///
/// Tables, colours and progress are for terminals; in pipes and files everything is as scripts know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// How many characters a line of standard output has, if it is a terminal.
    out: Option<usize>,
    /// The same of standard error.
    errors: Option<usize>,
    colour: Colour,
}

/// Whether a terminal shows colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Colour {
    #[default]
    Off,
    On,
}

impl Screen {
    /// That of this process. `NO_COLOR`, and `TERM=dumb`, turn colours off (no-color.org).
    #[must_use]
    pub fn of_this_process() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = |is_terminal: bool, size: rustix::io::Result<rustix::termios::Winsize>| {
            let columns = size.map_or(0, |size| usize::from(size.ws_col));
            is_terminal.then_some(if columns == 0 { USUAL_WIDTH } else { columns })
        };
        Self {
            out: width(io::stdout().is_terminal(), tcgetwinsize(io::stdout().as_fd())),
            // A terminal that cannot move back would show every state of the progress line.
            errors: width(io::stderr().is_terminal() && !dumb, tcgetwinsize(io::stderr().as_fd())),
            colour: if dumb || unwanted { Colour::Off } else { Colour::On },
        }
    }

    /// No terminal at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// How wide a table on standard output may be; none if it is no terminal.
    #[must_use]
    pub fn table_width(&self) -> Option<usize> {
        self.out
    }

    /// How wide the line of progress may be; none if nobody would see it.
    pub(crate) fn progress_width(&self) -> Option<usize> {
        self.errors
    }

    pub(crate) fn is_out_a_terminal(&self) -> bool {
        self.out.is_some()
    }

    /// A heading, if standard output shows colours.
    pub(crate) fn heading(&self, text: &str) -> String {
        self.rendered(1, text)
    }

    /// A word in a rendition of the terminal (ECMA-48 8.3.117), if standard output shows colours.
    #[must_use]
    pub fn rendered(&self, rendition: u8, text: &str) -> String {
        if self.out.is_some() && self.colour == Colour::On {
            format!("\x1b[{rendition}m{}\x1b[0m", harmless(text))
        } else {
            text.to_owned()
        }
    }

    /// The report of a failure, with what went wrong standing out if standard error shows colours.
    #[must_use]
    pub fn failure(&self, report: &str) -> String {
        if self.errors.is_none() || self.colour == Colour::Off {
            return report.to_owned();
        }
        let is_headline = |line: &str| {
            ["Error: ", "Winrs error: ", "winrm: ", "winrs: "].iter().any(|start| line.starts_with(start))
        };
        report
            .split_inclusive('\n')
            .map(|line| match line.strip_suffix('\n') {
                Some(line) if is_headline(line) => format!("\x1b[1;31m{line}\x1b[0m\n"),
                Some(line) if line.starts_with("  (") => format!("\x1b[2m{line}\x1b[0m\n"),
                _ => line.to_owned(),
            })
            .collect()
    }
}

const USUAL_WIDTH: usize = 80;

#[cfg(test)]
impl Screen {
    /// A terminal that shows colours.
    pub(crate) fn of_width(width: usize) -> Self {
        Self { out: Some(width), errors: Some(width), colour: Colour::On }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_colours_on_a_terminal_only() {
        let report = "winrm: node7: cannot connect\n  check the port\n  (code 5)\n";
        assert_eq!(Screen::none().failure(report), report);
        assert_eq!(
            Screen::of_width(80).failure(report),
            "\x1b[1;31mwinrm: node7: cannot connect\x1b[0m\n  check the port\n\x1b[2m  (code 5)\x1b[0m\n"
        );
    }
}
