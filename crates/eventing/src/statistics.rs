//! Numbers of a collector for its metrics.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use locks::Mutex;
use metrics::{CollectorStatistics, OutputStatistics, place_of_lag};
use winevent::Timestamp;
use winevent::delivery::Item;

use crate::source::Source;

/// Numbers of a collector since its start.
#[derive(Default)]
pub(crate) struct Statistics {
    numbers: Mutex<Numbers>,
    hasher: RandomState,
}

#[derive(Default)]
struct Numbers {
    /// Without the outputs and the numbers of sources.
    total: CollectorStatistics,
    /// Place of the lag of each source, by a hash of its identifier. The store bounds the number of sources.
    lags: HashMap<u64, u8>,
}

/// Numbers of an output, which its thread and the writer count.
#[derive(Clone, Default)]
pub(crate) struct OutputCounter(Arc<Mutex<OutputStatistics>>);

/// Batch that is being formatted and stored. A batch whose source closes the connection first is not counted.
pub(crate) struct BatchTimer {
    began: Instant,
    bytes: u64,
    /// Age of the last event.
    age: Option<Duration>,
    source: u64,
}

/// Result of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchResult {
    Stored {
        /// Number of stored events.
        events: usize,
        /// Number of events in quarantine.
        quarantined: usize,
    },
    /// The batch was stored before.
    Repeated,
    /// The batch was not stored.
    Failed,
}

impl Statistics {
    /// Begins to measure a batch with these events.
    pub(crate) fn begin(&self, source: &Source, items: &[Item<'_>]) -> BatchTimer {
        let bytes: usize = items.iter().map(|item| item.xml.len()).sum();
        let created = items.last().and_then(|item| time_created(&item.xml));
        BatchTimer {
            began: Instant::now(),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            age: created.map(|created| age(created, Timestamp::from(SystemTime::now()))),
            source: self.hasher.hash_one(source.id()),
        }
    }

    /// Counts a batch with its result.
    pub(crate) fn finish(&self, timer: &BatchTimer, result: BatchResult) {
        let took = timer.began.elapsed();
        let mut numbers = self.numbers.lock();
        let Numbers { total, lags } = &mut *numbers;
        let (events, quarantined) = match result {
            BatchResult::Stored { events, quarantined } => (events, quarantined),
            BatchResult::Repeated => return total.repeated += 1,
            BatchResult::Failed => return total.failed += 1,
        };
        let [events, quarantined] =
            [events, quarantined].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
        total.stored += 1;
        total.events = total.events.saturating_add(events);
        total.quarantined = total.quarantined.saturating_add(quarantined);
        total.bytes = total.bytes.saturating_add(timer.bytes);
        total.storing.observe(took);
        if let Some(age) = timer.age {
            let lag = age.saturating_add(took);
            total.lag.observe(lag);
            lags.insert(timer.source, u8::try_from(place_of_lag(lag)).unwrap_or(u8::MAX));
        }
    }

    /// Returns the numbers with those of the outputs.
    pub(crate) fn snapshot(&self, outputs: Vec<OutputStatistics>) -> CollectorStatistics {
        let numbers = self.numbers.lock();
        let mut total = CollectorStatistics { outputs, ..numbers.total.clone() };
        for place in numbers.lags.values() {
            if let Some(count) = total.sources.get_mut(usize::from(*place)) {
                *count += 1;
            }
        }
        total
    }
}

impl OutputCounter {
    /// Counts events that the server has accepted, and the time of the request.
    pub(crate) fn sent(&self, events: usize, took: Duration) {
        let mut numbers = self.0.lock();
        numbers.sent = numbers.sent.saturating_add(u64::try_from(events).unwrap_or(u64::MAX));
        numbers.sending.observe(took);
    }

    /// Counts a failed attempt, in which the server may have accepted some events.
    pub(crate) fn failed(&self, accepted: usize) {
        let mut numbers = self.0.lock();
        numbers.sent = numbers.sent.saturating_add(u64::try_from(accepted).unwrap_or(u64::MAX));
        numbers.failures = numbers.failures.saturating_add(1);
    }

    /// Counts events that the spool has not accepted.
    pub(crate) fn dropped(&self, events: u64) {
        let mut numbers = self.0.lock();
        numbers.dropped = numbers.dropped.saturating_add(events);
    }

    /// Returns the numbers of the output with this name and size of the spool.
    pub(crate) fn snapshot(&self, name: &str, spooled: u64) -> OutputStatistics {
        OutputStatistics { name: name.to_owned(), spooled, ..self.0.lock().clone() }
    }
}

/// Returns the creation time of an event, without parsing the rest of it.
fn time_created(event: &str) -> Option<Timestamp> {
    let (_, rest) = event.split_once("SystemTime=")?;
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Timestamp::parse(rest.get(1..)?.split(quote).next()?).ok()
}

/// Returns the age of an event; none if the clock of its source is ahead.
fn age(created: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(
        u64::try_from(now.milliseconds().saturating_sub(created.milliseconds())).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn batches_are_counted_by_result_and_sources_by_lag() {
        let statistics = Statistics::default();
        let event = |time: &str| Item {
            action: "",
            xml: Cow::Owned(format!("<Event><System><TimeCreated SystemTime='{time}'/></System></Event>")),
        };
        let stored = BatchResult::Stored { events: 2, quarantined: 1 };
        for (source, time) in
            [("web1", "2020-01-01T00:00:00Z"), ("web2", "2100-01-01T00:00:00.0000000Z"), ("web1", "soon")]
        {
            let items = [event("2020-01-01T00:00:00Z"), event(time)];
            let timer = statistics.begin(&Source::of_address(source), &items);
            statistics.finish(&timer, stored);
        }
        let items = [event("2020-01-01T00:00:00Z")];
        for result in [BatchResult::Repeated, BatchResult::Failed] {
            let timer = statistics.begin(&Source::of_address("web3"), &items);
            statistics.finish(&timer, result);
        }
        let numbers = statistics.snapshot(Vec::new());
        assert_eq!((numbers.stored, numbers.repeated, numbers.failed), (3, 1, 1));
        assert_eq!((numbers.events, numbers.quarantined), (6, 3));
        assert!(numbers.bytes > 300, "{}", numbers.bytes);
        assert_eq!(numbers.sources, [1, 0, 0, 0, 0, 1], "a time that cannot be read changes no lag");
        assert_eq!((numbers.lag.count(), numbers.storing.count()), (2, 3));
    }

    #[test]
    fn the_creation_time_is_found_in_both_quotes() {
        let time = Timestamp::parse("2024-05-06T07:08:09.1234567Z").ok();
        for event in [
            "<TimeCreated SystemTime='2024-05-06T07:08:09.1234567Z'/>",
            "<TimeCreated SystemTime=\"2024-05-06T07:08:09.1234567Z\"/>",
        ] {
            assert_eq!(time_created(event), time, "{event}");
        }
        for event in ["", "SystemTime=", "SystemTime=2024", "SystemTime='", "SystemTime='ä'"] {
            assert_eq!(time_created(event), None, "{event}");
        }
    }
}
