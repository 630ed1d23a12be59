//! The processes of hosts, as far as it takes to end them.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use broker::Link;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A host and the process that keeps its session.
pub(super) struct HostProcess {
    link: Arc<Link>,
    /// The process that keeps the session, a child of this one; none where the kernel has no such descriptors.
    keeper: Option<OwnedFd>,
    /// The host, a child of that one.
    host: OnceLock<OwnedFd>,
}

impl HostProcess {
    /// `keeper` was started and not waited for.
    pub(super) fn new(link: Arc<Link>, keeper: &Child) -> Self {
        let keeper = pidfd_open(Pid::from_child(keeper), PidfdFlags::empty()).ok();
        Self { link, keeper, host: OnceLock::new() }
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// What the keeper has said that the host is.
    pub(super) fn set_host(&self, host: Option<OwnedFd>) {
        if let Some(host) = host {
            let _ = self.host.set(host);
        }
    }

    /// Kills the host, after which the keeper closes the session and ends; or the keeper, as long as there is no host.
    pub(super) fn kill(&self) {
        match self.host.get() {
            Some(host) => _ = pidfd_send_signal(host, Signal::KILL),
            None => self.kill_keeper(),
        }
    }

    fn kill_keeper(&self) {
        if let Some(keeper) = &self.keeper {
            let _ = pidfd_send_signal(keeper, Signal::KILL);
        }
    }

    /// Waits for the end of the keeper, which ends after its host.
    pub(super) fn has_ended_within(&self, time: Duration) -> bool {
        let Some(keeper) = &self.keeper else { return true };
        let until = Instant::now() + time;
        loop {
            let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
            match poll(&mut [PollFd::new(keeper, PollFlags::IN)], left.as_ref()) {
                Ok(ended) => return ended > 0,
                Err(rustix::io::Errno::INTR) => {}
                // What cannot be waited for is waited for by the caller.
                Err(_) => return true,
            }
        }
    }
}

/// Every host process that has not ended.
#[derive(Default)]
pub(super) struct Alive {
    processes: Mutex<Processes>,
    one_ended: Condvar,
}

#[derive(Default)]
struct Processes {
    last: u64,
    all: HashMap<u64, Arc<HostProcess>>,
    /// None is started any more.
    are_ending: bool,
}

/// A process that is counted until this is dropped, after it was waited for.
pub(super) struct Counted {
    process: Arc<HostProcess>,
    number: u64,
    alive: Arc<Alive>,
}

impl Alive {
    pub(super) fn add(self: &Arc<Self>, process: HostProcess) -> Counted {
        let process = Arc::new(process);
        let mut processes = self.locked();
        processes.last += 1;
        let number = processes.last;
        processes.all.insert(number, Arc::clone(&process));
        if processes.are_ending {
            process.link.close();
        }
        drop(processes);
        Counted { process, number, alive: Arc::clone(self) }
    }

    /// Ends all of them and waits until they have ended, for as long as `patience` at most: in the last third hosts that
    /// have not ended are killed, and then the processes that keep their sessions.
    pub(super) fn end(&self, patience: Duration) {
        let begin = Instant::now();
        {
            let mut processes = self.locked();
            processes.are_ending = true;
            for process in processes.all.values() {
                process.link.close();
            }
        }
        if self.are_gone(begin + patience * 2 / 3) {
            return;
        }
        let killed = self.for_all(HostProcess::kill);
        tracing::warn!(hosts = killed, "Hosts do not end by themselves and are killed");
        if self.are_gone(begin + patience * 5 / 6) {
            return;
        }
        self.for_all(HostProcess::kill_keeper);
        if !self.are_gone(begin + patience) {
            tracing::warn!(hosts = self.locked().all.len(), "Hosts still run");
        }
    }

    fn for_all(&self, each: impl Fn(&HostProcess)) -> usize {
        let processes = self.locked();
        processes.all.values().for_each(|process| each(process));
        processes.all.len()
    }

    /// Waits until there are none.
    fn are_gone(&self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let are_there = |processes: &mut Processes| !processes.all.is_empty();
        let waited = self.one_ended.wait_timeout_while(self.locked(), left, are_there);
        waited.unwrap_or_else(PoisonError::into_inner).0.all.is_empty()
    }

    fn locked(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::ops::Deref for Counted {
    type Target = HostProcess;

    fn deref(&self) -> &HostProcess {
        &self.process
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.locked().all.remove(&self.number);
        self.alive.one_ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::thread;

    use super::*;

    #[test]
    fn the_end_does_not_wait_for_a_host_that_was_stopped() {
        let alive = Arc::<Alive>::default();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("a process");
        let pid = Pid::from_child(&child);
        rustix::process::kill_process(pid, Signal::STOP).expect("it can be stopped");
        let (link, _theirs) = Link::pair().expect("a link");
        let process = alive.add(HostProcess::new(Arc::new(link), &child));
        process.set_host(pidfd_open(pid, PidfdFlags::empty()).ok());
        let waiting = thread::spawn(move || {
            let status = child.wait();
            drop(process);
            status
        });
        alive.end(Duration::from_secs(3));
        let status = waiting.join().expect("no panic").expect("it has ended");
        assert!(!status.success(), "it was killed");
        assert!(alive.locked().all.is_empty());
    }
}
