//! Log records that are folded, so that a flood of events does not become a flood of records.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Decides which of many similar events are logged: for each key at most one record in an interval.
///
/// The first event of a key is logged at once. Later ones are counted, and [`due`](Self::due) returns the count when
/// the interval is over. Keys beyond the maximum are counted together without a key, so memory is bounded.
#[derive(Debug)]
pub struct Folding<K: Eq + Hash> {
    interval: Duration,
    most_keys: usize,
    keys: HashMap<K, Folded>,
    others: u64,
}

/// Events that were not logged one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldedCount<K> {
    /// The key; `None` for events of more keys than are counted separately.
    pub key: Option<K>,
    /// Number of events since the last record.
    pub count: u64,
}

#[derive(Debug)]
struct Folded {
    since: Instant,
    count: u64,
}

impl<K: Eq + Hash + Clone> Folding<K> {
    /// Logs at most one event of each key in an interval, and counts at most `most_keys` keys separately.
    #[must_use]
    pub fn new(interval: Duration, most_keys: usize) -> Self {
        Self { interval, most_keys, keys: HashMap::new(), others: 0 }
    }

    /// Returns whether an event is to be logged now. One that is not is counted.
    pub fn is_first(&mut self, key: K, now: Instant) -> bool {
        if let Some(folded) = self.keys.get_mut(&key) {
            folded.count = folded.count.saturating_add(1);
            return false;
        }
        if self.keys.len() >= self.most_keys {
            self.others = self.others.saturating_add(1);
            return false;
        }
        self.keys.insert(key, Folded { since: now, count: 0 });
        true
    }

    /// Returns the counts of the keys whose interval is over, to be logged now. To be called at regular times.
    pub fn due(&mut self, now: Instant) -> Vec<FoldedCount<K>> {
        let interval = self.interval;
        let is_over = |folded: &Folded| now.saturating_duration_since(folded.since) >= interval;
        let mut due = Vec::new();
        self.keys.retain(|key, folded| {
            if !is_over(folded) {
                return true;
            }
            let count = std::mem::take(&mut folded.count);
            folded.since = now;
            if count > 0 {
                due.push(FoldedCount { key: Some(key.clone()), count });
            }
            // A key without events in a whole interval is forgotten.
            count > 0
        });
        if self.keys.is_empty() {
            self.keys.shrink_to_fit();
        }
        let others = std::mem::take(&mut self.others);
        if others > 0 {
            due.push(FoldedCount { key: None, count: others });
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn each_key_is_logged_once_in_an_interval_with_the_count_of_the_rest() {
        let start = Instant::now();
        let mut folding = Folding::new(INTERVAL, 2);
        assert!(folding.is_first(7, start) && folding.is_first(8, start));
        let logged = (0..1_000).filter(|_| folding.is_first(7, start)).count();
        assert_eq!((logged, folding.is_first(9, start)), (0, false), "the table of keys is full");
        let others = FoldedCount { key: None, count: 1 };
        assert_eq!(folding.due(start + INTERVAL / 2), [others]);
        assert_eq!(folding.due(start + INTERVAL), [FoldedCount { key: Some(7), count: 1_000 }]);
        assert!(!folding.is_first(7, start + INTERVAL), "its interval has begun again");
        assert_eq!(folding.due(start + INTERVAL * 2), [FoldedCount { key: Some(7), count: 1 }]);
        assert_eq!(folding.due(start + INTERVAL * 3), []);
        assert!(folding.keys.is_empty() && folding.keys.capacity() == 0);
        assert!(folding.is_first(7, start + INTERVAL * 3));
    }
}
