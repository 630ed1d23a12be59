//! Sliding window of sequence numbers, against replayed packets (IPMI 2.0, 6.12.13).

use crate::ProtoError;

/// Highest sequence number received, and which of those just below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    highest: u32,
    /// Bit n is set if `highest - n` was received.
    seen: u32,
    ahead: u32,
    behind: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { highest: 0, seen: 0, ahead: AHEAD, behind: BEHIND }
    }
}

impl Window {
    /// Returns the narrower window of IPMI 1.5 (IPMI 2.0, 6.12.12).
    pub(crate) fn narrow() -> Self {
        Self { ahead: NARROW, behind: NARROW, ..Self::default() }
    }

    /// Returns how far a number may be ahead of the highest.
    pub(crate) fn ahead(&self) -> u32 {
        self.ahead
    }

    /// Accepts the number of an authenticated packet, or returns an error if it is a duplicate or outside the
    /// window.
    pub(crate) fn accept(&mut self, number: u32) -> Result<(), ProtoError> {
        if number == 0 {
            return Err(ProtoError::OutOfWindow);
        }
        if self.seen == 0 {
            // The first number is accepted as it is: some peers do not start with 1.
            (self.highest, self.seen) = (number, 1);
            return Ok(());
        }
        let ahead = number.wrapping_sub(self.highest);
        let behind = self.highest.wrapping_sub(number);
        if (1..=self.ahead).contains(&ahead) {
            self.seen = self.seen << ahead | 1;
            self.highest = number;
            Ok(())
        } else if behind <= self.behind && self.seen & 1 << behind == 0 {
            self.seen |= 1 << behind;
            Ok(())
        } else {
            Err(ProtoError::OutOfWindow)
        }
    }
}

const AHEAD: u32 = 15;
const BEHIND: u32 = 16;
const NARROW: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_accepted_once_and_only_near_the_highest() {
        let mut window = Window::default();
        assert!(window.accept(0).is_err());
        for number in [3, 5, 4, 20, 10, 6] {
            assert_eq!(window.accept(number), Ok(()), "{number}");
            assert!(window.accept(number).is_err(), "{number} again");
        }
        assert!(window.accept(36).is_err(), "too far ahead");
        assert!(window.accept(3).is_err(), "too far behind");
        assert_eq!(window.accept(35), Ok(()));
    }

    #[test]
    fn numbers_wrap_around() {
        let mut window = Window::default();
        assert_eq!(window.accept(u32::MAX), Ok(()));
        assert_eq!(window.accept(1), Ok(()));
        assert_eq!(window.accept(u32::MAX - 1), Ok(()));
        assert!(window.accept(u32::MAX).is_err());
    }
}
