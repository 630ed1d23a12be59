//! How often a host may have the broker do something.

use std::time::{Duration, Instant};

/// So many times in a minute, all at once or one by one.
#[derive(Debug)]
pub struct Allowance {
    most: u32,
    used: u32,
    since: Instant,
}

/// What becomes of something that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done.
    Granted,
    /// It is the first of this minute that is one too many.
    Exhausted,
    /// It is a further one.
    StillExhausted,
}

impl Allowance {
    /// For a minute that begins now.
    #[must_use]
    pub fn new(most: u32, now: Instant) -> Self {
        Self { most, used: 0, since: now }
    }

    /// Takes one of them.
    pub fn take(&mut self, now: Instant) -> Verdict {
        if now.saturating_duration_since(self.since) >= MINUTE {
            (self.used, self.since) = (0, now);
        }
        self.used = self.used.saturating_add(1);
        match self.used.checked_sub(self.most) {
            None | Some(0) => Verdict::Granted,
            Some(1) => Verdict::Exhausted,
            Some(_) => Verdict::StillExhausted,
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_in_a_minute_is_refused_until_it_is_over() {
        let now = Instant::now();
        let mut allowance = Allowance::new(2, now);
        let verdicts = [Verdict::Granted, Verdict::Granted, Verdict::Exhausted, Verdict::StillExhausted];
        for verdict in verdicts {
            assert_eq!(allowance.take(now + MINUTE / 2), verdict);
        }
        for verdict in verdicts {
            assert_eq!(allowance.take(now + MINUTE), verdict);
        }
    }
}
