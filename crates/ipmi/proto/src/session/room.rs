//! How many requests may be open at the same time: as many as the controller keeps up with.

/// Grows with every answer until one is lost, and then with care.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    now: usize,
    /// More than this was too much, or nobody has tried.
    ceiling: usize,
    answered_in_a_row: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { now: FIRST, ceiling: MOST, answered_in_a_row: 0 }
    }

    /// Whether one more may be asked, with so many open.
    pub(super) fn is_free(self, open: usize, limit: usize) -> bool {
        open < self.now.min(limit.clamp(1, MOST))
    }

    pub(super) fn answered(&mut self) {
        self.answered_in_a_row += 1;
        if self.now < self.ceiling {
            self.now += 1;
        } else if self.ceiling < MOST && self.answered_in_a_row.is_multiple_of(PATIENCE) {
            self.ceiling += 1;
        }
    }

    /// An answer did not come: it may have been one too many.
    pub(super) fn lost(&mut self) {
        self.ceiling = (self.now / 2).max(1);
        self.now = self.ceiling;
        self.answered_in_a_row = 0;
    }

    /// The controller says that it is still at work on what it is asked.
    pub(super) fn is_at_work(&mut self) {
        self.ceiling = 1;
        self.now = 1;
        self.answered_in_a_row = 0;
    }
}

const FIRST: usize = 4;
/// The half of the window in which packets may arrive (IPMI 2.0, 6.12.13).
pub(super) const MOST: usize = 8;
/// After so many answers in a row one more is tried.
const PATIENCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_halves_what_is_open_and_it_grows_back_slowly() {
        let mut room = Room::new();
        assert!(room.is_free(3, 8) && !room.is_free(4, 8) && !room.is_free(2, 2) && room.is_free(0, 0));
        (0..10).for_each(|_| room.answered());
        assert!(room.is_free(7, 8) && !room.is_free(8, 9));
        room.lost();
        assert!(room.is_free(3, 8) && !room.is_free(4, 8));
        (0..7).for_each(|_| room.answered());
        assert!(!room.is_free(4, 8));
        (0..2).for_each(|_| room.answered());
        assert!(room.is_free(4, 8) && !room.is_free(5, 8));
        (0..4).for_each(|_| room.lost());
        assert!(room.is_free(0, 8) && !room.is_free(1, 8));
        room.is_at_work();
        assert!(room.is_free(0, 8) && !room.is_free(1, 8));
    }
}
