//! The command line of `winrs`.
//!
//! `winrs [-SWITCH[:VALUE] ...] COMMAND`, where everything behind the switches is the command.

mod command_line;
mod run;
pub(crate) mod switches;

use crate::connection::Connection;
use crate::connection::draft::{KERNEL_KNOWS, refuse};
use crate::endpoint::Transport;
use crate::error::Error;
use crate::failure::ExitCodes;
use crate::hosts::SavedHosts;
use crate::switch::{Filling, Item};

pub use crate::connection::Delegation;
pub use run::{run, run_on};

/// What a command line of `winrs` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invocation {
    /// The page of help.
    Help,
    /// The version of the program.
    Version,
    /// A command on this or another machine.
    Run(Box<RemoteCommand>),
}

/// A command in a remote shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCommand {
    /// Where, and as whom.
    pub connection: Connection,
    /// The line to run, as the shell over there will read it.
    pub command_line: String,
    /// The folder to run it in; that of the user unless given.
    pub directory: Option<String>,
    /// Variables of the shell; no name comes twice.
    pub environment: Vec<(String, String)>,
    /// Whether the profile of the user is loaded.
    pub profile: Profile,
    /// Whether what is typed for the command is shown.
    pub echo: Echo,
    /// Whether the credentials may go on to a third machine.
    pub delegation: Delegation,
    /// Whether the whole exit code is printed at the end.
    pub exit_code: ExitCodeShown,
    /// How to tell failures of `winrs` itself apart by exit status.
    pub exit_codes: ExitCodes,
    /// What was said on the command line and changes nothing, a line each.
    pub notices: Vec<String>,
}

/// Whether the profile of the user is loaded (`WINRS_NOPROFILE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// It is.
    Loaded,
    /// It is not (`-noprofile`).
    Skipped,
}

/// Whether what is typed for the command is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// It is.
    Shown,
    /// It is not (`-noecho`).
    Hidden,
}

/// Whether the whole exit code is printed at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCodeShown {
    /// It is not.
    No,
    /// It is (`-showexit`), because an exit status has eight bits only.
    Yes,
}

/// Reads a command line; `arguments` are without the name of the program.
///
/// # Errors
/// [`Error`] says what was not understood; [`usage_failure`] prints it as scripts know it.
pub fn parse(arguments: &[String]) -> Result<Invocation, Error> {
    parse_with(arguments, &SavedHosts::none())
}

/// The same, where hosts may be named as they are saved.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(arguments: &[String], hosts: &SavedHosts) -> Result<Invocation, Error> {
    let mut switches = Filling::<switches::Draft>::new();
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
    let mut draft = switches.draft;
    draft.connection.look_up(hosts)?;
    build(draft, command_line).map(|command| Invocation::Run(Box::new(command)))
}

/// The exit status of `winrs` for the exit code of the command.
///
/// An exit status has eight bits: other codes than 0 to 255 become 1, so that a failure stays one.
#[must_use]
pub fn exit_status(exit_code: i32) -> u8 {
    u8::try_from(exit_code).unwrap_or(1)
}

/// What `winrs` prints about a command line it does not understand.
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
    // Over HTTPS there is nothing to leave unsealed.
    draft.connection.unencrypted &= transport == Transport::Http;
    refuse(
        draft.environment.iter().any(|(name, _)| name.is_empty()),
        "-environment without the name of a variable",
        "write -environment:NAME=VALUE",
    )?;
    refuse(
        draft.connection.is_local() && draft.connection.scheme.is_some(),
        "-authentication needs -remote",
        KERNEL_KNOWS,
    )?;
    let mut notices = draft.connection.notices();
    if draft.compression {
        notices.push("-compression changes nothing: this version sends messages as they are".to_owned());
    }
    if draft.timeout {
        notices.push("-timeout changes nothing: a command may take as long as it needs".to_owned());
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

/// A variable that is set twice has its last value, as in a shell.
fn last_of_each(given: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut kept: Vec<(String, String)> = Vec::new();
    for (name, value) in given {
        match kept.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => kept.push((name, value)),
        }
    }
    kept
}

pub(crate) const EXAMPLE: &str = "winrs -remote:server7 ipconfig /all";
pub(crate) const USAGE: &str = "winrs [-SWITCH[:VALUE] ...] COMMAND";
pub(crate) const ABOUT: &str = "The first word that is no switch begins the command; -- ends the switches too.\n\
    A command in one word is sent as it is. Of several words, those with spaces are\n\
    put into double quotes. Standard input goes to the command; Ctrl-C interrupts it,\n\
    and a second Ctrl-C ends winrs. Without -remote the command runs on this machine,\n\
    and nobody logs in: its service is asked by its Unix socket.\n";
pub(crate) const EXIT_STATUS: &str = "A code outside 0 to 255 becomes 1;\n-showexit prints it whole.\n";
