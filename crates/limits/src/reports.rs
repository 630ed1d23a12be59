//! Repeated events, folded into few log records.

use std::time::{Duration, Instant};

/// Folds repeated events into one report for each interval, so that a flood of events is no flood of log records.
///
/// ```
/// use std::time::{Duration, Instant};
/// use telarch_limits::Reports;
///
/// let mut reports = Reports::every(Duration::from_secs(10));
/// let begin = Instant::now();
/// assert_eq!(reports.record(begin), Some(1));
/// assert_eq!(reports.record(begin + Duration::from_secs(1)), None);
/// assert_eq!(reports.record(begin + Duration::from_secs(11)), Some(2));
/// ```
#[derive(Debug)]
pub struct Reports {
    interval: Duration,
    last: Option<Instant>,
    /// Events since the last report.
    events: u64,
}

impl Reports {
    /// Reports the first event at once and the following ones once per interval.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self { interval, last: None, events: 0 }
    }

    /// Counts an event. Returns the number of events to report, if it is time for a report.
    pub fn record(&mut self, now: Instant) -> Option<u64> {
        self.events = self.events.saturating_add(1);
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < self.interval) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.events))
    }
}
