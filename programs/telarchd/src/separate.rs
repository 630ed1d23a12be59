//! The service of a machine as processes that are separated from each other.
//!
//! The **broker**, this process, keeps root's rights and reads nothing from the network. It starts the **gateway**,
//! which reads the network and may do nothing else, and for each user who has something done a **host** that is that
//! user. All are this program, started anew; what one needs of another goes through sockets that the broker makes.

mod broker;
mod confinement;
mod duties;
mod gateway;
mod host;
mod host_process;
mod hosts;
mod keeper;
mod kept_groups;
mod subscriptions;
mod user;

use std::error::Error;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use accounts::UnixUsers;

use crate::arguments::Persistent;
use crate::audit::AuditFile;
use crate::inherited::{self, Inherited};
use crate::open_files::OpenFiles;

/// Does what this process was started for, if that is to be a host; none if it was started by anybody else.
pub(crate) fn hidden() -> Result<Option<ExitCode>, Box<dyn Error>> {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).filter_map(|one| one.into_string().ok()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if matches!(arguments.as_slice(), [KEEPER | QUICK_CONFIG | SUBSCRIPTIONS | HOST, ..]) {
        inherited::close_all();
    }
    match arguments.as_slice() {
        [KEEPER, user, state, group] => keeper::keep(user, state, group).map(Some),
        [QUICK_CONFIG, state] => crate::quick_config::run(state).map(Some),
        [SUBSCRIPTIONS, state, commands] => subscriptions::run(Path::new(state), commands).map(Some),
        [HOST, uid, gid, state] => host::run(uid.parse()?, gid.parse()?, Path::new(state)).map(Some),
        _ => Ok(None),
    }
}

/// Serves as the gateway, which the broker has started.
pub(crate) fn run_gateway(arguments: &Persistent) -> Result<ExitCode, Box<dyn Error>> {
    gateway::run(arguments)
}

/// Serves as the broker, which starts every other process.
pub(crate) fn run(
    arguments: &Persistent,
    inherited: Inherited,
    audit: AuditFile,
) -> Result<ExitCode, Box<dyn Error>> {
    broker::run(arguments, inherited, audit)
}

/// The gateway's user must exist, and have no rights.
pub(crate) fn require_user(users: &UnixUsers, name: &str) -> Result<(), Box<dyn Error>> {
    match user::find(users, name)? {
        None => Err(format!(
            "there is no user {name}, which is to read the network\n  make it: useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin {name}"
        )
        .into()),
        Some(numbers) if numbers.uid == 0 => {
            Err(format!("{name} is root: what reads the network needs a user without rights").into())
        }
        Some(_) => Ok(()),
    }
}

/// What the process is told first that opens a user's session and starts the host in it.
const KEEPER: &str = "--keep-host";
/// What a host is told first.
const HOST: &str = "--host";
/// What the process is told first that carries out permanent subscriptions.
const SUBSCRIPTIONS: &str = "--subscriptions";
/// What the process is told first that sets up the machine.
pub(crate) const QUICK_CONFIG: &str = "--quickconfig";

/// Returns a command that starts this program once more, although its file may have been replaced; `shown` is what
/// lists of processes show.
///
/// It begins with an environment of a few variables of this process, and `more` of them, whatever else is in the
/// environment of this process or was set by PAM.
pub(crate) fn this_program(shown: &str, more: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(shown).stdout(Stdio::null()).env_clear();
    for name in ALWAYS_INHERITED.iter().chain(more) {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    OpenFiles::restore_in(&mut command);
    command
}

/// Variables that every process of this service has from the one that has started it.
const ALWAYS_INHERITED: [&str; 4] = ["TELARCH_LOG", "JOURNAL_STREAM", "LANG", "TZ"];

/// Takes the socket that this process was given as its standard input, which becomes empty.
pub(crate) fn given_socket() -> Result<UnixStream, Box<dyn Error>> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    empty_stdin()?;
    socket_of(socket)
}

/// Takes the socket that this process was given as its standard output, which becomes empty.
fn given_second_socket() -> Result<UnixStream, Box<dyn Error>> {
    let socket = std::io::stdout().as_fd().try_clone_to_owned()?;
    let nothing = OwnedFd::from(File::options().write(true).open("/dev/null")?);
    rustix::stdio::dup2_stdout(&nothing)?;
    socket_of(socket)
}

fn socket_of(descriptor: OwnedFd) -> Result<UnixStream, Box<dyn Error>> {
    rustix::net::sockopt::socket_type(&descriptor)
        .map_err(|_| "this is how telarchd starts itself, not for people")?;
    Ok(UnixStream::from(descriptor))
}

/// Lets go of what was standard input.
fn empty_stdin() -> std::io::Result<()> {
    let nothing = OwnedFd::from(File::open("/dev/null")?);
    Ok(rustix::stdio::dup2_stdin(&nothing)?)
}
