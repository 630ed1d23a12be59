//! One operation on many hosts: a limited number at the same time, with time limits and a limit of failures.
//!
//! Each host runs as a task that reports [`FleetEvent`]s. Reports wait while the reader is slow, so that memory is
//! limited by the number of running hosts.

use std::future::Future;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Limits of an operation on many hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetLimits {
    /// Maximum number of hosts at the same time; the default is 32.
    pub parallel: NonZeroUsize,
    /// Time limit for one host.
    pub host_time: Option<Duration>,
    /// Time limit for all hosts together.
    pub total_time: Option<Duration>,
    /// Number of failed hosts after which no other host is started and running hosts are stopped.
    pub max_failures: Option<NonZeroUsize>,
}

impl Default for FleetLimits {
    fn default() -> Self {
        Self { parallel: DEFAULT_PARALLEL, host_time: None, total_time: None, max_failures: None }
    }
}

/// Reason why a host is stopped before its operation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetStop {
    /// The time limit of the host has expired.
    HostTime,
    /// The time limit of all hosts has expired.
    TotalTime,
    /// Too many hosts have failed.
    Failures,
    /// The user or the reader has ended the operation.
    Interrupted,
}

impl std::fmt::Display for FleetStop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::HostTime => "stopped: the time limit of the host expired",
            Self::TotalTime => "stopped: the total time limit expired",
            Self::Failures => "stopped: too many hosts failed",
            Self::Interrupted => "stopped: interrupted",
        })
    }
}

/// Report about a host, which is identified by its place in the list of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FleetEvent<E, T> {
    /// Event of a running host, such as output.
    Output(usize, E),
    /// Result of a host. There is exactly one for each host that was started, after all of its other events.
    Ended(usize, T),
}

/// Handle of a running host for its reports and its limits.
#[derive(Clone, Debug)]
pub struct FleetHost<E, T> {
    index: usize,
    events: mpsc::Sender<FleetEvent<E, T>>,
    stop: watch::Receiver<Option<FleetStop>>,
    deadline: Option<Instant>,
}

impl<E, T> FleetHost<E, T> {
    /// Place of the host in the list of hosts.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Reports an event; waits while the reader is slow.
    pub async fn report(&self, event: E) {
        // The reader ends only after all hosts.
        let _ = self.events.send(FleetEvent::Output(self.index, event)).await;
    }

    /// Waits until the host must end. The operation should then end what it has started on the host, and return.
    pub async fn stopped(&self) -> FleetStop {
        let mut stop = self.stop.clone();
        let stopped = async {
            match stop.wait_for(Option::is_some).await {
                Ok(reason) => reason.unwrap_or(FleetStop::Interrupted),
                Err(_) => FleetStop::Interrupted,
            }
        };
        match self.deadline {
            None => stopped.await,
            Some(deadline) => tokio::select! {
                biased;
                reason = stopped => reason,
                () = sleep_until(deadline) => FleetStop::HostTime,
            },
        }
    }
}

/// Result of an operation on many hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetSummary {
    /// Number of hosts that were started.
    pub started: usize,
    /// Number of hosts that were not started, because the operation was stopped before.
    pub not_started: usize,
    /// Reason why the operation was stopped early.
    pub stop: Option<FleetStop>,
}

/// Runs an operation on each host and passes its events to `receive`, in the order in which they occur.
///
/// `start` returns the operation of a host. `receive` returns whether the host failed with
/// [`ControlFlow::Continue`]`(true)`, and ends the operation with [`ControlFlow::Break`]. When `interrupted` completes,
/// running hosts are stopped; their results still arrive.
pub async fn run_fleet<H, E, T, F>(
    hosts: impl IntoIterator<Item = H>,
    limits: FleetLimits,
    interrupted: impl Future<Output = ()>,
    mut start: impl FnMut(H, FleetHost<E, T>) -> F,
    mut receive: impl FnMut(FleetEvent<E, T>) -> ControlFlow<(), bool>,
) -> FleetSummary
where
    E: Send + 'static,
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut hosts = hosts.into_iter().enumerate().fuse();
    let (sender, mut events) = mpsc::channel(EVENTS_PER_FLEET);
    let (stopper, stop) = watch::channel(None);
    let total = limits.total_time.map(|limit| Instant::now() + limit);
    let mut running = JoinSet::new();
    let (mut summary, mut failures) = (FleetSummary::default(), 0_usize);
    tokio::pin!(interrupted);
    loop {
        while summary.stop.is_none() && running.len() < limits.parallel.get() {
            let Some((index, host)) = hosts.next() else { break };
            let deadline = limits.host_time.map(|limit| Instant::now() + limit);
            let handle = FleetHost { index, events: sender.clone(), stop: stop.clone(), deadline };
            let results = handle.events.clone();
            let operation = start(host, handle);
            running.spawn(async move {
                let _ = results.send(FleetEvent::Ended(index, operation.await)).await;
            });
            summary.started += 1;
        }
        if running.is_empty() {
            break;
        }
        let reason = tokio::select! {
            biased;
            () = &mut interrupted, if summary.stop.is_none() => Some(FleetStop::Interrupted),
            () = wait_until(total), if summary.stop.is_none() => Some(FleetStop::TotalTime),
            // The result of a host is in the channel before its task ends.
            Some(event) = events.recv() => match receive(event) {
                ControlFlow::Break(()) => Some(FleetStop::Interrupted),
                ControlFlow::Continue(true) => {
                    failures += 1;
                    limits.max_failures.filter(|most| failures >= most.get()).map(|_| FleetStop::Failures)
                }
                ControlFlow::Continue(false) => None,
            },
            Some(_) = running.join_next() => None,
        };
        if let Some(reason) = reason.filter(|_| summary.stop.is_none()) {
            summary.stop = Some(reason);
            stopper.send_replace(Some(reason));
        }
    }
    while let Ok(event) = events.try_recv() {
        let _ = receive(event);
    }
    summary.not_started = hosts.count();
    summary
}

async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Default number of concurrent hosts, the same as `-ThrottleLimit` of PowerShell.
const DEFAULT_PARALLEL: NonZeroUsize = NonZeroUsize::MIN.saturating_add(31);
/// Number of events that wait for the reader, before hosts wait.
const EVENTS_PER_FLEET: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(parallel: usize) -> FleetLimits {
        FleetLimits { parallel: NonZeroUsize::new(parallel).expect("not zero"), ..FleetLimits::default() }
    }

    #[tokio::test]
    async fn every_host_ends_once_and_only_some_run_at_the_same_time() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};

        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut log = vec![Vec::new(); 50];
        let summary = run_fleet(
            0..50_usize,
            limits(4),
            std::future::pending(),
            |host, handle| {
                let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                async move {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    for part in 0..200 {
                        handle.report(part).await;
                    }
                    running.fetch_sub(1, Ordering::SeqCst);
                    host
                }
            },
            |event| {
                match event {
                    FleetEvent::Output(index, part) => log[index].push(part),
                    FleetEvent::Ended(index, host) => {
                        assert_eq!((index, log[index].len()), (host, 200));
                        log[index].push(1_000);
                    }
                }
                ControlFlow::Continue(false)
            },
        )
        .await;
        assert_eq!(summary, FleetSummary { started: 50, not_started: 0, stop: None });
        assert!(log.iter().all(|parts| parts.len() == 201));
        assert!(most.load(Ordering::SeqCst) <= 4);
    }

    /// Runs hosts that fail if their number is odd and hang if it is above 90; returns the results.
    async fn run(limits: FleetLimits, hosts: &[u32]) -> (FleetSummary, Vec<Result<u32, Option<FleetStop>>>) {
        let mut results = Vec::new();
        let summary = run_fleet(
            hosts.to_vec(),
            limits,
            std::future::pending(),
            |host, handle: FleetHost<(), _>| async move {
                match host {
                    91.. => Err(Some(handle.stopped().await)),
                    host if host % 2 == 1 => Err(None),
                    host => Ok(host),
                }
            },
            |event| {
                let FleetEvent::Ended(_, result) = event else { return ControlFlow::Continue(false) };
                results.push(result);
                ControlFlow::Continue(result.is_err())
            },
        )
        .await;
        (summary, results)
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_are_stopped_by_their_limits() {
        let host_time = Some(Duration::from_secs(5));
        let (summary, results) = run(FleetLimits { host_time, ..limits(2) }, &[2, 99, 4, 98, 6]).await;
        assert_eq!((summary.started, summary.stop), (5, None));
        assert_eq!(results.iter().filter(|result| **result == Err(Some(FleetStop::HostTime))).count(), 2);

        let total_time = Some(Duration::from_secs(5));
        let (summary, results) = run(FleetLimits { total_time, ..limits(2) }, &[99, 98, 2, 4]).await;
        assert_eq!(summary, FleetSummary { started: 2, not_started: 2, stop: Some(FleetStop::TotalTime) });
        assert_eq!(results, [Err(Some(FleetStop::TotalTime)); 2]);

        let max_failures = NonZeroUsize::new(2);
        let (summary, results) = run(FleetLimits { max_failures, ..limits(3) }, &[99, 1, 3, 2, 4]).await;
        assert_eq!((summary.stop, summary.started + summary.not_started), (Some(FleetStop::Failures), 5));
        assert!(results.contains(&Err(Some(FleetStop::Failures))), "{results:?}");

        assert_eq!(run(limits(1), &[]).await.0, FleetSummary::default());
    }

    #[tokio::test]
    async fn an_interrupt_stops_running_hosts() {
        let mut results = Vec::new();
        let summary = run_fleet(
            0..10,
            limits(3),
            std::future::ready(()),
            |_, handle: FleetHost<(), _>| async move { handle.stopped().await },
            |event| {
                results.push(event);
                ControlFlow::Continue(true)
            },
        )
        .await;
        assert_eq!(summary, FleetSummary { started: 3, not_started: 7, stop: Some(FleetStop::Interrupted) });
        assert_eq!(results.len(), 3);
    }
}
