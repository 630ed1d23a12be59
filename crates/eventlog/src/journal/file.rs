//! One journal file: header, chain of entry arrays, entries and their fields (Journal File Format, systemd.io).

use super::bytes::{Bytes, ReadAt};
use super::value::{Compression, MAX_FIELD, decompress};
use super::{BootId, EntryHead, Fields, SequenceId};
use crate::LogError;

/// Open journal file.
pub struct JournalFile {
    bytes: Bytes,
    header: Header,
    /// Arrays of entries, in the order of the chain.
    arrays: Vec<EntryArray>,
}

/// Part of the header that changes only when entries are added, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Identifier of the file, which survives renaming.
    pub file_id: [u8; 16],
    /// Identifier of the sequence of numbers that the entries continue.
    pub sequence: SequenceId,
    /// Number of entries.
    pub entries: u64,
    /// Sequence number of the first entry; 0 without entries.
    pub first_number: u64,
    /// Sequence number of the last entry; 0 without entries.
    pub last_number: u64,
    /// Time of the first entry in microseconds since 1970.
    pub first_time: u64,
    /// Whether the file is complete and nothing will be added.
    pub is_archived: bool,
    is_compact: bool,
    first_array: u64,
}

/// Array of the offsets of entries.
#[derive(Clone, Copy, Debug)]
struct EntryArray {
    offset: u64,
    /// Number of the first entry of the array in the file, from 0 on.
    first: u64,
    /// Number of entries that have room.
    capacity: u64,
}

const SIGNATURE: [u8; 8] = *b"LPKSHHRH";
/// Size of the header in the first version of the format, in bytes.
const MIN_HEADER: u64 = 208;
/// Size of the header of an object in bytes.
const OBJECT: u64 = 16;
/// Maximum number of arrays: their capacity doubles, up to 4 MiB for each.
const MAX_ARRAYS: usize = 1 << 16;
/// Maximum number of fields of an entry; journald accepts 1024.
const MAX_FIELDS: u64 = 1_024;
/// Maximum total size of the fields of an entry in bytes.
const MAX_ENTRY: usize = 768 << 10;

mod kind {
    pub(super) const DATA: u8 = 1;
    pub(super) const ENTRY: u8 = 3;
    pub(super) const ENTRY_ARRAY: u8 = 6;
}

mod incompatible {
    pub(super) const XZ: u32 = 1;
    pub(super) const LZ4: u32 = 2;
    pub(super) const KEYED_HASH: u32 = 4;
    pub(super) const ZSTD: u32 = 8;
    pub(super) const COMPACT: u32 = 16;
}

impl Header {
    fn read(bytes: &mut Bytes) -> Result<Self, LogError> {
        if bytes.array::<8>(0)? != SIGNATURE {
            return Err(LogError::Damaged { at: 0, reason: "the signature of journal files is missing" });
        }
        let flags = bytes.u32(12)?;
        if flags & incompatible::XZ != 0 {
            return Err(LogError::Unsupported("compression with XZ"));
        }
        let known = incompatible::LZ4 | incompatible::KEYED_HASH | incompatible::ZSTD | incompatible::COMPACT;
        if flags & !known != 0 {
            return Err(LogError::Unsupported("a flag of a newer version"));
        }
        let [state] = bytes.array::<1>(16)?;
        if bytes.u64(88)? < MIN_HEADER {
            return Err(LogError::Damaged { at: 88, reason: "the header is too small" });
        }
        Ok(Self {
            file_id: bytes.array(24)?,
            sequence: SequenceId(bytes.array(72)?),
            entries: bytes.u64(152)?,
            last_number: bytes.u64(160)?,
            first_number: bytes.u64(168)?,
            first_array: bytes.u64(176)?,
            first_time: bytes.u64(184)?,
            is_archived: state == 2,
            is_compact: flags & incompatible::COMPACT != 0,
        })
    }

    fn item_size(&self) -> u64 {
        if self.is_compact { 4 } else { 8 }
    }
}

impl JournalFile {
    /// Opens a file: reads its header and the chain of entry arrays.
    ///
    /// # Errors
    /// [`LogError`] if the file cannot be read, or if its header or the chain does not follow the format.
    pub fn open(content: Box<dyn ReadAt>) -> Result<Self, LogError> {
        let mut bytes = Bytes::new(content)?;
        let header = Header::read(&mut bytes)?;
        let mut file = Self { bytes, header, arrays: Vec::new() };
        file.extend_arrays()?;
        Ok(file)
    }

    /// Returns the header as of opening, or of the last [`Self::refresh`].
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads the header again, so that entries that were added are found.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn refresh(&mut self) -> Result<(), LogError> {
        self.bytes.refresh()?;
        self.header = Header::read(&mut self.bytes)?;
        self.extend_arrays()
    }

    /// Frees the memory of parts that were read.
    pub fn forget(&mut self) {
        self.bytes.forget();
    }

    /// Follows the chain from the last known array on, until all entries have a place.
    fn extend_arrays(&mut self) -> Result<(), LogError> {
        loop {
            let room = self.arrays.last().map_or(0, |last| last.first.saturating_add(last.capacity));
            if room >= self.header.entries {
                return Ok(());
            }
            let (before, next) = match self.arrays.last() {
                Some(last) => (last.offset, self.bytes.u64(last.offset.saturating_add(OBJECT))?),
                None => (0, self.header.first_array),
            };
            // The end of a chain that is shorter than the header says, after a crash of journald.
            if next == 0 {
                self.header.entries = room;
                return Ok(());
            }
            if next <= before || self.arrays.len() >= MAX_ARRAYS {
                return Err(LogError::Damaged { at: before, reason: "the chain of entry arrays is invalid" });
            }
            let size = self.object(next, kind::ENTRY_ARRAY)?.size;
            let capacity = size.saturating_sub(OBJECT + 8) / self.header.item_size();
            if capacity == 0 {
                return Err(LogError::Damaged { at: next, reason: "an entry array is empty" });
            }
            self.arrays.push(EntryArray { offset: next, first: room, capacity });
        }
    }

    /// Reads the header of an object of a type.
    fn object(&mut self, at: u64, wanted: u8) -> Result<ObjectHead, LogError> {
        if at == 0 || !at.is_multiple_of(8) {
            return Err(LogError::Damaged { at, reason: "the offset of an object is invalid" });
        }
        let [kind, flags] = self.bytes.array(at)?;
        let size = self.bytes.u64(at.saturating_add(8))?;
        if kind != wanted || size < OBJECT || !self.bytes.contains(at, size) {
            return Err(LogError::Damaged { at, reason: "an object has another type or no valid size" });
        }
        Ok(ObjectHead { flags, size })
    }

    /// Returns the entry with this index, from 0 on; `None` behind the last one.
    ///
    /// # Errors
    /// [`LogError`] if the entry cannot be read. The entries after it may be readable.
    pub fn entry(&mut self, index: u64) -> Result<Option<EntryHead>, LogError> {
        if index >= self.header.entries {
            return Ok(None);
        }
        let after = self.arrays.partition_point(|array| array.first <= index);
        let Some(array) = after.checked_sub(1).and_then(|at| self.arrays.get(at)).copied() else {
            return Ok(None);
        };
        let within = index.saturating_sub(array.first).saturating_mul(self.header.item_size());
        let at = array.offset.saturating_add(OBJECT + 8).saturating_add(within);
        let offset =
            if self.header.is_compact { u64::from(self.bytes.u32(at)?) } else { self.bytes.u64(at)? };
        // An array may have unused places at its end.
        if offset == 0 {
            return Ok(None);
        }
        let object = self.object(offset, kind::ENTRY)?;
        let begin = offset.saturating_add(OBJECT);
        Ok(Some(EntryHead {
            sequence: self.header.sequence,
            number: self.bytes.u64(begin)?,
            realtime: self.bytes.u64(begin.saturating_add(8))?,
            monotonic: self.bytes.u64(begin.saturating_add(16))?,
            boot: BootId(self.bytes.array(begin.saturating_add(24))?),
            hash: self.bytes.u64(begin.saturating_add(40))?,
            offset,
            size: object.size,
        }))
    }

    /// Returns the fields of an entry.
    ///
    /// # Errors
    /// [`LogError`] if a field cannot be read or decompressed.
    pub fn fields(&mut self, entry: &EntryHead) -> Result<Fields, LogError> {
        const ITEMS: u64 = 64;
        let item = if self.header.is_compact { 4 } else { 16 };
        let count = entry.size.saturating_sub(ITEMS) / item;
        let mut fields = Fields::default();
        if count > MAX_FIELDS {
            return Err(LogError::Damaged { at: entry.offset, reason: "an entry has too many fields" });
        }
        let mut total = 0_usize;
        for index in 0..count {
            let at = entry.offset.saturating_add(ITEMS).saturating_add(index.saturating_mul(item));
            let data =
                if self.header.is_compact { u64::from(self.bytes.u32(at)?) } else { self.bytes.u64(at)? };
            let (payload, is_cut) = self.payload(data)?;
            fields.is_cut |= is_cut;
            total = total.saturating_add(payload.len());
            if total > MAX_ENTRY {
                fields.is_cut = true;
                break;
            }
            let Some(sign) = memchr::memchr(b'=', &payload) else {
                return Err(LogError::Damaged { at: data, reason: "a field has no name" });
            };
            let name = payload.get(..sign).unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            let value = payload.get(sign + 1..).unwrap_or_default().to_vec();
            fields.all.push((name, value));
        }
        Ok(fields)
    }

    /// Returns the payload of a data object, and whether its end was dropped.
    fn payload(&mut self, at: u64) -> Result<(Vec<u8>, bool), LogError> {
        let object = self.object(at, kind::DATA)?;
        let begin = if self.header.is_compact { 72 } else { 64 };
        let size = usize::try_from(object.size.saturating_sub(begin)).unwrap_or(usize::MAX);
        let compression = Compression::of_flags(object.flags, at)?;
        // Compressed data cannot be cut before it is decompressed, but is never longer than 16 MiB in practice.
        let limit = if compression == Compression::None { MAX_FIELD + 1 } else { MAX_COMPRESSED };
        let length = size.min(limit);
        let mut payload = vec![0; length.min(MAX_FIELD + 1)];
        let mut filled = 0;
        // The buffer grows with data that exists, because the size comes from the file.
        loop {
            let offset = at.saturating_add(begin).saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            if let Some(rest) = payload.get_mut(filled..) {
                self.bytes.fill(rest, offset)?;
            }
            filled = payload.len();
            if filled >= length {
                break;
            }
            payload.resize(length.min(filled.saturating_mul(2)), 0);
        }
        let (data, is_cut) = decompress(payload, compression, at)?;
        Ok((data, is_cut || (compression == Compression::None && size > MAX_FIELD)))
    }

    /// Returns the index of the first entry for which `is_before` is false, by binary search. Entries that cannot be
    /// read count as before.
    pub fn lower_bound(&mut self, mut is_before: impl FnMut(&EntryHead) -> bool) -> u64 {
        let (mut low, mut high) = (0, self.header.entries);
        while low < high {
            let middle = low.midpoint(high);
            let before = match self.entry(middle) {
                Ok(Some(entry)) => is_before(&entry),
                Ok(None) => false,
                Err(_) => true,
            };
            if before { low = middle + 1 } else { high = middle }
        }
        low
    }
}

#[derive(Clone, Copy, Debug)]
struct ObjectHead {
    flags: u8,
    size: u64,
}

/// Maximum size of a compressed field in bytes.
const MAX_COMPRESSED: usize = 16 << 20;
