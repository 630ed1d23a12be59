//! Task that keeps a Receive request of a pool open, which receives its messages and keeps it alive.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wsman::shell::{CommandState, Received};

use super::shared::Shared;
use crate::error::Error;
use crate::shell::command::receive;

/// Starts the task; it ends with the pool.
pub(super) fn start(shared: &Arc<Shared>) {
    let keeper = tokio::spawn(keep(Arc::downgrade(shared)));
    shared.set_keeper(Some(keeper.abort_handle()));
}

async fn keep(pool: Weak<Shared>) {
    let mut loss = ConnectionLoss::default();
    loop {
        let Some(shared) = pool.upgrade() else { return };
        let (channel, timeouts) = (shared.channel.clone(), shared.timeouts());
        // The request must not keep a pool that is not used any more.
        drop(shared);
        let asked = Instant::now();
        let received = receive(channel, vec!["stdout".to_owned()], timeouts).await;
        let Some(shared) = pool.upgrade() else { return };
        let applied = match received {
            Ok(received) => {
                loss = ConnectionLoss::default();
                let is_empty = received.streams.is_empty();
                apply(&shared, received).map(|progress| (progress, is_empty))
            }
            Err(error) => match loss.wait(error).await {
                Ok(()) => continue,
                Err(error) => Err(error),
            },
        };
        let kept = match applied {
            Ok((Progress::Ended, _)) => {
                Err(Error::PoolUnusable { reason: "the service has closed it".to_owned() })
            }
            Ok((Progress::More, true)) => timeouts.wait_before_retry(asked).await,
            Ok((Progress::More, false)) => shared.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            return shared.fail(match error {
                Error::PoolUnusable { reason } => reason,
                error => error.to_string(),
            });
        }
    }
}

/// Whether more messages may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    Ended,
}

/// Applies a response to the pool. Messages of pipelines arrive with the Receive requests of these pipelines.
pub(super) fn apply(shared: &Shared, received: Received) -> Result<Progress, Error> {
    for piece in received.streams.iter().filter(|piece| !piece.octets.is_empty()) {
        let strays = shared.receive_piece(&piece.octets)?;
        if !strays.is_empty() {
            tracing::debug!(count = strays.len(), "Dropped messages of pipelines among those of their pool");
        }
    }
    match received.state {
        Some(CommandState::Done { .. }) => Ok(Progress::Ended),
        _ => Ok(Progress::More),
    }
}

/// Attempts to reach a service again whose connection was lost.
#[derive(Debug, Default)]
pub(super) struct ConnectionLoss {
    since: Option<Instant>,
}

impl ConnectionLoss {
    /// Waits before the next attempt after a lost connection.
    ///
    /// # Errors
    /// The error if it is another one, or if the connection has been lost for four minutes.
    pub(super) async fn wait(&mut self, error: Error) -> Result<(), Error> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if !error.is_connection_loss() || since.elapsed() > LONGEST_LOSS {
            return Err(error);
        }
        tracing::debug!(%error, "Connection lost; trying again");
        sleep(RETRY_INTERVAL).await;
        Ok(())
    }
}

/// Time after which a lost connection is an error: what PowerShell waits for.
const LONGEST_LOSS: Duration = Duration::from_secs(240);
/// Pause between attempts to connect again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
