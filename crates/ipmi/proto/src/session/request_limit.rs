//! Congestion control: number of outstanding requests that the controller keeps up with.

/// Limit of outstanding requests. It grows with every response until one is lost, and then slowly.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLimit {
    current: usize,
    /// Limit at which losses occurred, or the maximum.
    ceiling: usize,
    /// Highest number of requests that were outstanding.
    tried: usize,
    answered_in_a_row: usize,
    /// Credit for losses that may be random; responses increase it.
    credit: usize,
}

impl RequestLimit {
    /// Returns the initial limit: four, or the number that the controller is known to keep up with.
    pub(super) fn new(known: Option<usize>) -> Self {
        let current = known.unwrap_or(INITIAL).clamp(1, MAX);
        Self { current, ceiling: MAX, tried: 0, answered_in_a_row: 0, credit: CREDIT }
    }

    /// Returns the current limit.
    pub(super) fn current(self) -> usize {
        self.current
    }

    /// Returns whether another request may be sent while `open` are outstanding.
    pub(super) fn has_room(self, open: usize, limit: usize) -> bool {
        open < self.current.min(limit.clamp(1, MAX))
    }

    /// Records that a request was sent, and `open` are now outstanding.
    pub(super) fn record_sent(&mut self, open: usize) {
        self.tried = self.tried.max(open);
    }

    /// Records that a request was answered.
    pub(super) fn record_answer(&mut self) {
        self.answered_in_a_row += 1;
        self.credit = (self.credit + 1).min(CREDIT);
        if self.current < self.ceiling {
            // The limit grows only if it has been used: requests sent one at a time do not show that the
            // controller keeps up with many.
            self.current += usize::from(self.current < self.tried * 2);
        } else if self.ceiling < MAX && self.answered_in_a_row.is_multiple_of(PATIENCE) {
            self.ceiling += 1;
        }
    }

    /// Halves the limit, because the latest of `open` outstanding requests were lost: they may have been too
    /// many.
    pub(super) fn record_loss(&mut self, open: usize) {
        self.answered_in_a_row = 0;
        // A single request cannot have been too many.
        if open > 1 {
            self.ceiling = (self.current.min(open) / 2).max(1);
            self.current = self.ceiling;
        }
    }

    /// Records that `lost` of `open` outstanding requests were lost although later ones were answered. On a
    /// poor network that is random, but not if it affects one in three.
    pub(super) fn record_random_loss(&mut self, lost: usize, open: usize) {
        self.answered_in_a_row = 0;
        match self.credit.checked_sub(lost * 3) {
            Some(left) => self.credit = left,
            None => self.record_loss(open),
        }
    }

    /// Reduces the limit to one because nothing is received: a single request suffices to detect when that
    /// ends.
    pub(super) fn record_silence(&mut self, open: usize) {
        self.record_loss(open);
        self.current = 1;
    }

    /// Reduces limit and ceiling to one because the controller reports that it is still busy with a request.
    pub(super) fn back_off(&mut self) {
        self.ceiling = 1;
        self.current = 1;
        self.answered_in_a_row = 0;
    }
}

const INITIAL: usize = 4;
/// Half the number of sequence numbers, so that a late response is not matched to another request.
pub(super) const MAX: usize = 32;
/// Credit limit; each loss costs three, each response earns one.
const CREDIT: usize = 12;
/// Number of consecutive responses after which the limit is raised by one.
const PATIENCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_halves_the_limit_and_responses_raise_it_slowly() {
        let mut limit = RequestLimit::new(None);
        assert!(
            limit.has_room(3, 8) && !limit.has_room(4, 8) && !limit.has_room(2, 2) && limit.has_room(0, 0)
        );
        limit.record_sent(4);
        (0..4).for_each(|_| limit.record_answer());
        limit.record_sent(8);
        (0..10).for_each(|_| limit.record_answer());
        assert!(limit.has_room(15, 99) && !limit.has_room(16, 99) && !limit.has_room(8, 8));
        limit.record_loss(12);
        assert!(limit.has_room(5, 99) && !limit.has_room(6, 99));
        (0..7).for_each(|_| limit.record_answer());
        assert!(!limit.has_room(6, 99));
        (0..2).for_each(|_| limit.record_answer());
        assert!(limit.has_room(6, 99) && !limit.has_room(7, 99));
        (0..4).for_each(|_| limit.record_loss(7));
        assert!(limit.has_room(0, 8) && !limit.has_room(1, 8));
        limit.back_off();
        assert!(limit.has_room(0, 8) && !limit.has_room(1, 8));
    }

    #[test]
    fn the_limit_is_at_most_twice_the_highest_number_sent() {
        let mut limit = RequestLimit::new(None);
        limit.record_sent(1);
        (0..100).for_each(|_| limit.record_answer());
        assert_eq!(limit.current(), 4);
        for (sent, current) in [(4, 8), (7, 14), (5, 14), (14, 28), (28, MAX), (MAX, MAX)] {
            limit.record_sent(sent);
            (0..100).for_each(|_| limit.record_answer());
            assert_eq!(limit.current(), current);
        }
    }

    #[test]
    fn one_loss_in_ten_is_random_and_one_in_two_is_not() {
        let mut limit = RequestLimit::new(Some(12));
        for _ in 0..20 {
            (0..9).for_each(|_| limit.record_answer());
            limit.record_random_loss(1, 12);
            assert_eq!(limit.current(), 12);
        }
        for _ in 0..20 {
            limit.record_answer();
            limit.record_random_loss(1, limit.current());
        }
        assert_eq!(limit.current(), 1);
    }

    #[test]
    fn a_single_loss_is_no_overload_and_silence_reduces_the_limit_to_one() {
        let mut limit = RequestLimit::new(Some(8));
        limit.record_sent(8);
        limit.record_loss(1);
        assert_eq!(limit.current(), 8);
        limit.record_silence(8);
        assert_eq!(limit.current(), 1);
        (0..5).for_each(|_| limit.record_answer());
        assert_eq!(limit.current(), 4);
        assert_eq!((RequestLimit::new(Some(0)).current(), RequestLimit::new(Some(99)).current()), (1, MAX));
    }
}
