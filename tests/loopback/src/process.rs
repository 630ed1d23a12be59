//! Processes that a test did not start itself, such as those of a remote command.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::task::spawn_blocking;

use crate::TIMEOUT;

/// A process to wait for.
pub struct Process(Arc<OwnedFd>);

impl Process {
    /// Opens a running process by its PID, as printed by a command.
    ///
    /// # Panics
    /// If the process does not exist.
    pub fn of(id: &str) -> Self {
        Self::find(id).expect("the process runs")
    }

    /// Opens a process by its PID, as printed by a command; `None` if it has ended.
    ///
    /// # Panics
    /// If this is not a PID, or the kernel refuses for another reason.
    #[must_use]
    pub fn find(id: &str) -> Option<Self> {
        let id = id.trim().parse().ok().and_then(Pid::from_raw).expect("the number of a process");
        match pidfd_open(id, PidfdFlags::empty()) {
            Ok(process) => Some(Self(Arc::new(process))),
            Err(Errno::SRCH) => None,
            Err(error) => panic!("cannot open process {id:?}: {error}"),
        }
    }

    /// Returns whether the process has not ended.
    ///
    /// # Panics
    /// If the kernel refuses the query.
    #[must_use]
    pub fn is_running(&self) -> bool {
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&Timespec::default()))
            .expect("an open descriptor")
            == 0
    }

    /// Waits until the process has ended (pidfd_open(2): the descriptor becomes readable then).
    ///
    /// # Panics
    /// If the process does not end in time.
    pub async fn ended(&self) {
        let process = Arc::clone(&self.0);
        let waiting = spawn_blocking(move || {
            let limit = Timespec::try_from(TIMEOUT).expect("a minute fits");
            poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)).expect("an open descriptor")
        });
        assert!(waiting.await.expect("it waits only") > 0, "the process goes on");
    }
}
