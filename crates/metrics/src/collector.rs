//! Numbers of a collector of events. The service serves them, and the collector may be another process.

use std::time::Duration;

/// Numbers of a collector of events since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectorStatistics {
    /// Batches that were stored.
    pub stored: u64,
    /// Batches that had been stored before.
    pub repeated: u64,
    /// Batches that could not be stored, so that their sources repeat them.
    pub failed: u64,
    /// Events that were stored.
    pub events: u64,
    /// Bytes of received events, as XML after decompression.
    pub bytes: u64,
    /// Events that were put into quarantine.
    pub quarantined: u64,
    /// Time from the arrival of a batch until it is durable.
    pub storing: Distribution,
    /// Time from the creation of the last event of a batch until the batch is durable.
    pub lag: Distribution,
    /// Number of sources by the lag of their last batch, in the order of [`LAGS`]; the last number is that of longer
    /// lags.
    pub sources: [u64; LAGS.len() + 1],
    /// Outputs besides files, in the order of their names.
    pub outputs: Vec<OutputStatistics>,
}

/// Numbers of an output of a collector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputStatistics {
    /// Name of the output.
    pub name: String,
    /// Bytes in the spool, which includes sent events of the file in work.
    pub spooled: u64,
    /// Events that the server has accepted.
    pub sent: u64,
    /// Failed attempts to send.
    pub failures: u64,
    /// Events that were dropped because the spool was full.
    pub dropped: u64,
    /// Time until the server has accepted the events of one request.
    pub sending: Distribution,
}

/// Distribution of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Sum in microseconds.
    pub sum: u64,
    /// Number of times at most as long as each bound, and longer than the one before; the last number is that of longer
    /// times.
    pub counts: [u64; BOUNDS.len() + 1],
}

impl Distribution {
    /// Adds a time.
    pub fn observe(&mut self, time: Duration) {
        self.sum = self.sum.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        let place = BOUNDS.iter().position(|bound| time <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// Returns the number of times.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Returns the place of a lag among [`LAGS`].
#[must_use]
pub fn place_of_lag(lag: Duration) -> usize {
    LAGS.iter().position(|(bound, _)| lag <= *bound).unwrap_or(LAGS.len())
}

/// Upper bounds of distributions, from a local disk to sources that were offline for a day.
pub const BOUNDS: [Duration; 10] = [
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3_600),
    Duration::from_secs(21_600),
    Duration::from_secs(86_400),
];

/// Upper bounds of the lag of sources, and their names.
pub const LAGS: [(Duration, &str); 5] = [
    (Duration::from_secs(10), "10s"),
    (Duration::from_secs(60), "1m"),
    (Duration::from_secs(600), "10m"),
    (Duration::from_secs(3_600), "1h"),
    (Duration::from_secs(86_400), "1d"),
];
/// Name of longer lags.
pub const LONGER_LAG: &str = "longer";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_below_their_bound() {
        let mut distribution = Distribution::default();
        for milliseconds in [0, 1, 2, 86_400_001] {
            distribution.observe(Duration::from_millis(milliseconds));
        }
        assert_eq!(distribution.counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((distribution.count(), distribution.sum), (4, 86_400_004_000));
        assert_eq!([10, 11, 86_401].map(|seconds| place_of_lag(Duration::from_secs(seconds))), [0, 1, 5]);
    }
}
