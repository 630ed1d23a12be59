//! Monitor of shell processes, which runs several times a second while there are any.

use std::sync::{Arc, Weak};
use std::time::Duration;

use locks::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::processes::{Mark, Snapshot};

/// A shell whose processes are counted.
pub trait MonitoredShell: Send + Sync {
    /// Returns whether counting requires a snapshot of the machine's processes.
    fn needs_snapshot(&self) -> bool;

    /// Counts the processes and kills those above a limit. Returns `false` if the shell has no processes.
    fn count(&self, snapshot: &Snapshot) -> bool;
}

/// Counts the processes of shells with limits, and kills processes that closed shells left behind.
///
/// All shells share one scan of the machine's processes, so that many shells cost no more than one.
#[derive(Default)]
pub struct ProcessMonitor {
    state: Mutex<MonitorState>,
    /// Notifies the task of new work.
    new_work: Notify,
}

#[derive(Default)]
struct MonitorState {
    shells: Vec<Weak<dyn MonitoredShell>>,
    closed_shells: Vec<ClosedShell>,
    /// Whether the monitoring task is running.
    is_running: bool,
    last: Option<Instant>,
    /// Duration of the last scan.
    took: Duration,
}

/// A closed shell whose processes are killed.
struct ClosedShell {
    mark: Mark,
    scans: u32,
}

/// Subjects of one scan.
struct Scan {
    shells: Vec<Arc<dyn MonitoredShell>>,
    marks: Vec<Mark>,
}

impl ProcessMonitor {
    /// Counts the processes of a shell until it has none.
    pub fn count(self: &Arc<Self>, shell: &Arc<dyn MonitoredShell>) {
        {
            let mut state = self.state.lock();
            if state.shells.iter().any(|known| std::ptr::addr_eq(known.as_ptr(), Arc::as_ptr(shell))) {
                return;
            }
            state.shells.push(Arc::downgrade(shell));
        }
        self.begin();
    }

    /// Kills the processes of a closed shell in the next scan.
    pub fn clean_up(self: &Arc<Self>, mark: &Mark) {
        self.state.lock().closed_shells.push(ClosedShell { mark: mark.clone(), scans: 0 });
        self.new_work.notify_one();
        self.begin();
    }

    /// Returns when no process of a closed shell is left, or after the maximum number of scans.
    pub async fn finish(&self) {
        while !self.state.lock().closed_shells.is_empty() {
            self.scan().await;
        }
    }

    fn begin(self: &Arc<Self>) {
        let was_running = std::mem::replace(&mut self.state.lock().is_running, true);
        if !was_running {
            let monitor = Arc::clone(self);
            tokio::spawn(async move { while monitor.next_scan().await {} });
        }
    }

    /// Waits for the time of the next scan and performs it; returns `false` if there is nothing to monitor.
    async fn next_scan(&self) -> bool {
        loop {
            let due = {
                let mut state = self.state.lock();
                if state.shells.is_empty() && state.closed_shells.is_empty() {
                    state.is_running = false;
                    return false;
                }
                let now = Instant::now();
                // A command that was just started needs no immediate count.
                let interval = interval(state.took);
                if state.closed_shells.is_empty() {
                    now + interval
                } else {
                    state.last.map_or(now, |last| last + interval)
                }
            };
            tokio::select! {
                () = sleep_until(due) => break,
                () = self.new_work.notified() => {}
            }
        }
        self.scan().await;
        true
    }

    async fn scan(&self) {
        let began = std::time::Instant::now();
        let Scan { shells, marks } = self.state();
        let needed = !marks.is_empty() || shells.iter().any(|shell| shell.needs_snapshot());
        let snapshot = if needed { snapshot().await } else { Snapshot::default() };
        let mut ended = Vec::new();
        for mark in marks {
            let left = snapshot.members(&[], Some(&mark));
            if left.is_empty() {
                ended.push(mark);
            }
            for process in left {
                process.kill();
            }
        }
        let idle: Vec<_> = shells.iter().filter(|shell| !shell.count(&snapshot)).map(address).collect();

        let mut state = self.state.lock();
        state.last = Some(Instant::now());
        state.took = began.elapsed();
        state.shells.retain(|shell| shell.strong_count() > 0 && !idle.contains(&shell.as_ptr().cast()));
        state.closed_shells.retain_mut(|left| {
            left.scans += 1;
            if left.scans > MAX_SCANS {
                tracing::warn!("Processes of a closed shell cannot be killed, or start new ones too fast");
            }
            left.scans <= MAX_SCANS && !ended.contains(&left.mark)
        });
    }

    fn state(&self) -> Scan {
        let state = self.state.lock();
        Scan {
            shells: state.shells.iter().filter_map(Weak::upgrade).collect(),
            marks: state.closed_shells.iter().map(|left| left.mark.clone()).collect(),
        }
    }
}

/// Returns the address of a shell, by which it is recognised.
fn address(shell: &Arc<dyn MonitoredShell>) -> *const () {
    Arc::as_ptr(shell).cast()
}

/// Takes a snapshot of the machine's processes on a blocking thread.
pub async fn snapshot() -> Snapshot {
    // Fails only when the runtime shuts down.
    tokio::task::spawn_blocking(Snapshot::take).await.unwrap_or_default()
}

/// Returns the interval between two scans. A scan takes at most a twentieth of the time, up to the maximum interval.
fn interval(took: Duration) -> Duration {
    (took * 20).clamp(MIN_INTERVAL, MAX_INTERVAL)
}

const MIN_INTERVAL: Duration = Duration::from_millis(200);
const MAX_INTERVAL: Duration = Duration::from_millis(900);
/// Maximum number of scans for processes of a closed shell.
const MAX_SCANS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scan_interval_depends_on_the_duration_of_a_scan() {
        let milliseconds = Duration::from_millis;
        for (took, expected) in [(0, 200), (10, 200), (20, 400), (1_000, 900)] {
            assert_eq!(interval(milliseconds(took)), milliseconds(expected), "{took}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_when_there_is_nothing_to_monitor() {
        let monitor = Arc::new(ProcessMonitor::default());
        assert!(!monitor.next_scan().await);
        assert!(!monitor.state.lock().is_running);
        // The processes of this shell have already ended.
        monitor.clean_up(&Mark::new("gone".to_owned()));
        monitor.finish().await;
        while monitor.state.lock().is_running {
            tokio::time::sleep(MIN_INTERVAL).await;
        }
    }
}
