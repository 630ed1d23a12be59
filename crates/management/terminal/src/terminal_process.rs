//! The terminal process: PAM session, pseudoterminal, shell.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use accounts::Pam;
use broker::Variables;
use rustix::fs::{Mode, Uid};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open, set_child_subreaper};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{InputModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::account::ShellAccount;
use crate::process_tree::end_descendants;
use crate::relay::{Relay, RelayParts};
use crate::{SHELL_PROCESS, shell};

/// Runs a terminal until its shell or one of its sockets ends. The socket of the shell is standard input, the control
/// socket standard output. `account` is empty for the shell of the current user.
pub(crate) fn run(account: &str, pam: &str, from: &str, idle_seconds: &str) -> Result<(), Box<dyn Error>> {
    confinement::close_all();
    let shell = confinement::stdin_socket()?;
    let control = confinement::socket_of(std::io::stdout().as_fd().try_clone_to_owned()?)?;
    rustix::stdio::dup2_stdout(OwnedFd::from(File::options().write(true).open("/dev/null")?))?;
    let from: IpAddr = from.parse()?;
    let idle_limit = Duration::from_secs(idle_seconds.parse()?);
    // Signals of the service's terminal are not for this process.
    rustix::process::setsid()?;
    std::env::set_current_dir("/")?;
    set_child_subreaper(Some(getpid()))?;
    let mut notice = shell.try_clone()?;
    let process = TerminalProcess { shell, control, idle_limit };
    let ran = process.run_for(account, pam, from);
    if let Err(error) = &ran {
        // The log of the service and the user's window.
        tracing::error!(account, error = error.to_string(), "Cannot run a terminal");
        let text = format!("telarch: cannot start a shell: {error}\r\n");
        let _ = notice.write_all(text.as_bytes());
    }
    // Other processes may hold the sockets.
    let _ = notice.shutdown(std::net::Shutdown::Both);
    Ok(())
}

struct TerminalProcess {
    shell: UnixStream,
    control: UnixStream,
    idle_limit: Duration,
}

impl TerminalProcess {
    fn run_for(self, account: &str, pam: &str, from: IpAddr) -> Result<(), Box<dyn Error>> {
        if account.is_empty() {
            return self.run_shell(&ShellAccount::current()?, &Variables::default());
        }
        if let Err(error) = leave_unit() {
            tracing::warn!(%error, "A terminal keeps the files of the unit, with home directories that cannot be written");
        }
        let found = ShellAccount::named(account)?;
        // The mask of the service is stricter. A PAM module may set another one.
        rustix::process::umask(Mode::from_raw_mode(0o022));
        let pam = match pam {
            "" => Pam::load(accounts::PAM_SERVICE),
            folder => Pam::load_from(Path::new(folder), accounts::PAM_SERVICE),
        };
        pam?.in_session(account, from, |variables| {
            let (variables, dropped) = Variables::from_session(variables);
            if dropped > 0 {
                tracing::warn!(account, dropped, "Dropped variables of the PAM session");
            }
            self.run_shell(&found, &variables)
        })?
    }

    /// Runs the shell, and ends everything that it leaves.
    fn run_shell(self, account: &ShellAccount, session: &Variables) -> Result<(), Box<dyn Error>> {
        let terminal = Pseudoterminal::open()?;
        if account.groups.is_some() {
            // Programs of the user open the terminal by its name. The group permits write(1).
            rustix::fs::fchown(&terminal.users, Some(Uid::from_raw(account.user.uid)), None)?;
        }
        let stream = || terminal.users.try_clone().map(Stdio::from);
        let ids = shell::ids(account.user.uid, account.groups.as_deref());
        let mut command = std::process::Command::new("/proc/self/exe");
        command.arg(SHELL_PROCESS).arg(ids).arg(account.shell()).arg(&account.user.home);
        command.env_clear().envs(account.environment(session));
        let child = command.stdin(stream()?).stdout(stream()?).stderr(stream()?).spawn()?;
        drop(command);
        let shell = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        drop(terminal.users);
        let Self { shell: socket, control, idle_limit } = self;
        let parts = RelayParts { socket, control, terminal: terminal.ours, shell, idle_limit };
        let relayed = Relay::new(parts).and_then(Relay::run);
        // The master is closed: the foreground processes have received SIGHUP.
        end_descendants();
        Ok(relayed?)
    }
}

/// Leaves the mount namespace of the service's unit, in which home directories cannot be written: the shell sees the files
/// of the machine, as after any other login.
fn leave_unit() -> std::io::Result<()> {
    if std::env::var_os(UNIT).is_some() {
        let machine = File::open("/proc/1/ns/mnt")?;
        move_into_link_name_space(machine.as_fd(), Some(LinkNameSpaceType::Mount))?;
    }
    Ok(())
}

/// Variable that systemd sets for the processes of a unit.
pub(crate) const UNIT: &str = "INVOCATION_ID";

/// A pseudoterminal.
struct Pseudoterminal {
    ours: OwnedFd,
    /// The terminal of the user's processes.
    users: OwnedFd,
}

impl Pseudoterminal {
    fn open() -> rustix::io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let users = ioctl_tiocgptpeer(&ours, flags)?;
        let mut modes = tcgetattr(&users)?;
        // Erasing a character erases all of its bytes.
        modes.input_modes |= InputModes::IUTF8;
        tcsetattr(&users, OptionalActions::Now, &modes)?;
        // The client sends its size first.
        tcsetwinsize(&ours, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })?;
        Ok(Self { ours, users })
    }
}
