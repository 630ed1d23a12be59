//! Processes of the same program, and the sockets that they inherit.

use std::error::Error;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Returns a command that runs this program again, even if its file was replaced. `shown` is its name in process lists.
///
/// The environment contains only a few variables of this process and those in `more`, independent of what the
/// environment of this process contains or PAM has set.
#[must_use]
pub fn this_program(shown: &str, more: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(shown).stdout(Stdio::null()).env_clear();
    for name in ALWAYS_INHERITED.iter().chain(more) {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
}

/// Variables that every process of the service inherits.
const ALWAYS_INHERITED: [&str; 4] = ["TELARCH_LOG", "JOURNAL_STREAM", "LANG", "TZ"];

/// Takes over the socket on standard input, which is redirected to `/dev/null`.
///
/// # Errors
/// I/O errors, and a message if standard input is not a socket.
pub fn stdin_socket() -> Result<UnixStream, Box<dyn Error>> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    let nothing = OwnedFd::from(File::open("/dev/null")?);
    rustix::stdio::dup2_stdin(&nothing)?;
    socket_of(socket)
}

/// Returns a descriptor that the parent process has passed as a socket.
///
/// # Errors
/// A message if it is not a socket.
pub fn socket_of(descriptor: OwnedFd) -> Result<UnixStream, Box<dyn Error>> {
    rustix::net::sockopt::socket_type(&descriptor)
        .map_err(|_| "this option is reserved for processes that the service starts itself")?;
    Ok(UnixStream::from(descriptor))
}
