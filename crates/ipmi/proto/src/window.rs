//! Which numbers of packets are new (IPMI 2.0, 6.12.13).

use crate::ProtoError;

/// The highest number that was seen, and which of those just below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    highest: u32,
    /// Bit n is set when `highest - n` was seen.
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
    /// That of IPMI 1.5, which is narrower (IPMI 2.0, 6.12.12).
    pub(crate) fn narrow() -> Self {
        Self { ahead: NARROW, behind: NARROW, ..Self::default() }
    }

    /// How far ahead of the highest a number may be.
    pub(crate) fn ahead(&self) -> u32 {
        self.ahead
    }

    /// Takes a number whose packet has been proven genuine.
    pub(crate) fn accept(&mut self, number: u32) -> Result<(), ProtoError> {
        if number == 0 {
            return Err(ProtoError::OutOfWindow);
        }
        if self.seen == 0 {
            // Some consoles and controllers do not begin with one.
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
    fn a_number_is_taken_once_and_only_near_the_highest() {
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
