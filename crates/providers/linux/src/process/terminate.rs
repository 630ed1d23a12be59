//! Termination of processes.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::return_code::{ACCESS_DENIED, UNKNOWN_FAILURE};
use crate::Machine;

/// Asks a process to end, and kills it after five seconds; returns the code of `Win32_Process.Terminate`, or
/// `None` if there is no such process.
///
/// The signal always goes to the process found first, even if another process gets its number meanwhile.
pub(super) fn terminate(machine: &Machine, number: u32) -> Option<u32> {
    if !machine.is_this() {
        return Some(UNKNOWN_FAILURE);
    }
    let process = match pidfd_open(Pid::from_raw(i32::try_from(number).ok()?)?, PidfdFlags::empty()) {
        Ok(process) => process,
        // A number that belongs only to a thread is not a process.
        Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return None,
        Err(error) => return Some(code(error)),
    };
    for (signal, patience) in [(Signal::TERM, PATIENCE), (Signal::KILL, PATIENCE_WITH_KERNEL)] {
        match pidfd_send_signal(&process, signal) {
            Ok(()) if has_ended(&process, patience) => return Some(0),
            Ok(()) => {}
            // The process ended by itself before the signal.
            Err(Errno::SRCH) => return Some(0),
            Err(error) => return Some(code(error)),
        }
    }
    Some(UNKNOWN_FAILURE)
}

/// Returns whether the process ends within `patience`.
fn has_ended(process: &OwnedFd, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        let rest = Timespec {
            tv_sec: i64::try_from(rest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: rest.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)], Some(&rest)) {
            Ok(ended) => return ended > 0,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

fn code(error: Errno) -> u32 {
    if error == Errno::PERM || error == Errno::ACCESS { ACCESS_DENIED } else { UNKNOWN_FAILURE }
}

const PATIENCE: Duration = Duration::from_secs(5);

/// Killed processes end at once, unless they wait for a device.
const PATIENCE_WITH_KERNEL: Duration = Duration::from_secs(2);
