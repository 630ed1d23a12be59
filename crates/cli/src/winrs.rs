//! The command line of `winrs`.
//!
//! `winrs [-SWITCH[:VALUE] ...] COMMAND`, where everything after the switches is the command.

mod command_line;
mod fleet;
mod fleet_output;
mod run;
pub(crate) mod switches;

use client::{FleetLimits, ShellOptions};

use crate::connection::Connection;
use crate::connection::draft::{NO_LOCAL_LOGIN, refuse};
use crate::endpoint::{Address, Transport};
use crate::error::Error;
use crate::failure::ExitCodes;
use crate::hosts::SavedHosts;
use crate::switch::{Item, Keyword, ParsedSwitches};
use crate::winrm;

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
    /// Endpoint and credentials; those of the first host if there are several.
    pub connection: Connection,
    /// Hosts, if the command runs on several.
    pub fleet: Option<Fleet>,
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

impl RemoteCommand {
    /// Returns the parameters of the shell that runs the command.
    fn shell_options(&self) -> ShellOptions {
        ShellOptions {
            environment: self.environment.clone(),
            directory: self.directory.clone(),
            profile: match self.profile {
                Profile::Loaded => client::Profile::Loaded,
                Profile::Skipped => client::Profile::Skipped,
            },
            ..ShellOptions::default()
        }
    }
}

/// Several hosts that run the same command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// Host names as typed, each with its connection; every host is unique.
    pub members: Vec<(String, Connection)>,
    /// Number of concurrent hosts, time limits, and limit of failures.
    pub limits: FleetLimits,
    /// Format of the output.
    pub format: FleetFormat,
}

/// Format of the output of several hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FleetFormat {
    /// Lines with the name of the host.
    #[default]
    Text,
    /// One JSON object per line.
    Ndjson,
}

impl Keyword for FleetFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("ndjson", Self::Ndjson)];
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
    let fleet = fleet(&mut draft, hosts)?;
    build(draft, fleet, command_line).map(|command| Invocation::Run(Box::new(command)))
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

/// Returns the hosts of `-hosts`.
fn fleet(draft: &mut switches::Draft, hosts: &SavedHosts) -> Result<Option<Fleet>, Error> {
    let given = std::mem::take(&mut draft.fleet);
    let Some(named) = &given.hosts else {
        let is_unused = given == switches::FleetDraft::default();
        refuse(
            !is_unused,
            "-parallel, -hosttimeout, -totaltimeout, -failfast, -maxfailures and -format require -hosts",
            "add -hosts:NAME,NAME or -hosts:@FILE",
        )?;
        return Ok(None);
    };
    let other = draft.connection.remote.is_some() || draft.connection.socket.is_some();
    refuse(other, "-hosts cannot be used with -remote or -socket", "omit one of them")?;
    refuse(
        draft.show_exit,
        "-showexit cannot be used with -hosts",
        "omit it: the summary contains the exit codes of all hosts",
    )?;
    refuse(
        given.fail_fast && given.max_failures.is_some(),
        "-failfast is -maxfailures:1",
        "omit one of them",
    )?;
    let default = FleetLimits::default();
    let limits = FleetLimits {
        parallel: given.parallel.unwrap_or(default.parallel),
        host_time: given.host_time,
        total_time: given.total_time,
        max_failures: if given.fail_fast { Some(std::num::NonZeroUsize::MIN) } else { given.max_failures },
    };
    let members = winrm::members(&draft.connection, named, hosts)?;
    // The other rules are checked with the connection of one of the hosts.
    let first = members.first().map(|(name, _)| name.as_str()).unwrap_or_default();
    draft.connection.remote = Some(Address::parse(first)?);
    draft.connection.look_up(hosts)?;
    Ok(Some(Fleet { members, limits, format: given.format.unwrap_or_default() }))
}

fn build(
    mut draft: switches::Draft,
    fleet: Option<Fleet>,
    command_line: String,
) -> Result<RemoteCommand, Error> {
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
        fleet,
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
    credentials are needed. With -hosts the command runs on many machines and gets\n\
    no input; a summary groups the hosts by result, and Ctrl-C terminates the\n\
    commands.\n";
pub(crate) const EXIT_STATUS: &str = "Exit codes outside 0 to 255 become 1;\n-showexit prints the complete code. With -hosts: 0 if the command\nended with 0 on all hosts, otherwise 1, or with -exitcode:detailed the status\nof the failure if all failed hosts have the same kind of failure.\n";
