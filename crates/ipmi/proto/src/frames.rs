//! Several datagrams in one buffer.

use std::fmt;

use zeroize::Zeroize as _;

/// Buffer of consecutive datagrams. Reuse it: clearing it keeps the allocation.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Frames {
    octets: Vec<u8>,
    /// Offset of the end of each datagram.
    ends: Vec<usize>,
}

impl Frames {
    /// Returns an empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether there are no datagrams.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the number of datagrams.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Removes all datagrams.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }

    /// Removes all datagrams and overwrites their contents in memory.
    pub(crate) fn wipe(&mut self) {
        self.octets.zeroize();
        self.ends.clear();
    }

    /// Appends a datagram.
    pub fn push(&mut self, frame: &[u8]) {
        self.add(|octets| octets.extend_from_slice(frame));
    }

    /// Appends the datagram that `write` produces.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.add_if(|octets| {
            write(octets);
            true
        });
    }

    /// Appends the datagram that `write` produces, if `write` returns `true`; returns whether it did.
    pub(crate) fn add_if(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let is_there = write(&mut self.octets);
        if is_there {
            self.ends.push(self.octets.len());
        }
        is_there
    }

    /// Returns an iterator over the datagrams.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins.zip(&self.ends).map(|(begin, end)| self.octets.get(*begin..*end).unwrap_or_default())
    }

    /// Returns runs of consecutive datagrams of equal length, at most `most` in each, with that length. Each
    /// run is one slice.
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

/// Shows only the number of datagrams, because they may contain secrets.
impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frames({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_equal_length_form_one_segment() {
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
