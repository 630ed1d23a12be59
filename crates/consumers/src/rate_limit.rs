//! Rate limit.

use std::time::Duration;

use tokio::time::Instant;

/// Rate limit: a maximum number of operations per minute, with bursts allowed.
#[derive(Debug)]
pub(crate) struct RateLimit {
    most: u32,
    left: u32,
    since: Instant,
    refused: u64,
}

impl RateLimit {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, left: most, since: Instant::now(), refused: 0 }
    }

    /// Returns whether the operation is permitted now, and counts it.
    pub(crate) fn try_acquire(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= MINUTE {
            (self.left, self.since) = (self.most, now);
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.refused += 1;
                false
            }
        }
    }

    /// Returns the number of rejected operations since the last call, or `None` if there were none.
    pub(crate) fn refused(&mut self) -> Option<u64> {
        let refused = std::mem::take(&mut self.refused);
        (refused > 0).then_some(refused)
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_beyond_the_limit_are_rejected_and_counted() {
        let mut limit = RateLimit::new(2);
        let now = Instant::now();
        assert_eq!(
            [limit.try_acquire(now), limit.try_acquire(now), limit.try_acquire(now)],
            [true, true, false]
        );
        assert!(limit.try_acquire(now + MINUTE));
        assert_eq!((limit.refused(), limit.refused()), (Some(1), None));
    }
}
