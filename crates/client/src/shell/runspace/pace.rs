//! Pauses between the Receive requests of a pipeline that writes many small objects.
//!
//! A service answers as soon as it has one object. If a script writes objects faster than requests are answered, a short
//! pause lets several of them arrive with one response, which costs both ends a fraction of the processor time.

use std::time::Duration;

use tokio::time::Instant;

/// Answers of a service in a row, and the time of the last one.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Number of quick, small responses since the last other one.
    quick: u32,
    answered: Option<Instant>,
}

impl Pace {
    /// Records a response with this number of bytes to a request.
    pub(super) fn note(&mut self, asked: Instant, answered: Instant, length: usize) {
        let is_quick = answered.saturating_duration_since(asked) < QUICK && length < SMALL;
        self.quick = if is_quick { self.quick.saturating_add(1) } else { 0 };
        self.answered = Some(answered);
    }

    /// Returns the time at which the next request should be sent; `None` without a pause.
    pub(super) fn next_request(&self) -> Option<Instant> {
        self.answered.filter(|_| self.quick >= MANY).map(|answered| answered + PAUSE)
    }
}

/// Longest time of a quick response. A slower service collects objects without a pause.
const QUICK: Duration = Duration::from_millis(2);
/// Number of bytes of a response from which it is worth its request.
const SMALL: usize = 32 * 1_024;
/// Number of quick responses in a row after which requests pause, so that short scripts do not wait.
const MANY: u32 = 4;
/// Time from a response to the next request.
const PAUSE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_quick_small_responses_lead_to_a_pause() {
        let begin = Instant::now();
        let later = |milliseconds| begin + Duration::from_millis(milliseconds);
        let mut pace = Pace::default();
        for _ in 1..MANY {
            pace.note(begin, later(1), 100);
            assert_eq!(pace.next_request(), None);
        }
        pace.note(begin, later(1), 100);
        assert_eq!(pace.next_request(), Some(later(1) + PAUSE));
        for (answered, length) in [(later(2), 100), (later(1), SMALL)] {
            pace.note(begin, answered, length);
            assert_eq!(pace.next_request(), None);
            for _ in 0..MANY {
                pace.note(begin, later(1), 100);
            }
            assert!(pace.next_request().is_some());
        }
    }
}
