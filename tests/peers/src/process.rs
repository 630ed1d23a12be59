//! Processes that a test did not start itself, such as a remote command.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Returns whether the process ends within `limit`.
///
/// # Panics
///
/// When `id` is not the number of a process, or the kernel cannot watch one.
#[must_use]
pub fn ends_within(id: i32, limit: Duration) -> bool {
    let id = Pid::from_raw(id).expect("the number of a process is positive");
    let process = match pidfd_open(id, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return true,
        opened => opened.expect("a process can be watched"),
    };
    let limit = Timespec::try_from(limit).expect("a few seconds fit");
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)).expect("an open descriptor") > 0
}
