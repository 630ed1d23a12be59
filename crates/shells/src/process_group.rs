//! Process group of a command and its leader.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use locks::Mutex;
use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitIdStatus, getrlimit, kill_process_group,
    prlimit, waitid,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::limits::ProcessLimiter;

/// A program to start.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// Path of the program.
    pub path: &'a Path,
    /// Name under which the program is called, its first argument.
    pub name: &'a OsStr,
    /// Other arguments.
    pub arguments: &'a [OsString],
    /// Complete environment; nothing is inherited from the service.
    pub environment: &'a [(OsString, OsString)],
    /// Working directory: an existing absolute path.
    pub directory: &'a Path,
    /// Limits of the shell's processes.
    pub limiter: &'a ProcessLimiter,
}

/// Starts a program as the leader of a new process group, with a pipe for each stream.
///
/// The process inherits only what `program` contains:
///
/// * Environment and directory are passed to the kernel directly and not through shell syntax, so that variable names
///   that no shell accepts arrive as well.
/// * The standard library empties the signal mask and resets SIGPIPE to its default.
/// * Other dispositions cannot be changed here, but `exec` resets every *handled* signal to its default. The service
///   therefore installs handlers for SIGINT, SIGQUIT, SIGTERM and SIGHUP (tokio's `signal::unix`). Without them a
///   service that was started with these signals ignored, such as a background job of a script, would pass that on to
///   its commands and Ctrl-C would have no effect.
/// * The soft limit of core files is 0, so that Ctrl-Break, which is SIGQUIT, leaves no core file.
///
/// Blocks until the program has been executed, typically for about a millisecond.
///
/// # Errors
/// The error of the kernel.
pub fn spawn(program: &Program<'_>) -> io::Result<(Leader, Pipes)> {
    let mut child = std::process::Command::new(program.path)
        .arg0(program.name)
        .args(program.arguments)
        .env_clear()
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .envs(program.limiter.variable())
        .current_dir(program.directory)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Immediately after the start: children of the program that already exist must be limited one by one.
    let pid = Pid::from_child(&child);
    program.limiter.add_process(pid);
    let core = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    // Fails only if the process has already ended.
    let _ = prlimit(Some(pid), Resource::Core, core);
    // Dropping the leader kills the group from here on.
    let leader = Leader::of(pid)?;
    let pipes = Pipes::of(&mut child).ok_or(Errno::BADF)?;
    Ok((leader, pipes))
}

/// The service's ends of the command's streams.
#[derive(Debug)]
pub struct Pipes {
    /// Standard input.
    pub stdin: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

impl Pipes {
    fn of(child: &mut Child) -> Option<Self> {
        let stdin = child.stdin.take()?.into();
        let stdout = child.stdout.take()?.into();
        let stderr = child.stderr.take()?.into();
        Some(Self { stdin, stdout, stderr })
    }
}

/// A process group whose ID is reserved for this command.
#[derive(Debug)]
pub struct Group {
    /// Process group ID, and process ID of the leader.
    id: Pid,
    /// INVARIANT: while this is false the leader is running or a zombie, so the kernel does not reuse its ID.
    reaped: Mutex<bool>,
}

impl Group {
    /// Returns the process group ID, which is the process ID of the leader.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().unsigned_abs()
    }

    /// Signals every process of the group, also after the leader has ended. Succeeds if the group is empty.
    ///
    /// # Errors
    /// The error of the kernel, for instance if no process of the group may be signalled.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let reaped = self.reaped.lock();
        if *reaped {
            return Ok(());
        }
        match kill_process_group(self.id, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the exit code of the leader if it has ended. It stays a zombie and keeps the ID reserved.
    fn exit_code(&self) -> Option<i32> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(self.id), options) {
                Ok(status) => return status.map(|status| exit_code(&status)),
                Err(Errno::INTR) => {}
                // Another part of the program has reaped the child, so its exit code is lost.
                Err(_) => return Some(EXIT_UNKNOWN),
            }
        }
    }

    /// Reaps the zombie; returns `false` while the leader is running.
    fn reap(&self) -> bool {
        let mut reaped = self.reaped.lock();
        if !*reaped {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            *reaped = !matches!(waitid(WaitId::Pid(self.id), options), Ok(None) | Err(Errno::INTR));
        }
        *reaped
    }
}

/// Returns the exit code as a shell reports it: the code, or 128 plus the signal number.
fn exit_code(status: &WaitIdStatus) -> i32 {
    let signal_code = status.terminating_signal().map(|signal| signal.saturating_add(128));
    status.exit_status().or(signal_code).unwrap_or(EXIT_UNKNOWN)
}

/// Reported if another part of the program has reaped the child.
const EXIT_UNKNOWN: i32 = -1;

/// Owner of the group and its leader. Dropping it kills the group, and reaps the leader if that needs no waiting.
#[derive(Debug)]
pub struct Leader {
    group: Arc<Group>,
    /// Notifies of the end of any child. A pidfd would identify it, but requires Linux 5.3.
    child_ended: tokio::signal::unix::Signal,
}

impl Leader {
    fn of(id: Pid) -> io::Result<Self> {
        let group = Arc::new(Group { id, reaped: Mutex::new(false) });
        match signal(SignalKind::child()) {
            Ok(child_ended) => Ok(Self { group, child_ended }),
            Err(error) => {
                // The process ends at once, so this wait is short.
                let _ = group.signal(Signal::KILL);
                let _ = waitid(WaitId::Pid(group.id), WaitIdOptions::EXITED);
                Err(error)
            }
        }
    }

    /// Returns the group.
    #[must_use]
    pub fn group(&self) -> Arc<Group> {
        Arc::clone(&self.group)
    }

    /// Waits for the leader to end. Cancel-safe.
    async fn ended(&mut self) -> i32 {
        loop {
            if let Some(code) = self.group.exit_code() {
                return code;
            }
            self.child_ended.recv().await;
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let _ = self.group.signal(Signal::KILL);
        self.group.reap();
    }
}

/// Requested state of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// The group runs.
    Running,
    /// SIGTERM was sent; SIGKILL follows at this time.
    Terminating(Instant),
    /// The group is killed and its leader reaped.
    Closed,
}

impl GroupState {
    /// Returns the state after SIGTERM, with the deadline [`TERMINATE_GRACE`].
    #[must_use]
    pub fn terminating() -> Self {
        Self::Terminating(Instant::now() + TERMINATE_GRACE)
    }
}

/// How long a command may take to end after SIGTERM.
pub const TERMINATE_GRACE: Duration = Duration::from_secs(2);

/// Supervises the group until it is closed: reports the exit code, kills the group after the grace period, and reaps
/// the leader.
pub async fn supervise(
    mut leader: Leader,
    mut state: watch::Receiver<GroupState>,
    exit: watch::Sender<Option<i32>>,
) {
    let mut killed = false;
    loop {
        let now = *state.borrow_and_update();
        let deadline = match now {
            GroupState::Running => None,
            GroupState::Terminating(deadline) => Some(deadline).filter(|_| !killed),
            GroupState::Closed => break,
        };
        tokio::select! {
            code = leader.ended(), if exit.borrow().is_none() => {
                exit.send_replace(Some(code));
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                let _ = leader.group.signal(Signal::KILL);
                killed = true;
            }
            changed = state.changed() => if changed.is_err() {
                break;
            },
        }
    }
    let _ = leader.group.signal(Signal::KILL);
    let code = leader.ended().await;
    exit.send_if_modified(|exit| exit.replace(code).is_none());
    leader.group.reap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::zombie_processes, reason = "the leader reaps it")]
    fn leader_of(line: &str) -> Leader {
        let mut command = std::process::Command::new("/bin/sh");
        let child = command.args(["-c", line]).stdin(Stdio::null()).process_group(0).spawn().unwrap();
        Leader::of(Pid::from_child(&child)).unwrap()
    }

    #[tokio::test]
    async fn a_finished_leader_keeps_its_process_id_until_it_is_reaped() {
        let mut leader = leader_of("exit 4");
        assert_eq!(leader.ended().await, 4);
        assert_eq!(leader.ended().await, 4);
        leader.group.signal(Signal::TERM).unwrap();
        assert!(leader.group.reap());
        leader.group.signal(Signal::TERM).unwrap();
    }

    #[tokio::test]
    async fn a_dropped_leader_is_killed() {
        let leader = leader_of("sleep 100");
        let pid = leader.group.id;
        drop(leader);
        // The process may have ended too late for the drop to reap it.
        let status = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
        assert!(matches!(status, Err(Errno::CHILD)) || exit_code(&status.unwrap().unwrap()) == 137);
    }
}
