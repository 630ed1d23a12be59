//! Delivery of events: filters them and passes them to the subscriber, directly or through aggregation.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cim::{Instance, Value};
use locks::RwLock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::aggregate;
use super::query::{EventFilter, EventQuery};
use super::queue::Queue;
use crate::omission::OmissionLog;
use crate::{Error, Omission};

/// Receiver of events from all sources of a subscription.
pub(super) struct EventOutput {
    /// Filter; replaced when classes have changed.
    filter: RwLock<Arc<EventFilter>>,
    queue: Arc<Queue>,
    /// Channel to the aggregation, if there is one.
    counted: Option<mpsc::Sender<Instance>>,
    log: Arc<OmissionLog>,
}

impl EventOutput {
    pub(super) fn new(
        query: &EventQuery,
        queue: Arc<Queue>,
        log: Arc<OmissionLog>,
        watching: &mut JoinSet<()>,
    ) -> Arc<Self> {
        let counted = query.groups().map(|groups| {
            let (sender, events) = mpsc::channel(EVENTS_AHEAD);
            watching.spawn(aggregate::count(groups, events, Arc::clone(&queue)));
            sender
        });
        Arc::new(Self { filter: RwLock::new(query.filter()), queue, counted, log })
    }

    /// Updates the filter for the current classes.
    pub(super) fn set_filter(&self, query: &EventQuery) {
        *self.filter.write() = query.filter();
    }

    /// Delivers an event if it matches. Never blocks.
    pub(super) fn deliver(&self, mut event: Instance) {
        stamp(&mut event);
        let filter = Arc::clone(&self.filter.read());
        if !filter.matches(&event) {
            return;
        }
        match &self.counted {
            None => self.queue.push(event),
            Some(counted) => {
                if counted.try_send(event).is_err() {
                    self.queue.push_dropped();
                }
            }
        }
    }

    /// Reports a class whose events are missing from now on; an error that is not one of a provider ends the
    /// subscription.
    pub(super) fn omit(&self, error: Error) {
        match Omission::of(error) {
            Ok(omission) => {
                self.log.record(&omission);
                self.queue.push_omission(omission);
            }
            Err(error) => self.fail(error),
        }
    }

    /// Ends the subscription.
    pub(super) fn fail(&self, error: Error) {
        self.queue.end(Some(error));
    }
}

/// Sets the time of an event, unless its source has.
fn stamp(event: &mut Instance) {
    let Some(column) = event.class().column("TIME_CREATED") else { return };
    if event.at(column).is_null() {
        // The class declares the column with this type, so setting it cannot fail.
        let _ = event.set(column, Value::Uint64(file_time(SystemTime::now())));
    }
}

/// Returns the time in units of 100 ns since 1601 (MS-DTYP 2.3.3).
fn file_time(time: SystemTime) -> u64 {
    const UNTIL_1970: u128 = 116_444_736_000_000_000;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() / 100;
    u64::try_from(UNTIL_1970 + since).unwrap_or(u64::MAX)
}

/// Number of events queued for aggregation.
const EVENTS_AHEAD: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_counted_from_1601() {
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        assert_eq!(file_time(time), 133_444_736_001_234_567);
    }
}
