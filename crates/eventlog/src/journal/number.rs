//! Numbers of entries that increase across sequences.

use super::SequenceId;

/// Number of an entry in the journal: the position of its sequence and its number in the sequence.
///
/// It fits into the 53 bits that JSON numbers keep, as long as there are fewer than 4096 sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordNumber(
    /// Position of the sequence in the upper 24 bits, number in the lower 40 bits.
    pub u64,
);

const NUMBER_BITS: u32 = 40;

impl RecordNumber {
    /// Returns the number of an entry; numbers of 2^40 and more are cut.
    #[must_use]
    pub fn new(position: usize, number: u64) -> Self {
        let position = u64::try_from(position).unwrap_or(u64::MAX).min((1 << (64 - NUMBER_BITS)) - 1);
        Self((position << NUMBER_BITS) | number.min((1 << NUMBER_BITS) - 1))
    }

    /// Returns the position of the sequence.
    #[must_use]
    pub fn position(self) -> u64 {
        self.0 >> NUMBER_BITS
    }

    /// Returns the number in the sequence.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0 & ((1 << NUMBER_BITS) - 1)
    }
}

/// Sequences of a journal in the order in which they began.
///
/// A new sequence begins when journald has lost its files. Programs that store record numbers must store this list as
/// well, because the position of a sequence must not change when old files are removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequences(Vec<SequenceId>);

/// Maximum number of sequences; later ones are read as if they were the last one.
const MAX_SEQUENCES: usize = 4_096;

impl Sequences {
    /// Parses one identifier per line; other lines and repetitions are ignored.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut all = Self::default();
        for id in text.lines().filter_map(|line| SequenceId::parse(line.trim())) {
            all.add(id);
        }
        all
    }

    /// Returns one identifier per line.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.iter().map(|id| format!("{id}\n")).collect()
    }

    /// Adds a sequence unless it is known, and returns its position.
    pub(super) fn add(&mut self, id: SequenceId) -> usize {
        match self.0.iter().position(|known| *known == id) {
            Some(position) => position,
            None if self.0.len() < MAX_SEQUENCES => {
                self.0.push(id);
                self.0.len() - 1
            }
            None => MAX_SEQUENCES - 1,
        }
    }

    /// Returns the sequence at a position.
    pub(super) fn at(&self, position: u64) -> Option<SequenceId> {
        self.0.get(usize::try_from(position).ok()?).copied()
    }

    /// Returns the number of sequences.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no sequence.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
