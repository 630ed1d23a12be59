//! Measurement of the round-trip time (RFC 6298).

use std::time::Duration;

/// Measured round-trip time, and the retransmission timeouts derived from it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    smoothed: Option<(Duration, Duration)>,
    /// Number of timeouts since the last measurement. The controller may have become slower, which
    /// retransmitted requests cannot show.
    late: u32,
}

impl RoundTrip {
    /// Records the round-trip time of a request that was sent only once; otherwise it is unknown which
    /// transmission was answered.
    pub(super) fn measure(&mut self, sample: Duration) {
        self.late = 0;
        self.smoothed = Some(match self.smoothed {
            None => (sample, sample / 2),
            Some((mean, variation)) => ((mean * 7 + sample) / 8, (variation * 3 + mean.abs_diff(sample)) / 4),
        });
    }

    /// Records a timeout.
    pub(super) fn record_timeout(&mut self) {
        self.late = (self.late + 1).min(MAX_LATE);
    }

    /// Returns the timeout for a request sent before one that was already answered: it is probably lost
    /// rather than late.
    pub(super) fn overtaken_timeout(&self) -> Duration {
        self.initial().clamp(SHORTEST_OVERTAKEN, LONGEST)
    }

    fn initial(&self) -> Duration {
        self.smoothed.map_or(FIRST, |(mean, variation)| mean + variation * 4)
    }

    /// Returns the timeout after this number of retries.
    pub(super) fn timeout(&self, retries: u32) -> Duration {
        let times = 1 << retries.max(self.late).min(8);
        self.initial().clamp(SHORTEST, LONGEST).saturating_mul(times).min(LONGEST)
    }
}

const MAX_LATE: u32 = 4;
const FIRST: Duration = Duration::from_millis(500);
const SHORTEST: Duration = Duration::from_millis(50);
const SHORTEST_OVERTAKEN: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_the_measurements_and_doubles() {
        let mut round_trip = RoundTrip::default();
        assert_eq!(round_trip.timeout(0), FIRST);
        for _ in 0..100 {
            round_trip.measure(Duration::from_millis(100));
        }
        let settled = round_trip.timeout(0);
        assert!((100..130).contains(&settled.as_millis()), "{settled:?}");
        assert_eq!(round_trip.timeout(2), settled * 4);
        assert_eq!(round_trip.timeout(u32::MAX), LONGEST);
        for _ in 0..100 {
            round_trip.measure(Duration::from_micros(100));
        }
        assert_eq!((round_trip.timeout(0), round_trip.overtaken_timeout()), (SHORTEST, SHORTEST_OVERTAKEN));
        round_trip.record_timeout();
        round_trip.record_timeout();
        assert_eq!((round_trip.timeout(0), round_trip.timeout(3)), (SHORTEST * 4, SHORTEST * 8));
        round_trip.measure(Duration::from_micros(100));
        assert_eq!(round_trip.timeout(0), SHORTEST);
    }
}
