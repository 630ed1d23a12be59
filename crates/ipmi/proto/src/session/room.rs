//! How many requests may be open at the same time: as many as the controller keeps up with.

/// Grows with every answer until one is lost, and then with care.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    now: usize,
    /// More than this was too much, or nobody has tried.
    ceiling: usize,
    /// The most that were open at the same time.
    tried: usize,
    answered_in_a_row: usize,
    /// For losses that may be chance: answers earn it.
    credit: usize,
}

impl Room {
    /// What it begins with: fewer than may be, unless the controller is known to keep up with more.
    pub(super) fn new(known: Option<usize>) -> Self {
        let now = known.unwrap_or(FIRST).clamp(1, MOST);
        Self { now, ceiling: MOST, tried: 0, answered_in_a_row: 0, credit: CREDIT }
    }

    /// How many may be open.
    pub(super) fn now(self) -> usize {
        self.now
    }

    /// Whether one more may be asked, with so many open.
    pub(super) fn is_free(self, open: usize, limit: usize) -> bool {
        open < self.now.min(limit.clamp(1, MOST))
    }

    /// So many are open, with one that was asked just now.
    pub(super) fn asked(&mut self, open: usize) {
        self.tried = self.tried.max(open);
    }

    pub(super) fn answered(&mut self) {
        self.answered_in_a_row += 1;
        self.credit = (self.credit + 1).min(CREDIT);
        if self.now < self.ceiling {
            // Who has been asked one thing at a time only has not shown that it keeps up with many.
            self.now += usize::from(self.now < self.tried * 2);
        } else if self.ceiling < MOST && self.answered_in_a_row.is_multiple_of(PATIENCE) {
            self.ceiling += 1;
        }
    }

    /// Answers did not come to the last of so many that were open: they may have been too many.
    pub(super) fn lost(&mut self, open: usize) {
        self.answered_in_a_row = 0;
        // One that was alone cannot have been one too many.
        if open > 1 {
            self.ceiling = (self.now.min(open) / 2).max(1);
            self.now = self.ceiling;
        }
    }

    /// So many of those that were open are lost although later ones were answered. On a bad network that is chance, but
    /// not if it happens to one of three.
    pub(super) fn lost_by_chance(&mut self, lost: usize, open: usize) {
        self.answered_in_a_row = 0;
        match self.credit.checked_sub(lost * 3) {
            Some(left) => self.credit = left,
            None => self.lost(open),
        }
    }

    /// Nothing is heard at all: one at a time is enough to find out when that ends.
    pub(super) fn silent(&mut self, open: usize) {
        self.lost(open);
        self.now = 1;
    }

    /// The controller says that it is still at work on what it is asked.
    pub(super) fn is_at_work(&mut self) {
        self.ceiling = 1;
        self.now = 1;
        self.answered_in_a_row = 0;
    }
}

const FIRST: usize = 4;
/// Half of the numbers that tell the answers apart, so that one that is late is not taken for another.
pub(super) const MOST: usize = 32;
/// A third of so many may be lost in a row until that is no chance any more.
const CREDIT: usize = 12;
/// After so many answers in a row one more is tried.
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
