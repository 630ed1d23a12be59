//! What the commands of `telarch` share.

pub mod arguments;
pub mod date;
mod failure;
pub mod format;
pub mod output;
pub mod paths;
pub mod pattern;

pub use self::failure::Failure;

use lexopt::Parser;

/// One command of `telarch`.
pub struct Subcommand {
    /// The word that selects it.
    pub name: &'static str,
    /// Its purpose in one line.
    pub about: &'static str,
    /// The text that `--help` prints.
    pub help: &'static str,
    /// Runs the command; the returned text is printed.
    pub run: fn(Parser) -> Result<String, Failure>,
}
