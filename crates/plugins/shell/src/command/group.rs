//! The processes of one command: a process group and its leader.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitIdStatus, getrlimit, kill_process_group,
    prlimit, waitid,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::CommandSpec;
use super::line::Invocation;
use crate::error::CommandError;

/// Starts `invocation` as the leader of a process group of its own, with a pipe at each of its streams.
///
/// What the process inherits is what the specification says and nothing else:
///
/// * environment and folder go straight to the kernel, never through the syntax of a shell, so that names which no
///   shell would accept arrive as well;
/// * the signal mask is emptied and SIGPIPE is back at its default (the standard library does both);
/// * other dispositions cannot be changed here, but `exec` returns every *handled* signal to its default. The daemon
///   therefore installs handlers for SIGINT, SIGQUIT, SIGTERM and SIGHUP (tokio's `signal::unix`), even when it was
///   started with them ignored, as a job in the background of a script is; without them Ctrl-C would reach nobody;
/// * core files are off (the soft limit only), so that Ctrl-Break, which is SIGQUIT, leaves none behind.
///
/// Blocks until the program has been executed, typically for about a millisecond.
pub(super) fn spawn(invocation: &Invocation, spec: &CommandSpec) -> Result<(Leader, Pipes), CommandError> {
    let failed = |source| spawn_error(source, invocation);
    let mut child = std::process::Command::new(&invocation.program)
        .arg0(&invocation.name)
        .args(&invocation.arguments)
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .envs(spec.enclosure.variable())
        .current_dir(&spec.directory)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // At once: what the program starts before it is inside has to be fetched.
    let pid = Pid::from_child(&child);
    spec.enclosure.admit(pid);
    let core = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    // Fails only when the process has already ended.
    let _ = prlimit(Some(pid), Resource::Core, core);
    // From here on dropping the leader kills the group.
    let leader = Leader::of(pid).map_err(failed)?;
    let pipes = Pipes::of(&mut child).ok_or_else(|| failed(Errno::BADF.into()))?;
    Ok((leader, pipes))
}

fn spawn_error(source: io::Error, invocation: &Invocation) -> CommandError {
    let program = invocation.name.clone();
    match source.kind() {
        io::ErrorKind::NotFound => CommandError::NoSuchProgram { program },
        io::ErrorKind::PermissionDenied => CommandError::ProgramForbidden { program },
        _ => CommandError::Spawn { program, source },
    }
}

/// Our ends of the command's streams.
pub(super) struct Pipes {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

impl Pipes {
    fn of(child: &mut Child) -> Option<Self> {
        let stdin = child.stdin.take()?.into();
        let stdout = child.stdout.take()?.into();
        let stderr = child.stderr.take()?.into();
        Some(Self { stdin, stdout, stderr })
    }
}

/// The process group, for as long as its number is ours.
#[derive(Debug)]
pub(super) struct Group {
    /// Number of the group and of its leader.
    id: Pid,
    /// INVARIANT: while this is false the leader is a running process or a zombie, and therefore the kernel gives
    /// its number to nobody else.
    reaped: Mutex<bool>,
}

impl Group {
    pub(super) fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().unsigned_abs()
    }

    /// Signals every process of the group, also those that outlived the leader. Nobody left is a success.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *reaped {
            return Ok(());
        }
        match kill_process_group(self.id, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// How the leader ended, if it has; it stays a zombie and keeps the group's number reserved.
    fn exit_code(&self) -> Option<i32> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(self.id), options) {
                Ok(status) => return status.map(|status| exit_code(&status)),
                Err(Errno::INTR) => {}
                // Somebody else reaped our child; nobody can tell any more how it ended.
                Err(_) => return Some(EXIT_UNKNOWN),
            }
        }
    }

    /// Takes the zombie away; false while the leader is still running.
    fn reap(&self) -> bool {
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            *reaped = !matches!(waitid(WaitId::Pid(self.id), options), Ok(None) | Err(Errno::INTR));
        }
        *reaped
    }
}

/// A shell's way of telling: the code, or 128 and the number of the signal.
fn exit_code(status: &WaitIdStatus) -> i32 {
    let by_signal = || status.terminating_signal().map(|signal| signal.saturating_add(128));
    status.exit_status().or_else(by_signal).unwrap_or(EXIT_UNKNOWN)
}

/// Reported when another part of the program reaped our child.
const EXIT_UNKNOWN: i32 = -1;

/// The duty to kill the group and to reap its leader. Dropping it does both, as well as it can without waiting.
pub(super) struct Leader {
    group: Arc<Group>,
    /// Some child has ended. A pidfd would say which one, but only since Linux 5.3.
    child_ended: tokio::signal::unix::Signal,
}

impl Leader {
    fn of(id: Pid) -> io::Result<Self> {
        let group = Arc::new(Group { id, reaped: Mutex::new(false) });
        match signal(SignalKind::child()) {
            Ok(child_ended) => Ok(Self { group, child_ended }),
            Err(error) => {
                // It goes at once, so waiting for it is short.
                let _ = group.signal(Signal::KILL);
                let _ = waitid(WaitId::Pid(group.id), WaitIdOptions::EXITED);
                Err(error)
            }
        }
    }

    pub(super) fn group(&self) -> Arc<Group> {
        Arc::clone(&self.group)
    }

    /// Waits for the leader to end. Dropping the future loses nothing.
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

/// What is to become of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Lives,
    /// It was asked to end and is killed if it has not by then.
    KilledAt(Instant),
    /// Killed now and reaped.
    Closed,
}

impl Fate {
    /// From now on: end within [`TERMINATE_GRACE`].
    pub(super) fn terminating() -> Self {
        Self::KilledAt(Instant::now() + TERMINATE_GRACE)
    }
}

/// How long a command may take to end after it was asked to.
pub(super) const TERMINATE_GRACE: Duration = Duration::from_secs(2);

/// Watches over the group until it is closed: tells how the leader ended, kills it when its grace is over, reaps it.
pub(super) async fn supervise(
    mut leader: Leader,
    mut fate: watch::Receiver<Fate>,
    exit: watch::Sender<Option<i32>>,
) {
    let mut killed = false;
    loop {
        let now = *fate.borrow_and_update();
        let deadline = match now {
            Fate::Lives => None,
            Fate::KilledAt(deadline) => Some(deadline).filter(|_| !killed),
            Fate::Closed => break,
        };
        tokio::select! {
            code = leader.ended(), if exit.borrow().is_none() => {
                exit.send_replace(Some(code));
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                let _ = leader.group.signal(Signal::KILL);
                killed = true;
            }
            changed = fate.changed() => if changed.is_err() {
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[expect(clippy::zombie_processes, reason = "the leader reaps it")]
    fn leader_of(line: &str) -> Leader {
        let mut command = std::process::Command::new("/bin/sh");
        let child = command.args(["-c", line]).stdin(Stdio::null()).process_group(0).spawn().unwrap();
        Leader::of(Pid::from_child(&child)).unwrap()
    }

    #[tokio::test]
    async fn a_leader_that_ended_keeps_its_number_until_it_is_reaped() {
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
        // It may have died too late to be reaped by the drop itself.
        let status = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
        assert!(matches!(status, Err(Errno::CHILD)) || exit_code(&status.unwrap().unwrap()) == 137);
    }
}
