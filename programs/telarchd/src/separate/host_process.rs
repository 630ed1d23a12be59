//! Supervision of host processes by the broker.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use broker::Link;
use locks::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A host and its session process.
pub(super) struct HostProcess {
    link: Arc<Link>,
    /// Process descriptor of the session process, a child of the broker; `None` if the kernel lacks such descriptors.
    session_process: Option<OwnedFd>,
    /// Process descriptor of the host, a child of the session process.
    host: OnceLock<OwnedFd>,
}

impl HostProcess {
    /// Creates the object for a session process that was started and not waited for.
    pub(super) fn new(link: Arc<Link>, session_process: &Child) -> Self {
        let session_process = pidfd_open(Pid::from_child(session_process), PidfdFlags::empty()).ok();
        Self { link, session_process, host: OnceLock::new() }
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Sets the descriptor of the host process, which the session process has sent.
    pub(super) fn set_host(&self, host: Option<OwnedFd>) {
        if let Some(host) = host {
            let _ = self.host.set(host);
        }
    }

    /// Kills the host, after which the session process closes the session and ends; without a host, kills the session
    /// process.
    pub(super) fn kill(&self) {
        match self.host.get() {
            Some(host) => _ = pidfd_send_signal(host, Signal::KILL),
            None => self.kill_session_process(),
        }
    }

    fn kill_session_process(&self) {
        if let Some(session_process) = &self.session_process {
            let _ = pidfd_send_signal(session_process, Signal::KILL);
        }
    }

    /// Waits until the session process has ended, which it does after its host. Returns `false` if the time is over
    /// first.
    pub(super) fn wait_for_end(&self, time: Duration) -> bool {
        let Some(session_process) = &self.session_process else { return true };
        let until = Instant::now() + time;
        loop {
            let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
            match poll(&mut [PollFd::new(session_process, PollFlags::IN)], left.as_ref()) {
                Ok(ended) => return ended > 0,
                Err(rustix::io::Errno::INTR) => {}
                // The caller waits with waitpid(2) instead.
                Err(_) => return true,
            }
        }
    }
}

/// All host processes that have not ended.
#[derive(Default)]
pub(super) struct HostProcesses {
    processes: Mutex<Processes>,
    one_ended: Condvar,
}

#[derive(Default)]
struct Processes {
    last: u64,
    all: HashMap<u64, Arc<HostProcess>>,
    /// Set when no new host may start.
    are_ending: bool,
}

/// Entry of a process, which is removed on drop, after the process was waited for.
pub(super) struct RegisteredProcess {
    process: Arc<HostProcess>,
    number: u64,
    alive: Arc<HostProcesses>,
}

impl HostProcesses {
    pub(super) fn add(self: &Arc<Self>, process: HostProcess) -> RegisteredProcess {
        let process = Arc::new(process);
        let mut processes = self.processes.lock();
        processes.last += 1;
        let number = processes.last;
        processes.all.insert(number, Arc::clone(&process));
        if processes.are_ending {
            process.link.close();
        }
        drop(processes);
        RegisteredProcess { process, number, alive: Arc::clone(self) }
    }

    /// Ends all processes and waits at most for the time `patience`. After two thirds of it, remaining hosts are
    /// killed, and then their session processes.
    pub(super) fn end(&self, patience: Duration) {
        let begin = Instant::now();
        {
            let mut processes = self.processes.lock();
            processes.are_ending = true;
            for process in processes.all.values() {
                process.link.close();
            }
        }
        if self.wait_until_empty(begin + patience * 2 / 3) {
            return;
        }
        let killed = self.for_all(HostProcess::kill);
        tracing::warn!(hosts = killed, "Killing hosts that do not end");
        if self.wait_until_empty(begin + patience * 5 / 6) {
            return;
        }
        self.for_all(HostProcess::kill_session_process);
        if !self.wait_until_empty(begin + patience) {
            tracing::warn!(hosts = self.processes.lock().all.len(), "Some hosts are still running");
        }
    }

    fn for_all(&self, each: impl Fn(&HostProcess)) -> usize {
        let processes = self.processes.lock();
        processes.all.values().for_each(|process| each(process));
        processes.all.len()
    }

    /// Waits until there is no process; returns `false` if the time is over first.
    fn wait_until_empty(&self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self
            .one_ended
            .wait_timeout_while(self.processes.lock(), left, |processes| !processes.all.is_empty());
        waited.0.all.is_empty()
    }
}

impl std::ops::Deref for RegisteredProcess {
    type Target = HostProcess;

    fn deref(&self) -> &HostProcess {
        &self.process
    }
}

impl Drop for RegisteredProcess {
    fn drop(&mut self) {
        self.alive.processes.lock().all.remove(&self.number);
        self.alive.one_ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::thread;

    use super::*;

    #[test]
    fn the_end_does_not_wait_for_a_stopped_host() {
        let alive = Arc::<HostProcesses>::default();
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
        assert!(!status.success(), "the process was killed");
        assert!(alive.processes.lock().all.is_empty());
    }
}
