//! Events of a subscription as a stream.

use std::time::Duration;

use limits::Permit;
use sddl::Sid;
use service::{BoxFuture, Item, Items};
use tokio::sync::mpsc;
use wsman::Fault;

use crate::error::EventLogError;
use crate::reader::Reader;

/// Stream of events, filled by a task that reads the logs while the subscriber has room.
pub(crate) struct EventStream {
    items: mpsc::Receiver<Result<Item, Fault>>,
    /// Counts the subscription.
    _permit: Permit<Sid>,
}

/// Interval in which the logs are read again.
const POLL: Duration = Duration::from_millis(500);
/// Number of events that wait for the subscriber, besides those of the current step.
const WAITING: usize = 16;

impl EventStream {
    pub(crate) fn start(reader: Reader, permit: Permit<Sid>) -> Self {
        let (sender, items) = mpsc::channel(WAITING);
        tokio::spawn(follow(reader, sender));
        Self { items, _permit: permit }
    }
}

impl Items for EventStream {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(self.items.recv())
    }
}

/// Sends events until the subscription ends, or a log cannot be read.
async fn follow(mut reader: Reader, sender: mpsc::Sender<Result<Item, Fault>>) {
    loop {
        let reading = tokio::task::spawn_blocking(move || {
            let step = reader.step();
            (reader, step)
        });
        let Ok((returned, step)) = reading.await else {
            let _ = sender.send(Err(EventLogError::Aborted.into())).await;
            return;
        };
        reader = returned;
        let step = match step {
            Ok(step) => step,
            Err(error) => {
                tracing::warn!(%error, "Cannot read the event logs for a subscription");
                let _ = sender.send(Err(EventLogError::Log(error).into())).await;
                return;
            }
        };
        for item in step.items {
            if sender.send(Ok(item)).await.is_err() {
                return;
            }
        }
        if !step.has_more {
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        } else if sender.is_closed() {
            return;
        }
    }
}
