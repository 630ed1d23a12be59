//! Fragments: the pieces of messages on the wire (MS-PSRP 2.2.4).

use std::collections::BTreeMap;

use crate::error::PsrpError;
use crate::message::Message;

/// Length of the header of a fragment in bytes.
pub const FRAGMENT_HEADER: usize = 21;

/// Fragment of a message; borrows its data from the received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Identifier of the message, above zero and unique for its sender.
    pub object: u64,
    /// Number of the fragment within its message, from zero.
    pub number: u64,
    /// Whether this is the first fragment of its message.
    pub is_start: bool,
    /// Whether this is the last fragment of its message.
    pub is_end: bool,
    /// Part of the message.
    pub data: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Decodes the first fragment of `bytes` and returns it with the bytes behind it.
    ///
    /// # Errors
    /// [`PsrpError::ShortFragment`] if the bytes end before the fragment does, and
    /// [`PsrpError::FragmentOrder`] if the identifier is zero or negative, as PowerShell reads it.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), PsrpError> {
        let Some((header, rest)) = bytes.split_first_chunk::<FRAGMENT_HEADER>() else {
            return Err(PsrpError::ShortFragment { missing: FRAGMENT_HEADER - bytes.len() });
        };
        let [o1, o2, o3, o4, o5, o6, o7, o8, n1, n2, n3, n4, n5, n6, n7, n8, flags, l1, l2, l3, l4] = *header;
        let object = u64::from_be_bytes([o1, o2, o3, o4, o5, o6, o7, o8]);
        let number = u64::from_be_bytes([n1, n2, n3, n4, n5, n6, n7, n8]);
        let length = usize::try_from(u32::from_be_bytes([l1, l2, l3, l4])).unwrap_or(usize::MAX);
        if i64::try_from(object).map_or(true, |object| object <= 0) {
            return Err(order(object, number, "the object identifier must be positive"));
        }
        let Some((data, rest)) = rest.split_at_checked(length) else {
            return Err(PsrpError::ShortFragment { missing: length - rest.len() });
        };
        let fragment = Self { object, number, is_start: flags & 1 != 0, is_end: flags & 2 != 0, data };
        Ok((fragment, rest))
    }

    /// Appends the encoded fragment.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_behind(&[], out);
    }

    /// Appends the encoded fragment, whose data begins with `first`.
    fn encode_behind(&self, first: &[u8], out: &mut Vec<u8>) {
        let length = first.len() + self.data.len();
        out.reserve(FRAGMENT_HEADER + length);
        out.extend_from_slice(&self.object.to_be_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.push(u8::from(self.is_start) | u8::from(self.is_end) << 1);
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(first);
        out.extend_from_slice(self.data);
    }
}

/// Limits of a [`Defragmenter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentLimits {
    /// Maximum length of one message in bytes.
    pub message: usize,
    /// Maximum number of incomplete messages.
    pub open: usize,
    /// Maximum length of all incomplete messages together in bytes.
    pub total: usize,
}

impl Default for FragmentLimits {
    /// 10 MiB for a message, as PowerShell's `PSMaximumReceivedObjectSizeMB`; 64 incomplete messages with
    /// 40 MiB together.
    fn default() -> Self {
        Self { message: 10 << 20, open: 64, total: 40 << 20 }
    }
}

/// Joins fragments to messages. Fragments of different messages may interleave; those of one must be in order.
#[derive(Debug, Default)]
pub struct Defragmenter {
    limits: FragmentLimits,
    open: BTreeMap<u64, Incomplete>,
    /// Length of all incomplete messages together in bytes.
    total: usize,
}

#[derive(Debug)]
struct Incomplete {
    next: u64,
    data: Vec<u8>,
}

impl Defragmenter {
    /// Returns a defragmenter with these limits.
    #[must_use]
    pub fn new(limits: FragmentLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Adds a fragment and returns its message if it was the last one.
    ///
    /// # Errors
    /// [`PsrpError::FragmentOrder`] if the fragment does not continue its message, and
    /// [`PsrpError::TooLarge`] if a limit is exceeded. The stream cannot be continued after an error, because
    /// a message is lost.
    pub fn add(&mut self, fragment: Fragment<'_>) -> Result<Option<Vec<u8>>, PsrpError> {
        let Fragment { object, number, is_start, is_end, data } = fragment;
        let length = data.len();
        if is_start {
            self.require_room_for_start(&fragment)?;
        }
        let before = self.open.get(&object).map_or(0, |incomplete| incomplete.data.len());
        if length > self.limits.message.saturating_sub(before) {
            return Err(PsrpError::TooLarge { what: "message length in bytes", limit: self.limits.message });
        }
        if is_start && is_end {
            return Ok(Some(data.to_vec()));
        }
        if length > self.limits.total.saturating_sub(self.total) {
            let what = "length of all incomplete messages in bytes";
            return Err(PsrpError::TooLarge { what, limit: self.limits.total });
        }
        if is_start {
            self.open.insert(object, Incomplete { next: 0, data: Vec::new() });
        }
        let Some(incomplete) = self.open.get_mut(&object) else {
            return Err(order(object, number, "its message has not begun"));
        };
        if incomplete.next != number {
            return Err(order(object, number, "a fragment before it is missing or came twice"));
        }
        incomplete.next = incomplete.next.saturating_add(1);
        incomplete.data.extend_from_slice(data);
        self.total += length;
        if !is_end {
            return Ok(None);
        }
        let complete = self.open.remove(&object).map(|incomplete| incomplete.data);
        self.total -= complete.as_ref().map_or(0, Vec::len);
        Ok(complete)
    }

    fn require_room_for_start(&self, fragment: &Fragment<'_>) -> Result<(), PsrpError> {
        let Fragment { object, number, is_end, .. } = *fragment;
        if number != 0 {
            return Err(order(object, number, "the first fragment must have the number 0"));
        }
        if self.open.contains_key(&object) {
            return Err(order(object, number, "its message has already begun"));
        }
        if !is_end && self.open.len() >= self.limits.open {
            return Err(PsrpError::TooLarge {
                what: "number of incomplete messages",
                limit: self.limits.open,
            });
        }
        Ok(())
    }

    /// Returns the number of incomplete messages.
    #[must_use]
    pub fn incomplete(&self) -> usize {
        self.open.len()
    }
}

/// A message that is being divided into fragments.
#[derive(Debug)]
pub struct Fragmenter {
    object: u64,
    number: u64,
    /// Header of the message, if `data` is without it.
    header: Vec<u8>,
    data: Vec<u8>,
    /// Number of bytes of header and data that fragments have.
    at: usize,
    is_done: bool,
}

impl Fragmenter {
    /// Divides the bytes of a message; `object` must be positive and unique for this sender.
    #[must_use]
    pub fn new(object: u64, data: Vec<u8>) -> Self {
        Self::with_header(object, Vec::new(), data)
    }

    /// Divides a message, and does not copy its data.
    pub(crate) fn of_message(object: u64, message: Message) -> Self {
        Self::with_header(object, message.header(), message.data)
    }

    fn with_header(object: u64, header: Vec<u8>, data: Vec<u8>) -> Self {
        Self { object, number: 0, header, data, at: 0, is_done: false }
    }

    /// Returns the length of the message in bytes.
    pub(crate) fn length(&self) -> usize {
        self.header.len() + self.data.len()
    }

    /// Returns the number of bytes of the message that no fragment has yet.
    pub(crate) fn left(&self) -> usize {
        self.length().saturating_sub(self.at)
    }

    /// Appends the next fragment of at most `limit` bytes, header included, and returns whether one was
    /// appended. It appends none if `limit` leaves no room for data, or once the message is complete.
    pub fn next(&mut self, limit: usize, out: &mut Vec<u8>) -> bool {
        let room = limit.saturating_sub(FRAGMENT_HEADER);
        if self.is_done || room == 0 {
            return false;
        }
        let is_end = self.left() <= room;
        let header = self.header.get(self.at..).unwrap_or_default();
        let header = header.get(..room).unwrap_or(header);
        let data = self.data.get(self.at.saturating_sub(self.header.len())..).unwrap_or_default();
        let data = data.get(..room - header.len()).unwrap_or(data);
        let fragment =
            Fragment { object: self.object, number: self.number, is_start: self.number == 0, is_end, data };
        fragment.encode_behind(header, out);
        self.at += header.len() + data.len();
        self.number += 1;
        self.is_done = is_end;
        true
    }

    /// Returns whether no fragment has been taken.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.number == 0
    }

    /// Returns whether all fragments have been taken.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }
}

fn order(object: u64, fragment: u64, reason: &'static str) -> PsrpError {
    PsrpError::FragmentOrder { object, fragment, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(object: u64, number: u64, flags: u8, data: &[u8]) -> Fragment<'_> {
        Fragment { object, number, is_start: flags & 1 != 0, is_end: flags & 2 != 0, data }
    }

    #[test]
    fn interleaved_messages_are_joined() {
        let mut joined = Defragmenter::default();
        assert_eq!(joined.add(fragment(1, 0, 1, b"ab")), Ok(None));
        assert_eq!(joined.add(fragment(2, 0, 1, b"xy")), Ok(None));
        assert_eq!(joined.add(fragment(1, 1, 0, b"cd")), Ok(None));
        assert_eq!(joined.add(fragment(3, 0, 3, b"")), Ok(Some(Vec::new())));
        assert_eq!(joined.add(fragment(2, 1, 2, b"z")), Ok(Some(b"xyz".to_vec())));
        assert_eq!(joined.add(fragment(1, 2, 2, b"")), Ok(Some(b"abcd".to_vec())));
        assert_eq!((joined.incomplete(), joined.total), (0, 0));
    }

    #[test]
    fn lost_repeated_and_reordered_fragments_are_refused() {
        for (second, reason) in [
            (fragment(1, 2, 0, b""), "a fragment before it is missing or came twice"),
            (fragment(1, 0, 0, b""), "a fragment before it is missing or came twice"),
            (fragment(1, 0, 1, b""), "its message has already begun"),
            (fragment(2, 1, 1, b""), "the first fragment must have the number 0"),
            (fragment(2, 0, 0, b""), "its message has not begun"),
        ] {
            let mut joined = Defragmenter::default();
            joined.add(fragment(1, 0, 1, b"a")).unwrap();
            let error = PsrpError::FragmentOrder { object: second.object, fragment: second.number, reason };
            assert_eq!(joined.add(second), Err(error));
        }
    }

    #[test]
    fn messages_are_limited_in_length_and_number() {
        let mut joined = Defragmenter::new(FragmentLimits { message: 4, open: 2, total: 6 });
        assert!(joined.add(fragment(9, 0, 3, b"12345")).is_err());
        joined.add(fragment(1, 0, 1, b"123")).unwrap();
        joined.add(fragment(2, 0, 1, b"123")).unwrap();
        assert!(joined.add(fragment(3, 0, 1, b"")).is_err(), "a third message was begun");
        assert!(joined.add(fragment(1, 1, 0, b"4")).is_err(), "the total was exceeded");
    }

    #[test]
    fn a_message_is_divided_and_joined_again() {
        for (length, limit) in
            [(0, 22), (1, 22), (100, 22), (100, 30), (79, 100), (80, 100), (32_747, 32_768)]
        {
            let data: Vec<u8> = (0..=255).cycle().take(length).collect();
            let mut fragments = Fragmenter::new(7, data.clone());
            let mut bytes = Vec::new();
            while fragments.next(limit, &mut bytes) {}
            assert!(fragments.is_done());
            let mut joined = Defragmenter::default();
            let (mut rest, mut message) = (bytes.as_slice(), None);
            while !rest.is_empty() {
                assert_eq!(message, None);
                let (fragment, behind) = Fragment::decode(rest).unwrap();
                assert!(rest.len() - behind.len() <= limit);
                message = joined.add(fragment).unwrap();
                rest = behind;
            }
            assert_eq!(message, Some(data));
        }
    }

    #[test]
    fn incomplete_bytes_and_identifiers_that_are_not_positive_are_refused() {
        let mut bytes = Vec::new();
        fragment(5, 0, 3, b"abc").encode(&mut bytes);
        for length in 0..bytes.len() {
            assert!(Fragment::decode(&bytes[..length]).is_err(), "{length} bytes were enough");
        }
        for object in [0, 1 << 63, u64::MAX] {
            bytes[..8].copy_from_slice(&object.to_be_bytes());
            assert!(Fragment::decode(&bytes).is_err(), "the object {object} was accepted");
        }
    }
}
