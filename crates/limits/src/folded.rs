//! Warnings that an attacker can repeat, written at a bounded rate.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Decides which of many equal warnings are written to the log or the audit file.
///
/// Each key, for example an [`Origin`](crate::Origin), is reported once per interval. Warnings in between are
/// counted, and the next report of the key carries the count. Keys beyond the capacity share one more report per
/// interval, so at most `capacity + 1` warnings are written in any interval.
///
/// ```
/// use std::time::{Duration, Instant};
/// use telarch_limits::{FoldedWarnings, Report};
///
/// let start = Instant::now();
/// let mut warnings = FoldedWarnings::new(Duration::from_secs(10), 256);
/// assert_eq!(warnings.note("192.0.2.1", start), Some(Report { repeated: 0, others: 0 }));
/// assert_eq!(warnings.note("192.0.2.1", start), None);
/// let later = start + Duration::from_secs(10);
/// assert_eq!(warnings.note("192.0.2.1", later), Some(Report { repeated: 1, others: 0 }));
/// ```
#[derive(Debug)]
pub struct FoldedWarnings<K> {
    interval: Duration,
    capacity: usize,
    /// INVARIANT: at most `capacity` keys.
    keys: HashMap<K, Folded>,
    /// Warnings of keys that found no room in `keys`.
    overflow: Option<Folded>,
    /// Counts of keys that were dropped before their next report.
    dropped: u64,
}

/// A warning that has to be written now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Warnings of the same key since its last report.
    pub repeated: u64,
    /// Warnings of other keys that no report of their own has counted.
    pub others: u64,
}

#[derive(Clone, Copy, Debug)]
struct Folded {
    reported: Instant,
    /// Reports of this interval.
    written: u32,
    count: u64,
}

impl<K: Eq + Hash> FoldedWarnings<K> {
    /// Makes an empty memory. A capacity of 0 lets all keys share one report per interval.
    #[must_use]
    pub fn new(interval: Duration, capacity: usize) -> Self {
        Self { interval, capacity, keys: HashMap::new(), overflow: None, dropped: 0 }
    }

    /// Counts a warning. Returns the report to write, or `None` if a later report includes this warning.
    pub fn note(&mut self, key: K, now: Instant) -> Option<Report> {
        self.note_up_to(1, key, now)
    }

    /// Counts a warning as [`note`](Self::note) does, with this many reports of the key in each interval.
    pub fn note_up_to(&mut self, burst: u32, key: K, now: Instant) -> Option<Report> {
        if let Some(known) = self.keys.get_mut(&key) {
            let repeated = known.note(self.interval, burst, now)?;
            return Some(Report { repeated, others: std::mem::take(&mut self.dropped) });
        }
        if self.keys.len() >= self.capacity {
            self.drop_expired(now);
        }
        if self.keys.len() < self.capacity {
            self.keys.insert(key, Folded::reported(now));
            return Some(Report { repeated: 0, others: std::mem::take(&mut self.dropped) });
        }
        let others = match &mut self.overflow {
            Some(overflow) => overflow.note(self.interval, burst, now)?,
            none => {
                *none = Some(Folded::reported(now));
                0
            }
        };
        Some(Report { repeated: 0, others: others.saturating_add(std::mem::take(&mut self.dropped)) })
    }

    /// Removes the keys whose interval is over and returns those with warnings that were not reported.
    pub fn take_due(&mut self, now: Instant) -> Vec<(K, u64)> {
        let interval = self.interval;
        let due = self.keys.extract_if(|_, folded| folded.is_over(interval, now));
        due.filter(|(_, folded)| folded.count > 0).map(|(key, folded)| (key, folded.count)).collect()
    }

    /// Returns the number of warnings of keys that found no room, or that were dropped before their next report, once
    /// their interval is over.
    pub fn take_others(&mut self, now: Instant) -> u64 {
        let is_over = self.overflow.is_some_and(|overflow| overflow.is_over(self.interval, now));
        let overflow = if is_over { self.overflow.take().map_or(0, |overflow| overflow.count) } else { 0 };
        overflow.saturating_add(std::mem::take(&mut self.dropped))
    }

    /// Returns whether there is nothing that a later report or [`take_due`](Self::take_due) has to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dropped == 0 && self.overflow.is_none() && self.keys.is_empty()
    }

    fn drop_expired(&mut self, now: Instant) {
        let interval = self.interval;
        let expired = self.keys.extract_if(|_, folded| folded.is_over(interval, now));
        let lost = expired.map(|(_, folded)| folded.count).fold(0, u64::saturating_add);
        self.dropped = self.dropped.saturating_add(lost);
    }
}

impl Folded {
    fn reported(now: Instant) -> Self {
        Self { reported: now, written: 1, count: 0 }
    }

    fn is_over(&self, interval: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.reported) >= interval
    }

    /// Returns the number of warnings since the last report if there is to be one now.
    fn note(&mut self, interval: Duration, burst: u32, now: Instant) -> Option<u64> {
        if !self.is_over(interval, now) {
            if self.written < burst {
                self.written += 1;
                return Some(0);
            }
            self.count = self.count.saturating_add(1);
            return None;
        }
        self.reported = now;
        self.written = 1;
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn report(repeated: u64, others: u64) -> Option<Report> {
        Some(Report { repeated, others })
    }

    #[test]
    fn one_key_is_reported_once_per_interval_with_the_number_of_repetitions() {
        let (start, mut warnings) = (Instant::now(), FoldedWarnings::new(INTERVAL, 4));
        assert_eq!(warnings.note("a", start), report(0, 0));
        for _ in 0..1_000 {
            assert_eq!(warnings.note("a", start + INTERVAL / 2), None);
        }
        assert_eq!(warnings.note("b", start + INTERVAL / 2), report(0, 0));
        assert_eq!(warnings.note("a", start + INTERVAL), report(1_000, 0));
        assert_eq!(warnings.note("a", start + 2 * INTERVAL), report(0, 0));
    }

    #[test]
    fn reports_are_bounded_whatever_the_number_of_keys_and_no_count_is_lost() {
        let (start, mut warnings) = (Instant::now(), FoldedWarnings::new(INTERVAL, 4));
        let mut counted = 0;
        let mut reports = 0;
        for second in [0, 5, 10, 15] {
            for key in 0..1_000 {
                if let Some(report) = warnings.note(key, start + Duration::from_secs(second)) {
                    reports += 1;
                    counted += 1 + report.repeated + report.others;
                }
            }
        }
        assert_eq!(reports, 2 * 5);
        assert!(warnings.keys.len() <= 4);
        let last = start + Duration::from_secs(100);
        counted += warnings.take_due(last).into_iter().map(|(_, count)| count).sum::<u64>();
        // The overflow is counted by the next report.
        warnings.capacity = 0;
        let rest = warnings.note(0, last).unwrap_or_default();
        assert_eq!(counted + rest.others, 4_000);
    }

    #[test]
    fn the_first_warnings_of_each_interval_are_reported_separately() {
        let (start, mut warnings) = (Instant::now(), FoldedWarnings::new(INTERVAL, 1));
        for _ in 0..3 {
            assert_eq!(warnings.note_up_to(3, "a", start), report(0, 0));
        }
        assert_eq!(warnings.note_up_to(3, "a", start), None);
        assert_eq!(warnings.note_up_to(3, "a", start + INTERVAL), report(1, 0));
        assert_eq!(warnings.note_up_to(3, "a", start + INTERVAL), report(0, 0));
        let more: Vec<_> = (0..5).map(|_| warnings.note_up_to(3, "b", start + INTERVAL)).collect();
        assert_eq!(more, [report(0, 0), report(0, 0), report(0, 0), None, None]);
        assert_eq!(warnings.take_others(start + INTERVAL), 0);
        assert_eq!(warnings.take_others(start + 2 * INTERVAL), 2);
        assert_eq!(warnings.take_due(start + 2 * INTERVAL), []);
        assert!(warnings.is_empty());
    }

    #[test]
    fn counts_of_a_finished_interval_can_be_taken() {
        let (start, mut warnings) = (Instant::now(), FoldedWarnings::new(INTERVAL, 4));
        for _ in 0..3 {
            warnings.note("a", start);
        }
        warnings.note("b", start);
        assert_eq!(warnings.take_due(start + INTERVAL / 2), []);
        assert_eq!(warnings.take_due(start + INTERVAL), [("a", 2)]);
        assert_eq!(warnings.take_due(start + INTERVAL), []);
    }
}
