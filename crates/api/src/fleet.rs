//! One operation on many machines.

use std::future::Future;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

pub use client::{FleetStop, FleetSummary};

use client::{FleetEvent, FleetHost, FleetLimits, run_fleet};

use crate::error::Error;
use crate::session::Session;

/// Sessions with many machines that run the same operation, a limited number at the same time.
///
/// ```no_run
/// use std::time::Duration;
/// use telarch::{Fleet, Session};
///
/// # async fn example(sessions: Vec<Session>) {
/// let fleet = Fleet::new(sessions).parallel(50).host_time(Duration::from_secs(60)).max_failures(10);
/// let summary = fleet
///     .run(
///         |session| async move { session.run("uname -r", &[], Default::default()).await },
///         |place, result| match result {
///             Ok(finished) => println!("{place}: {}", String::from_utf8_lossy(&finished.stdout)),
///             Err(reason) => eprintln!("{place}: {reason}"),
///         },
///     )
///     .await;
/// println!("{} machines, {} not started", summary.started, summary.not_started);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fleet {
    sessions: Vec<Session>,
    limits: FleetLimits,
}

/// Reason why the operation of a machine has no result.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The operation failed.
    #[error(transparent)]
    Failed(#[from] Error),
    /// A limit ended the operation.
    #[error("{0}")]
    Stopped(FleetStop),
}

impl Fleet {
    /// Returns a fleet of these machines.
    pub fn new(sessions: impl IntoIterator<Item = Session>) -> Self {
        Self { sessions: sessions.into_iter().collect(), limits: FleetLimits::default() }
    }

    /// Sets the maximum number of machines at the same time (default: 32); 0 is 1.
    #[must_use]
    pub fn parallel(mut self, machines: usize) -> Self {
        self.limits.parallel = NonZeroUsize::new(machines).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Sets the time limit of each machine (default: none).
    #[must_use]
    pub fn host_time(mut self, limit: Duration) -> Self {
        self.limits.host_time = Some(limit);
        self
    }

    /// Sets the time limit of all machines together (default: none).
    #[must_use]
    pub fn total_time(mut self, limit: Duration) -> Self {
        self.limits.total_time = Some(limit);
        self
    }

    /// Sets the number of failed machines after which the rest is not started and running operations are stopped
    /// (default: no limit); 0 is 1.
    #[must_use]
    pub fn max_failures(mut self, machines: usize) -> Self {
        self.limits.max_failures = Some(NonZeroUsize::new(machines).unwrap_or(NonZeroUsize::MIN));
        self
    }

    /// Runs an operation on each machine, and passes each result with the place of its session as soon as it is
    /// available.
    ///
    /// An operation that is stopped is dropped: its shells and pipelines are closed in the background.
    pub async fn run<T, F>(
        self,
        mut operation: impl FnMut(Session) -> F,
        mut receive: impl FnMut(usize, Result<T, FleetError>),
    ) -> FleetSummary
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let start = |session, host: FleetHost<(), Result<T, FleetError>>| {
            let running = operation(session);
            async move {
                tokio::select! {
                    result = running => result.map_err(FleetError::from),
                    reason = host.stopped() => Err(FleetError::Stopped(reason)),
                }
            }
        };
        let take = |event: FleetEvent<(), Result<T, FleetError>>| {
            let FleetEvent::Ended(place, result) = event else { return ControlFlow::Continue(false) };
            let is_failed = result.is_err();
            receive(place, result);
            ControlFlow::Continue(is_failed)
        };
        run_fleet(self.sessions, self.limits, std::future::pending(), start, take).await
    }
}
