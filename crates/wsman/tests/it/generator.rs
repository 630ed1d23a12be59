//! Deterministic pseudo-random values for messages.

use std::time::Duration;

/// Xorshift generator.
pub(crate) struct Generator(u64);

impl Generator {
    /// Creates a generator from a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(0x9E37_79B9_7F4A_7C15 ^ (seed << 32 | seed))
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    pub(crate) fn octets(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }

    /// Returns a value or `None`.
    pub(crate) fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    /// Returns up to `most` values.
    pub(crate) fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    /// Returns text with and without characters that XML must escape.
    pub(crate) fn text(&mut self) -> String {
        const PIECES: [&str; 20] = [
            "a",
            "Z",
            "0",
            "-",
            "_",
            ".",
            " ",
            "  ",
            "\n",
            "\r",
            "\r\n",
            "\t",
            "<",
            ">",
            "&",
            "\"",
            "'",
            "]]>",
            "é",
            "\u{1F511}",
        ];
        (0..self.below(12)).map(|_| self.pick(&PIECES)).collect()
    }

    /// Returns a header value: not empty, without white space at its ends.
    pub(crate) fn word(&mut self) -> String {
        format!("w{}.", self.text())
    }

    /// Returns an identifier or address: without control characters, line separators and bidirectional controls.
    pub(crate) fn label(&mut self) -> String {
        let fits =
            |c: &char| !c.is_control() && !matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        self.word().chars().filter(fits).collect()
    }

    /// Returns a unique name.
    pub(crate) fn name(&mut self, number: usize) -> String {
        format!("{}{number}", self.word())
    }

    /// Returns an identifier of a shell or command.
    pub(crate) fn id(&mut self) -> String {
        (0..1 + self.below(40))
            .map(|_| self.pick(&["A", "f", "0", "9", "-", ":", "{", "}", "_", "."]))
            .collect()
    }

    /// Returns a duration in milliseconds.
    pub(crate) fn time(&mut self) -> Duration {
        Duration::from_millis(u64::try_from(self.below(100_000_000)).unwrap())
    }
}
