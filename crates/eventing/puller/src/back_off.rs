//! Pauses between attempts to connect to a source.

use std::time::Duration;

/// Pause after failures in a row. It doubles with each of them.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    last: Option<Duration>,
}

impl BackOff {
    /// Returns the pause before the next attempt, within these bounds. Part of it depends on `random`, so that many
    /// sources that fail together do not try again together.
    pub(crate) fn next(&mut self, bounds: PauseBounds, random: u8) -> Duration {
        let pause = self.last.map_or(bounds.first, |last| last.saturating_mul(2));
        let pause = pause.clamp(bounds.first, bounds.longest);
        self.last = Some(pause);
        pause + pause / 4 * u32::from(random) / 255
    }

    /// Begins with the first pause again, after a success.
    pub(crate) fn reset(&mut self) {
        self.last = None;
    }
}

/// Bounds of the pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PauseBounds {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl PauseBounds {
    /// After a failure of the network or of the source.
    pub(crate) const USUAL: Self = Self { first: Duration::from_secs(1), longest: Duration::from_secs(600) };
    /// After a rejected password: a source may lock the account after a few attempts.
    pub(crate) const SIGN_IN: Self =
        Self { first: Duration::from_secs(600), longest: Duration::from_secs(3_600) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_again_after_a_success() {
        let mut back_off = BackOff::default();
        let pauses: Vec<u64> = (0..12).map(|_| back_off.next(PauseBounds::USUAL, 0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(back_off.next(PauseBounds::USUAL, 255).as_secs(), 750);
        assert_eq!(back_off.next(PauseBounds::SIGN_IN, 0).as_secs(), 1_200);
        back_off.reset();
        assert_eq!(back_off.next(PauseBounds::SIGN_IN, 0).as_secs(), 600);
    }
}
