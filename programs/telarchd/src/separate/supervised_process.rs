//! Processes that the broker starts, ends and restarts while the settings want them.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use broker::Link;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

/// Running process, which ends when its link is closed.
pub(super) struct Process {
    pub(super) link: Link,
    handle: Option<OwnedFd>,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
    since: Instant,
}

impl Process {
    /// Starts a process with this link. A thread with this name waits for the end of the process.
    pub(super) fn spawn(mut command: Command, link: Link, thread: &str) -> io::Result<Self> {
        let mut child = command.spawn()?;
        drop(command);
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
        let (sender, ended) = oneshot::channel();
        std::thread::Builder::new().name(thread.to_owned()).spawn(move || {
            let _ = sender.send(child.wait());
        })?;
        link.set_send_timeout(SEND_TIMEOUT)?;
        Ok(Self { link, handle, ended, since: Instant::now() })
    }

    /// Returns the time since the start.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Ends the process, and kills it if it does not end in time.
    pub(super) async fn stop(mut self, name: &str) {
        self.link.close();
        if timeout(END_TIMEOUT, &mut self.ended).await.is_err() {
            tracing::warn!("Killing the {name}, which does not end");
            let _ = self.handle.map(|handle| pidfd_send_signal(handle, Signal::KILL));
        }
    }
}

/// Waits until the process has ended; waits forever if there is none.
pub(super) async fn ended(process: Option<&mut Process>) -> io::Result<ExitStatus> {
    match process {
        Some(process) => (&mut process.ended).await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())),
        None => std::future::pending().await,
    }
}

/// Times of restarts.
#[derive(Default)]
pub(super) struct Restart {
    at: Option<Instant>,
    /// Pause before the last start.
    pause: Duration,
}

impl Restart {
    /// Plans a start. The pause doubles while processes end soon after their start.
    pub(super) fn schedule(&mut self, lived: Duration) {
        self.pause = match lived >= LONG_LIFE {
            true => FIRST_PAUSE,
            false => (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE),
        };
        self.at = Some(Instant::now() + self.pause);
    }

    /// Waits until a planned start is due, if a process can start; waits forever otherwise.
    pub(super) async fn due(&mut self, is_startable: bool) {
        match self.at.filter(|_| is_startable) {
            Some(at) => sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
        self.at = None;
    }
}

/// Time limit for sending a command to the process.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the process to end before it is killed.
const END_TIMEOUT: Duration = Duration::from_secs(3);
/// First pause before a restart.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Life of a process after which the next restart has the first pause again.
const LONG_LIFE: Duration = Duration::from_secs(30);
