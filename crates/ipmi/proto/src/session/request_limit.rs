//! Congestion control: number of outstanding requests that the controller keeps up with.

/// Limit of outstanding requests. It grows with every response until one is lost, and then slowly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    now: usize,
    /// Limit at which losses occurred, or the maximum.
    ceiling: usize,
    /// Highest number of requests that were outstanding.
    tried: usize,
    answered_in_a_row: usize,
    /// Credit for losses that may be random; responses increase it.
    credit: usize,
}

impl Room {
    /// Returns the initial limit: four, or the number that the controller is known to keep up with.
    pub(super) fn new(known: Option<usize>) -> Self {
        let now = known.unwrap_or(FIRST).clamp(1, MOST);
        Self { now, ceiling: MOST, tried: 0, answered_in_a_row: 0, credit: CREDIT }
    }

    /// Returns the current limit.
    pub(super) fn now(self) -> usize {
        self.now
    }

    /// Returns whether another request may be sent while `open` are outstanding.
    pub(super) fn is_free(self, open: usize, limit: usize) -> bool {
        open < self.now.min(limit.clamp(1, MOST))
    }

    /// Records that a request was sent, and `open` are now outstanding.
    pub(super) fn asked(&mut self, open: usize) {
        self.tried = self.tried.max(open);
    }

    pub(super) fn answered(&mut self) {
        self.answered_in_a_row += 1;
        self.credit = (self.credit + 1).min(CREDIT);
        if self.now < self.ceiling {
            // The limit grows only if it has been used: requests sent one at a time do not show that the
            // controller keeps up with many.
            self.now += usize::from(self.now < self.tried * 2);
        } else if self.ceiling < MOST && self.answered_in_a_row.is_multiple_of(PATIENCE) {
            self.ceiling += 1;
        }
    }

    /// Halves the limit, because the latest of `open` outstanding requests were lost: they may have been too
    /// many.
    pub(super) fn lost(&mut self, open: usize) {
        self.answered_in_a_row = 0;
        // A single request cannot have been too many.
        if open > 1 {
            self.ceiling = (self.now.min(open) / 2).max(1);
            self.now = self.ceiling;
        }
    }

    /// Records that `lost` of `open` outstanding requests were lost although later ones were answered. On a
    /// poor network that is random, but not if it affects one in three.
    pub(super) fn lost_by_chance(&mut self, lost: usize, open: usize) {
        self.answered_in_a_row = 0;
        match self.credit.checked_sub(lost * 3) {
            Some(left) => self.credit = left,
            None => self.lost(open),
        }
    }

    /// Reduces the limit to one because nothing is received: a single request suffices to detect when that
    /// ends.
    pub(super) fn silent(&mut self, open: usize) {
        self.lost(open);
        self.now = 1;
    }

    /// Reduces limit and ceiling to one because the controller reports that it is still busy with a request.
    pub(super) fn is_at_work(&mut self) {
        self.ceiling = 1;
        self.now = 1;
        self.answered_in_a_row = 0;
    }
}

const FIRST: usize = 4;
/// Half the number of sequence numbers, so that a late response is not matched to another request.
pub(super) const MOST: usize = 32;
/// Credit limit; each loss costs three, each response earns one.
const CREDIT: usize = 12;
/// Number of consecutive responses after which the limit is raised by one.
const PATIENCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_halves_what_is_open_and_it_grows_back_slowly() {
        let mut room = Room::new(None);
        assert!(room.is_free(3, 8) && !room.is_free(4, 8) && !room.is_free(2, 2) && room.is_free(0, 0));
        room.asked(4);
        (0..4).for_each(|_| room.answered());
        room.asked(8);
        (0..10).for_each(|_| room.answered());
        assert!(room.is_free(15, 99) && !room.is_free(16, 99) && !room.is_free(8, 8));
        room.lost(12);
        assert!(room.is_free(5, 99) && !room.is_free(6, 99));
        (0..7).for_each(|_| room.answered());
        assert!(!room.is_free(6, 99));
        (0..2).for_each(|_| room.answered());
        assert!(room.is_free(6, 99) && !room.is_free(7, 99));
        (0..4).for_each(|_| room.lost(7));
        assert!(room.is_free(0, 8) && !room.is_free(1, 8));
        room.is_at_work();
        assert!(room.is_free(0, 8) && !room.is_free(1, 8));
    }

    #[test]
    fn it_is_not_more_than_twice_what_was_tried() {
        let mut room = Room::new(None);
        room.asked(1);
        (0..100).for_each(|_| room.answered());
        assert_eq!(room.now(), 4);
        for (asked, now) in [(4, 8), (7, 14), (5, 14), (14, 28), (28, MOST), (MOST, MOST)] {
            room.asked(asked);
            (0..100).for_each(|_| room.answered());
            assert_eq!(room.now(), now);
        }
    }

    #[test]
    fn one_of_ten_is_chance_and_one_of_two_is_not() {
        let mut room = Room::new(Some(12));
        for _ in 0..20 {
            (0..9).for_each(|_| room.answered());
            room.lost_by_chance(1, 12);
            assert_eq!(room.now(), 12);
        }
        for _ in 0..20 {
            room.answered();
            room.lost_by_chance(1, room.now());
        }
        assert_eq!(room.now(), 1);
    }

    #[test]
    fn one_that_was_alone_was_not_too_many_and_silence_is_asked_one_at_a_time() {
        let mut room = Room::new(Some(8));
        room.asked(8);
        room.lost(1);
        assert_eq!(room.now(), 8);
        room.silent(8);
        assert_eq!(room.now(), 1);
        (0..5).for_each(|_| room.answered());
        assert_eq!(room.now(), 4);
        assert_eq!((Room::new(Some(0)).now(), Room::new(Some(99)).now()), (1, MOST));
    }
}
