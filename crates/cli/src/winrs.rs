//! The command line of `winrs`.
//!
//! `winrs [-SWITCH[:VALUE] ...] COMMAND`, where everything after the switches is the command.

mod command_line;
mod run;
pub(crate) mod switches;

use crate::connection::Connection;
use crate::connection::draft::{NO_LOCAL_LOGIN, refuse};
use crate::endpoint::Transport;
use crate::error::Error;
use crate::failure::ExitCodes;
use crate::hosts::SavedHosts;
use crate::switch::{Item, ParsedSwitches};

pub use crate::connection::Delegation;
pub use run::{run, run_on};

/// A parsed `winrs` command line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invocation {
    /// Show help.
    Help,
    /// Show the program version.
    Version,
    /// Run a command on a local or remote machine.
    Run(Box<RemoteCommand>),
}

/// A command to run in a remote shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCommand {
    /// Endpoint and credentials.
    pub connection: Connection,
    /// Command line for the remote shell.
    pub command_line: String,
    /// Working directory; `None` for the home directory of the user.
    pub directory: Option<String>,
    /// Environment variables of the shell, with unique names.
    pub environment: Vec<(String, String)>,
    /// Whether the user profile is loaded.
    pub profile: Profile,
    /// Whether the terminal echoes input for the command.
    pub echo: Echo,
    /// Whether the service may use the credentials for a third machine.
    pub delegation: Delegation,
    /// Whether the complete exit code is printed at the end.
    pub exit_code: ExitCodeShown,
    /// Mapping of failures of `winrs` itself to exit statuses.
    pub exit_codes: ExitCodes,
    /// Warnings about switches without effect, one line each.
    pub notices: Vec<String>,
}

/// Whether the user profile is loaded (`WINRS_NOPROFILE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Load the profile.
    Loaded,
    /// Do not load the profile (`-noprofile`).
    Skipped,
}

/// Whether the terminal echoes input for the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Echo input.
    Shown,
    /// Do not echo input (`-noecho`).
    Hidden,
}

/// Whether the complete exit code is printed at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCodeShown {
    /// Do not print the exit code.
    No,
    /// Print the exit code (`-showexit`), because an exit status has only eight bits.
    Yes,
}

/// Parses a command line; `arguments` exclude the program name.
///
/// # Errors
/// [`Error`] for an invalid command line; [`usage_failure`] formats it in the form that scripts expect.
pub fn parse(arguments: &[String]) -> Result<Invocation, Error> {
    parse_with(arguments, &SavedHosts::none())
}

/// Parses a command line like [`parse`], resolving the names of saved hosts.
///
/// # Errors
/// [`Error`] for an invalid command line, or if the saved hosts cannot be read.
pub fn parse_with(arguments: &[String], hosts: &SavedHosts) -> Result<Invocation, Error> {
    let mut switches = ParsedSwitches::<switches::Draft>::new();
    let mut rest = arguments;
    while let Some((item, behind)) = rest.split_first() {
        if item == "--" {
            rest = behind;
            break;
        }
        match Item::read(switches::SWITCHES, item)? {
            Item::Help => return Ok(Invocation::Help),
            Item::Version => return Ok(Invocation::Version),
            Item::Word => break,
            Item::Ignored if item.starts_with('/') => break,
            Item::Ignored => {
                let name = item.trim_start_matches('-').to_owned();
                return Err(Error::UnknownSwitch { name, nearest: None });
            }
            Item::Switch(switch, value) => switches.store(switch, value)?,
        }
        rest = behind;
    }
    let command_line = command_line::join(rest);
    if command_line.trim().is_empty() {
        return Err(Error::CommandMissing);
    }
    let mut draft = switches.values;
    draft.connection.look_up(hosts)?;
    build(draft, command_line).map(|command| Invocation::Run(Box::new(command)))
}

/// Converts the exit code of the command to the exit status of `winrs`.
///
/// An exit status has eight bits: codes outside 0 to 255 become 1, so that a failure remains a failure.
#[must_use]
pub fn exit_status(exit_code: i32) -> u8 {
    u8::try_from(exit_code).unwrap_or(1)
}

/// Returns the message that `winrs` prints for an invalid command line.
#[must_use]
pub fn usage_failure(error: &Error) -> String {
    let problem = match error {
        Error::UnknownSwitch { name, .. } => format!("Unrecognized switch \"{name}\""),
        _ => error.to_string(),
    };
    let way_out = match error {
        Error::UnknownSwitch { nearest: None, .. } => None,
        _ => error.way_out().map(|line| format!("  {line}\n")),
    };
    format!(
        "Winrs.exe: {problem}\nUse \"winrs -?\" to obtain the usage information\n{}",
        way_out.unwrap_or_default()
    )
}

fn build(mut draft: switches::Draft, command_line: String) -> Result<RemoteCommand, Error> {
    let transport = draft.connection.transport()?;
    // Over HTTPS, messages are never sealed, so -unencrypted has no effect.
    draft.connection.unencrypted &= transport == Transport::Http;
    refuse(
        draft.environment.iter().any(|(name, _)| name.is_empty()),
        "-environment requires the name of a variable",
        "write -environment:NAME=VALUE",
    )?;
    refuse(
        draft.connection.is_local() && draft.connection.scheme.is_some(),
        "-authentication requires -remote",
        NO_LOCAL_LOGIN,
    )?;
    let mut notices = draft.connection.notices();
    if draft.compression {
        notices.push("-compression has no effect: messages are never compressed".to_owned());
    }
    if draft.timeout {
        notices.push("-timeout has no effect: the running time of the command is not limited".to_owned());
    }
    Ok(RemoteCommand {
        connection: draft.connection.connection()?,
        command_line,
        directory: draft.directory,
        environment: last_of_each(draft.environment),
        profile: if draft.no_profile { Profile::Skipped } else { Profile::Loaded },
        echo: if draft.no_echo { Echo::Hidden } else { Echo::Shown },
        delegation: if draft.delegate { Delegation::Allowed } else { Delegation::Refused },
        exit_code: if draft.show_exit { ExitCodeShown::Yes } else { ExitCodeShown::No },
        exit_codes: draft.exit_codes,
        notices,
    })
}

/// Removes duplicate variables; the last value wins, as in a shell.
fn last_of_each(variables: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut unique: Vec<(String, String)> = Vec::new();
    for (name, value) in variables {
        match unique.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => unique.push((name, value)),
        }
    }
    unique
}

pub(crate) const EXAMPLE: &str = "winrs -remote:server7 ipconfig /all";
pub(crate) const USAGE: &str = "winrs [-SWITCH[:VALUE] ...] COMMAND";
pub(crate) const ABOUT: &str = "The command begins at the first word that is not a switch, or after --.\n\
    A command given as one word is sent unchanged; otherwise words that contain\n\
    spaces are put in double quotes. Standard input is sent to the command. Ctrl-C\n\
    interrupts the command, and a second Ctrl-C ends winrs. Without -remote the\n\
    command runs on this machine, through the Unix socket of its service, and no\n\
    credentials are needed.\n";
pub(crate) const EXIT_STATUS: &str =
    "Exit codes outside 0 to 255 become 1;\n-showexit prints the complete code.\n";
