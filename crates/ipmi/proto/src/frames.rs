//! Several datagrams in one piece of memory, as they are made and sent.

use std::fmt;

use zeroize::Zeroize as _;

/// Octets of datagrams, one behind the other. To be used again and again: it keeps its memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Frames {
    octets: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Frames {
    /// Without any.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }

    /// Forgets them, and leaves nothing of them in memory.
    pub(crate) fn wipe(&mut self) {
        self.octets.zeroize();
        self.ends.clear();
    }

    /// Adds one.
    pub fn push(&mut self, frame: &[u8]) {
        self.add(|octets| octets.extend_from_slice(frame));
    }

    /// Adds what is written behind the others.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.add_if(|octets| {
            write(octets);
            true
        });
    }

    /// The same, if there is one to be written.
    pub(crate) fn add_if(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let is_there = write(&mut self.octets);
        if is_there {
            self.ends.push(self.octets.len());
        }
        is_there
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins.zip(&self.ends).map(|(begin, end)| self.octets.get(*begin..*end).unwrap_or_default())
    }

    /// Those that follow each other and have the same length, in one piece, with that length; at most so many in each.
    pub fn runs(&self, most: usize) -> impl Iterator<Item = (&[u8], usize)> {
        let mut lengths = self.iter().map(<[u8]>::len).peekable();
        let mut rest = self.octets.as_slice();
        std::iter::from_fn(move || {
            let length = lengths.next()?;
            let mut count = 1;
            while count < most && lengths.next_if_eq(&length).is_some() {
                count += 1;
            }
            let (run, later) = rest.split_at_checked(count * length)?;
            rest = later;
            Some((run, length))
        })
    }
}

/// There may be a secret in them.
impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frames({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_one_length_are_in_one_piece() {
        let mut frames = Frames::new();
        let all: [&[u8]; 7] = [&[1, 1], &[2, 2], &[3, 3], &[4], &[], &[], &[5, 5]];
        all.iter().for_each(|frame| frames.push(frame));
        assert!(frames.iter().eq(all) && frames.len() == 7);
        let runs: Vec<_> = frames.runs(2).collect();
        assert_eq!(runs, [(&[1, 1, 2, 2][..], 2), (&[3, 3], 2), (&[4], 1), (&[], 0), (&[5, 5], 2)]);
        frames.clear();
        assert!(frames.is_empty() && frames.runs(8).next().is_none());
    }
}
