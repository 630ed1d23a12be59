//! Token bucket: bounds a rate with a burst.

use std::time::Instant;

/// An amount that is refilled over time.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    capacity: u64,
    per_second: u64,
    left: u64,
    filled: Instant,
}

impl TokenBucket {
    /// Creates a full bucket.
    pub(crate) fn new(capacity: u64, per_second: u64, now: Instant) -> Self {
        Self { capacity, per_second, left: capacity, filled: now }
    }

    /// Takes an amount; returns `false` and takes nothing if less is available.
    pub(crate) fn take(&mut self, amount: usize, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled);
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let more = milliseconds.saturating_mul(self.per_second) / 1_000;
        if more > 0 {
            self.left = self.left.saturating_add(more).min(self.capacity);
            self.filled = now;
        }
        let amount = u64::try_from(amount).unwrap_or(u64::MAX);
        let is_enough = amount <= self.left;
        if is_enough {
            self.left = self.left.saturating_sub(amount);
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn burst_and_long_term_rate_are_bounded() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(100, 10, start);
        assert!(bucket.take(100, start) && !bucket.take(1, start));
        let later = start + Duration::from_secs(2);
        assert!(bucket.take(20, later) && !bucket.take(1, later));
        let much_later = start + Duration::from_secs(1_000);
        assert!(!bucket.take(101, much_later) && bucket.take(100, much_later));
    }
}
