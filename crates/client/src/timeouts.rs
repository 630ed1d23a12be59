//! How long to wait, for what.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::{Error, Waiting};

/// The limits of one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For finding the host, connecting and TLS together.
    pub(crate) connect: Duration,
    /// For silence.
    pub(crate) idle: Duration,
    /// For everything, and when that ends.
    pub(crate) total: Option<(Duration, Instant)>,
}

/// What ended a wait that was too long.
pub(crate) enum Expired {
    /// The limit of this wait.
    Own,
    /// The limit of the whole operation.
    Total(Error),
}

impl Patience {
    /// Waits for bytes.
    pub(crate) async fn for_bytes<T>(&self, wanted: impl Future<Output = T>) -> Result<T, Error> {
        self.within(self.idle, wanted).await.map_err(|expired| match expired {
            Expired::Own => Error::TimedOut { what: Waiting::Silence, after: self.idle },
            Expired::Total(error) => error,
        })
    }

    /// Makes sure that a service which says at once that time is up is not asked at full speed.
    pub(crate) async fn before_asking_again(&self, asked: Instant) -> Result<(), Error> {
        let next = asked + LEAST_BETWEEN_QUESTIONS;
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

    /// Waits for as long as the limit and the whole operation allow.
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
            _ => Expired::Own,
        })
    }
}

const LEAST_BETWEEN_QUESTIONS: Duration = Duration::from_millis(100);
