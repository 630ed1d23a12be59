//! Processes of this program that the service starts, and the sockets that they inherit.

use std::error::Error;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

pub(crate) use confinement::stdin_socket;

use crate::open_files::OpenFiles;

/// First argument of the process of a quickconfig step.
pub(crate) const QUICK_CONFIG: &str = "--quickconfig";

/// Returns a command that runs this program again ([`confinement::this_program`]), with the original limit of open files.
pub(crate) fn this_program(shown: &str, more: &[&str]) -> Command {
    let mut command = confinement::this_program(shown, more);
    OpenFiles::restore_in(&mut command);
    command
}

/// Takes over the socket on standard output, which is redirected to `/dev/null`.
pub(crate) fn stdout_socket() -> Result<UnixStream, Box<dyn Error>> {
    let socket = std::io::stdout().as_fd().try_clone_to_owned()?;
    let nothing = OwnedFd::from(File::options().write(true).open("/dev/null")?);
    rustix::stdio::dup2_stdout(&nothing)?;
    confinement::socket_of(socket)
}
