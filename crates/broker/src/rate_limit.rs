//! Rate limit for requests of a host to the broker.

use std::time::{Duration, Instant};

/// Fixed-window rate limit: a maximum number of requests per minute, in bursts or spread out.
#[derive(Debug)]
pub struct RateLimit {
    per_minute: u32,
    used: u32,
    since: Instant,
}

/// Decision about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    /// The request is within the limit.
    Allowed,
    /// First request over the limit in this window; the caller logs it.
    Exceeded,
    /// Further request over the limit in the same window.
    StillExceeded,
}

impl RateLimit {
    /// Creates a limit of `per_minute` requests per minute whose first window begins at `now`.
    #[must_use]
    pub fn new(per_minute: u32, now: Instant) -> Self {
        Self { per_minute, used: 0, since: now }
    }

    /// Counts one request and returns whether it is within the limit.
    pub fn count_request(&mut self, now: Instant) -> RateDecision {
        if now.saturating_duration_since(self.since) >= MINUTE {
            (self.used, self.since) = (0, now);
        }
        self.used = self.used.saturating_add(1);
        match self.used.checked_sub(self.per_minute) {
            None | Some(0) => RateDecision::Allowed,
            Some(1) => RateDecision::Exceeded,
            Some(_) => RateDecision::StillExceeded,
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_over_the_limit_are_refused_until_the_next_window() {
        let now = Instant::now();
        let mut limit = RateLimit::new(2, now);
        let decisions = [
            RateDecision::Allowed,
            RateDecision::Allowed,
            RateDecision::Exceeded,
            RateDecision::StillExceeded,
        ];
        for decision in decisions {
            assert_eq!(limit.count_request(now + MINUTE / 2), decision);
        }
        for decision in decisions {
            assert_eq!(limit.count_request(now + MINUTE), decision);
        }
    }
}
