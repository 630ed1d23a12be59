//! Processes that a test did not start itself, such as a remote command.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::task::spawn_blocking;

use crate::PATIENCE;

/// A process that is being watched.
pub struct Process(Arc<OwnedFd>);

impl Process {
    /// The running process of a number, as a command printed it.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn of(id: &str) -> Self {
        let id = id.trim().parse().ok().and_then(Pid::from_raw).expect("the number of a process");
        Self(Arc::new(pidfd_open(id, PidfdFlags::empty()).expect("the process runs")))
    }

    /// Waits until it has ended (pidfd_open(2): it can be read then).
    ///
    /// # Panics
    /// If it goes on.
    pub async fn ended(&self) {
        let process = Arc::clone(&self.0);
        let waiting = spawn_blocking(move || {
            let limit = Timespec::try_from(PATIENCE).expect("a minute fits");
            poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)).expect("an open descriptor")
        });
        assert!(waiting.await.expect("it waits only") > 0, "the process goes on");
    }
}
