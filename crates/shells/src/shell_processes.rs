//! Processes of one shell: limits, and their count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wsman::Fault;

use crate::fault;
use crate::limits::ProcessLimiter;
use crate::process_monitor::{MonitoredShell, ProcessMonitor, snapshot};
use crate::processes::Snapshot;

/// Limits and count of the processes of one shell.
pub struct ShellProcesses {
    limiter: Arc<ProcessLimiter>,
    /// Number of processes at the last count.
    counted: AtomicUsize,
    /// Whether a process was started, which may have left others behind.
    has_run: AtomicBool,
    monitor: Arc<ProcessMonitor>,
}

impl ShellProcesses {
    /// Begins without processes.
    #[must_use]
    pub fn new(limiter: ProcessLimiter, monitor: Arc<ProcessMonitor>) -> Self {
        let (counted, has_run) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { limiter: Arc::new(limiter), counted, has_run, monitor }
    }

    /// Returns the limiter, for new processes.
    #[must_use]
    pub fn limiter(&self) -> &Arc<ProcessLimiter> {
        &self.limiter
    }

    /// Returns whether counting the processes requires a snapshot of the machine.
    #[must_use]
    pub fn needs_snapshot(&self) -> bool {
        self.limiter.needs_snapshot() && self.has_run.load(Ordering::Relaxed)
    }

    /// Returns the number of processes. `groups` are the process groups of the shell.
    #[must_use]
    pub fn number_in(&self, groups: &[u32], snapshot: &Snapshot) -> usize {
        self.limiter.processes(groups, snapshot).len()
    }

    /// Counts the processes. Kills those above the memory limit, and the youngest ones above the process limit. Returns
    /// `false` if there are no processes and no groups.
    pub fn count(&self, shell: &str, groups: &[u32], snapshot: &Snapshot) -> bool {
        let mut processes = self.limiter.processes(groups, snapshot);
        self.counted.store(processes.len(), Ordering::Relaxed);
        for process in processes.extract_if(.., |process| self.limiter.is_exceeded_by(process)) {
            tracing::warn!(shell, "Killed a process that exceeds MaxMemoryPerShellMB");
            process.kill();
        }
        let limit = self.limit().unwrap_or(usize::MAX);
        if processes.len() > limit {
            tracing::warn!(
                shell,
                processes = processes.len(),
                limit,
                "Killed the youngest processes of a shell that exceeds MaxProcessesPerShell"
            );
            processes.sort_by_key(|process| process.started);
            for process in processes.iter().skip(limit) {
                process.kill();
            }
        }
        !processes.is_empty() || !groups.is_empty()
    }

    /// Refuses another process if the shell has reached its process limit (MS-WSMV 2.2.4.42).
    ///
    /// # Errors
    /// `w:InternalError` with the code for an exceeded quota.
    pub async fn require_room(&self, groups: &[u32]) -> Result<(), Fault> {
        let Some(limit) = self.limit() else { return Ok(()) };
        // Sequential commands need no snapshot each: the last count shows whether processes were left behind.
        let is_needed = !groups.is_empty() || self.counted.load(Ordering::Relaxed) > 0;
        let is_needed = is_needed && self.limiter.needs_snapshot();
        let snapshot = if is_needed { snapshot().await } else { Snapshot::default() };
        let processes = self.number_in(groups, &snapshot);
        if processes < limit { Ok(()) } else { Err(fault::too_many_processes(processes, limit)) }
    }

    /// Records that a process was started, and counts the processes of the shell from now on if a limit requires it.
    pub fn mark_started(&self, shell: &Arc<dyn MonitoredShell>) {
        self.has_run.store(true, Ordering::Relaxed);
        if self.limiter.needs_counting() {
            self.monitor.count(shell);
        }
    }

    /// Begins to kill the processes that left their groups. Does not block; [`close`](Self::close) follows.
    pub fn begin_close(&self) {
        if let Some(mark) = self.limiter.mark()
            && self.has_run.load(Ordering::Relaxed)
        {
            self.monitor.clean_up(mark);
        }
    }

    /// Kills the remaining processes and removes their control group.
    pub async fn close(&self) {
        self.limiter.close().await;
    }

    fn limit(&self) -> Option<usize> {
        self.limiter.limits().processes.map(|limit| usize::try_from(limit.get()).unwrap_or(usize::MAX))
    }
}
