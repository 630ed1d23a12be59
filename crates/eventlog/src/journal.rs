//! The journal of systemd, read from its files.
//!
//! [`Journal`] reads all files of a directory in the order of their entries, follows new ones, and survives rotation.
//! [`JournalFile`] reads one file. Files that use compression with XZ are not supported; [`ExportedJournal`] reads the
//! output of `journalctl` instead.
//!
//! Entries are numbered by journald in a sequence with an identifier of its own. A [`RecordNumber`] contains the
//! number in the sequence and the position of the sequence in [`Sequences`], so that it increases from one entry to
//! the next, also when journald has begun a new sequence.

mod bytes;
mod exported;
mod file;
mod folder;
mod number;
mod value;

use std::fmt;

pub use bytes::ReadAt;
pub use exported::ExportedJournal;
pub use file::{Header, JournalFile};
pub use folder::{Journal, default_folder};
pub use number::{RecordNumber, Sequences};
pub use value::MAX_FIELD;

/// Identifier of a sequence of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId(pub [u8; 16]);

/// Identifier of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

impl fmt::Display for SequenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl SequenceId {
    /// Parses 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        Some(Self(u128::from_str_radix(text, 16).ok()?.to_be_bytes()))
    }
}

/// Properties of an entry that are not fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHead {
    /// Sequence of the number.
    pub sequence: SequenceId,
    /// Number in the sequence.
    pub number: u64,
    /// Time at which the journal received the entry, in microseconds since 1970.
    pub realtime: u64,
    /// Time since the boot in microseconds.
    pub monotonic: u64,
    /// Boot of the machine.
    pub boot: BootId,
    /// Combined hash of the fields.
    pub hash: u64,
    offset: u64,
    size: u64,
}

impl EntryHead {
    /// Returns the cursor of the entry, as `journalctl` writes and reads it.
    #[must_use]
    pub fn cursor(&self) -> String {
        format!(
            "s={};i={:x};b={};m={:x};t={:x};x={:x}",
            self.sequence, self.number, self.boot, self.monotonic, self.realtime, self.hash
        )
    }
}

/// Fields of an entry in the order of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Names and values. Names may appear again, and values may be binary.
    pub all: Vec<(String, Vec<u8>)>,
    /// Whether a field or the rest of the fields was dropped because of its size.
    pub is_cut: bool,
}

impl Fields {
    /// Returns the first value of a field as text; `None` if it is missing or not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.all.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Returns the first value of a field as a number.
    #[must_use]
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.text(name)?.trim().parse().ok()
    }
}

/// An entry with its number and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number in all sequences.
    pub record: RecordNumber,
    /// Properties that are not fields.
    pub head: EntryHead,
    /// Fields.
    pub fields: Fields,
}
