//! Terminals of the Web Management Service: a login shell on a pseudoterminal.
//!
//! Each terminal has a process of its own, the **terminal process**, which runs this program again. It opens the PAM
//! session, owns the pseudoterminal, starts the shell, and relays between both and a socket:
//!
//! - Requests on the socket are [`ShellRequest`]s; responses are the bytes that the shell writes. The terminal process
//!   reads no more of them than the socket accepts, so a client that does not read stops the program that writes.
//! - The end of the socket, or of the control socket, ends the terminal. The terminal process is the subreaper of its
//!   descendants (prctl(2)), so it also finds and kills those that left their process group or session.
//!
//! Not part of this crate: decisions about users and limits, and WebSocket (`management/web`).

mod account;
mod message;
mod process_tree;
mod relay;
mod shell;
mod terminal_process;

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ExitCode};
use std::time::Duration;

pub use self::message::{MAX_INPUT, Malformed, ShellRequest};

/// Starts terminals.
pub trait TerminalSource: std::fmt::Debug + Send + Sync {
    /// Returns the reason why a user of the service can have no terminal at all, if there is one.
    fn refusal(&self, user: &str) -> Option<String>;

    /// Starts a terminal for a user who is signed in from an address.
    ///
    /// # Errors
    /// [`TerminalError`]
    fn start(&self, user: &str, from: IpAddr) -> Result<StartedTerminal, TerminalError>;
}

/// A terminal that was started.
#[derive(Debug)]
pub struct StartedTerminal {
    /// Carries [`ShellRequest`]s to the shell, and its output back. Closing it ends the terminal.
    pub shell: UnixStream,
    /// Carries a byte after input, at most one in five seconds, and ends with the terminal. Closing it ends the terminal.
    pub control: UnixStream,
    /// The terminal process, to be waited for after the end of the control socket.
    pub process: Option<Child>,
}

/// Reason why a terminal cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TerminalError {
    /// The user has no account of the operating system.
    #[error("{0}")]
    Refused(String),
    /// Sockets or the process cannot be made.
    #[error("cannot start a terminal: {0}")]
    Start(#[from] std::io::Error),
}

/// Terminals of this machine.
#[derive(Clone, Debug)]
pub struct MachineTerminals {
    /// Accounts whose shells run.
    pub shells: Shells,
    /// Time without input after which a terminal ends.
    pub idle_limit: Duration,
}

/// Accounts whose shells run in terminals.
#[derive(Clone, Debug)]
pub enum Shells {
    /// Shells of the accounts that have signed in, for a service of root.
    Accounts {
        /// Directory of the PAM service file; `None` for `/etc/pam.d`.
        pam: Option<PathBuf>,
    },
    /// Shells of the user of this process, regardless of the account that has signed in.
    CurrentUser,
}

impl TerminalSource for MachineTerminals {
    fn refusal(&self, user: &str) -> Option<String> {
        (matches!(self.shells, Shells::Accounts { .. }) && !user.contains('\\')).then(|| {
            format!(
                "{user} is a manager user and no account of this machine, so there is no shell\n  sign in with an \
                 account of this machine"
            )
        })
    }

    fn start(&self, user: &str, from: IpAddr) -> Result<StartedTerminal, TerminalError> {
        if let Some(refusal) = self.refusal(user) {
            return Err(TerminalError::Refused(refusal));
        }
        let (shell, theirs) = UnixStream::pair()?;
        let (control, their_control) = UnixStream::pair()?;
        let inherited: &[&str] = match self.shells {
            Shells::CurrentUser => account::INHERITED,
            Shells::Accounts { .. } => &[terminal_process::UNIT],
        };
        let mut command = confinement::this_program(&format!("telarch: terminal of {user}"), inherited);
        command.arg(TERMINAL_PROCESS);
        match &self.shells {
            Shells::CurrentUser => command.args(["", ""]),
            Shells::Accounts { pam } => {
                // The terminal process has another working directory.
                let pam = pam.as_ref().map(std::path::absolute).transpose()?;
                command.arg(user.strip_prefix(LOCAL).unwrap_or(user)).arg(pam.unwrap_or_default())
            }
        };
        command.arg(from.to_string()).arg(self.idle_limit.as_secs().to_string());
        command.stdin(OwnedFd::from(theirs)).stdout(OwnedFd::from(their_control));
        let process = Some(command.spawn()?);
        Ok(StartedTerminal { shell, control, process })
    }
}

/// Runs a process of a terminal if the command line is that of one; returns `None` for every other command line.
///
/// Must be called before the program opens or starts anything. `begin_log` starts the log of a terminal process.
#[must_use]
pub fn hidden(begin_log: fn()) -> Option<ExitCode> {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map_while(|argument| argument.into_string().ok()).take(7).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = match *arguments.as_slice() {
        [TERMINAL_PROCESS, account, pam, from, idle_seconds] => {
            begin_log();
            terminal_process::run(account, pam, from, idle_seconds)
        }
        [SHELL_PROCESS, ids, shell, home] => shell::run(ids, shell, home),
        _ => return None,
    };
    Some(match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            // The standard error of a shell process is the terminal.
            let _ = writeln!(std::io::stderr(), "telarch: {error}");
            ExitCode::FAILURE
        }
    })
}

/// First argument of the terminal process.
const TERMINAL_PROCESS: &str = "--management-terminal";
/// First argument of the process that becomes the shell.
const SHELL_PROCESS: &str = "--management-shell";
/// Prefix of the names of local accounts.
const LOCAL: &str = ".\\";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manager_users_have_no_shell_in_a_service_of_root() {
        let idle_limit = Duration::from_secs(900);
        let accounts = MachineTerminals { shells: Shells::Accounts { pam: None }, idle_limit };
        assert!(accounts.refusal("ada").is_some_and(|reason| reason.contains("ada is a manager user")));
        let from = IpAddr::from([127, 0, 0, 1]);
        assert!(matches!(accounts.start("ada", from), Err(TerminalError::Refused(_))));
        assert_eq!(accounts.refusal(".\\ada"), None);
        assert_eq!(MachineTerminals { shells: Shells::CurrentUser, idle_limit }.refusal("ada"), None);
    }
}
