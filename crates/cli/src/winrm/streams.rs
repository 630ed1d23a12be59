//! Input and output of a `winrm` command.

use std::io::{BufRead, Write};

use crate::failure::Kind;

/// Standard streams of a program.
pub struct Streams<'s> {
    /// Output for results.
    pub out: &'s mut dyn Write,
    /// Output for messages.
    pub errors: &'s mut dyn Write,
    /// Input for prompts and for `-file:-`.
    pub input: &'s mut dyn BufRead,
}

/// Result of a command that ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The command succeeded.
    Success,
    /// Some steps of quickconfig failed.
    StepsFailed,
    /// quickconfig ended, but no user can sign in over the network; the commands to run were printed.
    NoSignIn,
    /// A check of doctor failed, with the kind of the first failure.
    ChecksFailed(Kind),
    /// Some hosts failed, with the common kind of failure; the failures were already reported.
    HostsFailed(Kind),
}
