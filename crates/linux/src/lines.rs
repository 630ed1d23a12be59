//! Line splitter for text that arrives in pieces; stores at most one line.

use std::io::{self, Read};

/// Maximum length of a line in bytes; longer lines are skipped.
const LONGEST: usize = 4 << 20;

/// Calls a function for each complete line.
pub struct Lines<F: FnMut(&str)> {
    each: F,
    /// Incomplete last line.
    begun: Vec<u8>,
    is_too_long: bool,
    left_out: u64,
}

impl<F: FnMut(&str)> Lines<F> {
    /// Creates a reader that passes each line to `each`.
    pub fn new(each: F) -> Self {
        Self { each, begun: Vec::new(), is_too_long: false, left_out: 0 }
    }

    /// Processes the next piece.
    pub fn take(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
            let (line, after) = rest.split_at(end);
            self.begin(line);
            self.give();
            rest = after.get(1..).unwrap_or_default();
        }
        self.begin(rest);
    }

    /// Processes an unterminated last line, and returns the number of skipped lines.
    pub fn end(mut self) -> u64 {
        if !self.begun.is_empty() || self.is_too_long {
            self.give();
        }
        self.left_out
    }

    fn begin(&mut self, part: &[u8]) {
        self.is_too_long |= self.begun.len().saturating_add(part.len()) > LONGEST;
        if !self.is_too_long {
            self.begun.extend(part);
        }
    }

    fn give(&mut self) {
        if std::mem::take(&mut self.is_too_long) {
            self.left_out += 1;
        } else {
            (self.each)(&String::from_utf8_lossy(&self.begun));
        }
        self.begun.clear();
    }
}

/// Calls `each` for every line of a reader. Returns the number of lines skipped because they were too long.
///
/// # Errors
/// Errors of the reader.
pub fn each_line(mut from: impl Read, each: impl FnMut(&str)) -> io::Result<u64> {
    let mut lines = Lines::new(each);
    let mut piece = vec![0; 64 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(lines.end()),
            Ok(length) => lines.take(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns the value of the first line of the form `name=value`.
pub(crate) fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pieces: &[&[u8]]) -> (Vec<String>, u64) {
        let mut given = Vec::new();
        let mut lines = Lines::new(|line| given.push(line.to_owned()));
        pieces.iter().for_each(|piece| lines.take(piece));
        let left_out = lines.end();
        (given, left_out)
    }

    #[test]
    fn lines_are_independent_of_chunk_boundaries() {
        let text = b"one\n\ntwo three\nfour";
        for at in 0..=text.len() {
            let (before, after) = text.split_at(at);
            assert_eq!(given(&[before, b"", after]).0, ["one", "", "two three", "four"]);
        }
        assert_eq!(given(&[b"one\n"]).0, ["one"]);
        assert!(given(&[]).0.is_empty());
    }

    #[test]
    fn overlong_line_is_skipped_and_counted() {
        let long = vec![b'x'; LONGEST];
        let (lines, left_out) = given(&[b"a\n", &long, b"x\nb\n", &long, b"\n", &long, b"y"]);
        assert_eq!((lines.len(), left_out), (3, 2));
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [1, 1, LONGEST]);
    }
}
