//! Processes of this program that the service starts, and the sockets that they inherit.

use std::error::Error;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::open_files::OpenFiles;

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
pub(crate) fn stdout_socket() -> Result<UnixStream, Box<dyn Error>> {
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
