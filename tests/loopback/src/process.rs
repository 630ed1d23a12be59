//! Processes that a test did not start itself, such as a remote command.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use crate::PATIENCE;

/// A process that is being watched.
pub struct Process(AsyncFd<OwnedFd>);

impl Process {
    /// The running process of a number, as a command printed it.
    pub fn of(id: &str) -> Self {
        let id = id.trim().parse().ok().and_then(Pid::from_raw).expect("the number of a process");
        let process = pidfd_open(id, PidfdFlags::empty()).expect("the process runs");
        Self(AsyncFd::with_interest(process, Interest::READABLE).expect("the runtime watches it"))
    }

    /// Waits until it has ended (pidfd_open(2): it is readable then).
    pub async fn ended(&self) {
        let ended = timeout(PATIENCE, self.0.readable()).await;
        ended.expect("the process ends").expect("the runtime watches it").retain_ready();
    }
}
