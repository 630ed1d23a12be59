//! Service of a machine as separate processes.
//!
//! The **broker**, this process, keeps root's rights and reads nothing from the network. It starts the **gateway**,
//! which only reads the network, and for each active user a **host** that runs as that user. All processes run this
//! program, and communicate through sockets that the broker creates.

mod broker;
mod confinement;
mod gateway;
mod host;
mod host_process;
mod hosts;
mod privileged_operations;
mod session_groups;
mod session_process;
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

/// Runs the internal process named on the command line; returns `None` for an ordinary command line.
pub(crate) fn hidden() -> Result<Option<ExitCode>, Box<dyn Error>> {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).filter_map(|one| one.into_string().ok()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if matches!(arguments.as_slice(), [SESSION_PROCESS | QUICK_CONFIG | SUBSCRIPTIONS | HOST, ..]) {
        inherited::close_all();
    }
    match arguments.as_slice() {
        [SESSION_PROCESS, user, state, group] => session_process::run(user, state, group).map(Some),
        [QUICK_CONFIG, state] => crate::quick_config::run(state).map(Some),
        [SUBSCRIPTIONS, state, commands] => subscriptions::run(Path::new(state), commands).map(Some),
        [HOST, uid, gid, state] => host::run(uid.parse()?, gid.parse()?, Path::new(state)).map(Some),
        _ => Ok(None),
    }
}

/// Runs the gateway process, which the broker has started.
pub(crate) fn run_gateway(arguments: &Persistent) -> Result<ExitCode, Box<dyn Error>> {
    gateway::run(arguments)
}

/// Runs the broker process, which starts all others.
pub(crate) fn run(
    arguments: &Persistent,
    inherited: Inherited,
    audit: AuditFile,
) -> Result<ExitCode, Box<dyn Error>> {
    broker::run(arguments, inherited, audit)
}

/// Requires that the gateway's user exists and is not root.
pub(crate) fn require_user(users: &UnixUsers, name: &str) -> Result<(), Box<dyn Error>> {
    match user::find(users, name)? {
        None => Err(format!(
                        "user {name} does not exist, but the process that reads the network runs as it\n  create it: useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin {name}"
        )
        .into()),
        Some(numbers) if numbers.uid == 0 => {
            Err(format!("{name} is root, but the process that reads the network requires an unprivileged user").into())
        }
        Some(_) => Ok(()),
    }
}

/// First argument of the session process, which opens a user's PAM session and starts the host in it.
const SESSION_PROCESS: &str = "--keep-host";
/// First argument of a host.
const HOST: &str = "--host";
/// First argument of the process that runs permanent subscriptions.
const SUBSCRIPTIONS: &str = "--subscriptions";
/// First argument of the process of a quickconfig step.
pub(crate) const QUICK_CONFIG: &str = "--quickconfig";

/// Returns a command that runs this program again, even if its file was replaced. `shown` is its name in process lists.
///
/// The environment contains only a few variables of this process and those in `more`, independent of what the
/// environment of this process contains or PAM has set.
pub(crate) fn this_program(shown: &str, more: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(shown).stdout(Stdio::null()).env_clear();
    for name in ALWAYS_INHERITED.iter().chain(more) {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    OpenFiles::restore_in(&mut command);
    command
}

/// Variables that every process of the service inherits.
const ALWAYS_INHERITED: [&str; 4] = ["TELARCH_LOG", "JOURNAL_STREAM", "LANG", "TZ"];

/// Takes over the socket on standard input, which is redirected to `/dev/null`.
pub(crate) fn stdin_socket() -> Result<UnixStream, Box<dyn Error>> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    empty_stdin()?;
    socket_of(socket)
}

/// Takes over the socket on standard output, which is redirected to `/dev/null`.
fn stdout_socket() -> Result<UnixStream, Box<dyn Error>> {
    let socket = std::io::stdout().as_fd().try_clone_to_owned()?;
    let nothing = OwnedFd::from(File::options().write(true).open("/dev/null")?);
    rustix::stdio::dup2_stdout(&nothing)?;
    socket_of(socket)
}

fn socket_of(descriptor: OwnedFd) -> Result<UnixStream, Box<dyn Error>> {
    rustix::net::sockopt::socket_type(&descriptor)
        .map_err(|_| "this option is reserved for processes that telarchd starts itself")?;
    Ok(UnixStream::from(descriptor))
}

/// Redirects standard input to `/dev/null`.
fn empty_stdin() -> std::io::Result<()> {
    let nothing = OwnedFd::from(File::open("/dev/null")?);
    Ok(rustix::stdio::dup2_stdin(&nothing)?)
}
