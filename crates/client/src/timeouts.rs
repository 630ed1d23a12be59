//! Time limits of operations.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::{Error, Waiting};

/// Time limits of one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// Limit for name resolution, connecting and TLS together.
    pub(crate) connect: Duration,
    /// Limit for the time without received data.
    pub(crate) idle: Duration,
    /// Limit for the whole operation, and the time at which it ends; `None` is unlimited.
    pub(crate) total: Option<(Duration, Instant)>,
}

/// Time limit that expired.
pub(crate) enum Expired {
    /// Limit of this wait.
    Step,
    /// Limit of the whole operation.
    Total(Error),
}

impl Timeouts {
    /// Waits for data, at most [`Self::idle`].
    pub(crate) async fn within_idle<T>(&self, wanted: impl Future<Output = T>) -> Result<T, Error> {
        self.within(self.idle, wanted).await.map_err(|expired| match expired {
            Expired::Step => Error::TimedOut { what: Waiting::Silence, after: self.idle },
            Expired::Total(error) => error,
        })
    }

    /// Waits until at least 100 ms have passed since the last request, so that a service that responds immediately
    /// with a timeout is not polled in a busy loop.
    pub(crate) async fn wait_before_retry(&self, started: Instant) -> Result<(), Error> {
        let next = started + MIN_POLL_INTERVAL;
        match self.total {
            Some((after, end)) if end <= next => {
                sleep_until(end).await;
                Err(Error::TimedOut { what: Waiting::Total, after })
            }
            _ => {
                sleep_until(next).await;
                Ok(())
            }
        }
    }

    /// Waits until the future is ready, but no longer than the limit and the limit of the whole operation.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        wanted: impl Future<Output = T>,
    ) -> Result<T, Expired> {
        let own = Instant::now() + limit;
        let until = self.total.map_or(own, |(_, end)| end.min(own));
        timeout_at(until, wanted).await.map_err(|_| match self.total {
            Some((after, end)) if end <= own => {
                Expired::Total(Error::TimedOut { what: Waiting::Total, after })
            }
            _ => Expired::Step,
        })
    }
}

/// Minimum interval between repeated requests.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(100);
