//! Reader for the dconf(7) database of a user's settings: a GVDB hash table, written by GLib.
//!
//! Only the parts needed for a key are read, so the file may have any size.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// An open database.
pub struct Database {
    file: File,
    /// Offset of the buckets.
    buckets: u64,
    /// Number of buckets.
    count: u32,
    /// Offset of the items; the next field is their number.
    items: u64,
    item_count: u32,
}

/// A value, followed by its GVariant type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting(Vec<u8>);

/// An item: hash, parent, offset and length of the name, kind, and range of the value.
struct Item([u8; ITEM]);

const ITEM: usize = 24;

/// Maximum number of items examined in a bucket; GLib creates as many buckets as items.
const MOST_IN_BUCKET: u32 = 1_000;

/// Maximum length read of a name or value, in bytes.
const LONGEST: u32 = 64 << 10;

impl Database {
    /// Opens a database; `None` if the file is malformed or was written in another byte order.
    pub fn open(file: File) -> Option<Self> {
        let header = read::<24>(&file, 0)?;
        let is_one = header.starts_with(b"GVariant") && number(&header, 8) == Some(0);
        if !is_one || cfg!(target_endian = "big") {
            return None;
        }
        let (begin, end) = (u64::from(number(&header, 16)?), u64::from(number(&header, 20)?));
        let table = read::<8>(&file, begin)?;
        // The upper bits of the first number belong to the bloom filter, whose words precede the buckets.
        let (words, count) = (number(&table, 0)? & 0x07FF_FFFF, number(&table, 4)?);
        let buckets = begin + 8 + u64::from(words) * 4;
        let items = buckets + u64::from(count) * 4;
        let item_count = u32::try_from(end.checked_sub(items)? / 24).ok()?;
        Some(Self { file, buckets, count, items, item_count })
    }

    /// Returns the value of a key such as `/org/gnome/desktop/session/idle-delay`.
    pub fn get(&self, key: &str) -> Option<Setting> {
        let hash = hash(key.as_bytes());
        let bucket = hash.checked_rem(self.count)?;
        let first = self.first_item(bucket)?;
        let last = if bucket + 1 == self.count { self.item_count } else { self.first_item(bucket + 1)? };
        let items = (first..last.min(first.saturating_add(MOST_IN_BUCKET))).map_while(|at| self.item(at));
        let found = items.into_iter().find(|item| {
            item.number(0) == Some(hash)
                && item.0.get(14) == Some(&b'v')
                && self.is_named(item, key.as_bytes())
        })?;
        self.between(found.number(16)?, found.number(20)?).map(Setting)
    }

    fn first_item(&self, bucket: u32) -> Option<u32> {
        let octets = read::<4>(&self.file, self.buckets + u64::from(bucket) * 4)?;
        Some(u32::from_le_bytes(octets))
    }

    fn item(&self, at: u32) -> Option<Item> {
        (at < self.item_count).then_some(())?;
        read(&self.file, self.items + u64::from(at) * 24).map(Item)
    }

    /// Returns whether an item has this name. Each item holds a part of the name and refers to its parent,
    /// which holds the part before it.
    fn is_named(&self, item: &Item, name: &[u8]) -> bool {
        let (mut item, mut rest) = (Item(item.0), name);
        // No name has more parts; the limit also ends a cycle of parents.
        for _ in 0..64 {
            let Some(before) = self.part_of(&item).and_then(|part| rest.strip_suffix(part.as_slice())) else {
                return false;
            };
            rest = before;
            match item.number(4) {
                Some(u32::MAX) => return rest.is_empty(),
                Some(parent) => {
                    let Some(parent) = self.item(parent) else { return false };
                    item = parent;
                }
                None => return false,
            }
        }
        false
    }

    /// Returns the part of its name that an item adds to that of its parent.
    fn part_of(&self, item: &Item) -> Option<Vec<u8>> {
        let begin = item.number(8)?;
        let length = item.0.get(12..14)?.first_chunk::<2>().map(|octets| u16::from_le_bytes(*octets))?;
        self.between(begin, begin.checked_add(length.into())?)
    }

    fn between(&self, begin: u32, end: u32) -> Option<Vec<u8>> {
        let length = end.checked_sub(begin).filter(|length| *length <= LONGEST)?;
        let mut octets = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut octets, begin.into()).ok()?;
        Some(octets)
    }
}

impl Item {
    fn number(&self, at: usize) -> Option<u32> {
        number(&self.0, at)
    }
}

fn read<const LENGTH: usize>(file: &File, at: u64) -> Option<[u8; LENGTH]> {
    let mut octets = [0; LENGTH];
    file.read_exact_at(&mut octets, at).ok()?;
    Some(octets)
}

fn number(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk::<4>().map(|octets| u32::from_le_bytes(*octets))
}

/// Returns the hash of a name, with bytes taken as signed (`djb_hash` of GLib's gvdb).
fn hash(name: &[u8]) -> u32 {
    name.iter()
        .fold(5381, |hash: u32, octet| hash.wrapping_mul(33).wrapping_add_signed(octet.cast_signed().into()))
}

impl Setting {
    /// Returns the bytes of the value if it has this type.
    fn of(&self, kind: &[u8]) -> Option<&[u8]> {
        self.0.strip_suffix(kind)?.strip_suffix(&[0])
    }

    /// Returns the value if it is a string.
    pub fn text(&self) -> Option<String> {
        let text = self.of(b"s")?.strip_suffix(&[0])?;
        String::from_utf8(text.to_vec()).ok()
    }

    /// Returns the value if it is a boolean.
    pub fn boolean(&self) -> Option<bool> {
        match self.of(b"b")? {
            [octet] => Some(*octet != 0),
            _ => None,
        }
    }

    /// Returns a non-negative number of a signed or unsigned type.
    pub fn number(&self) -> Option<u32> {
        let octets = self.of(b"u").or_else(|| self.of(b"i"))?;
        number(octets, 0).filter(|number| octets.len() == 4 && *number <= i32::MAX.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Returns a database with one key, in the layout of `dconf compile`.
    fn database(name: &[u8], value: &[u8]) -> Vec<u8> {
        let begin = 24 + 8 + 4 + ITEM;
        let place = |at: usize| u32::try_from(at).expect("it is small").to_le_bytes();
        let mut octets = [b"GVariant".as_slice(), &[0; 8], &place(24), &place(begin)].concat();
        octets.extend([place(0), place(1), place(0)].concat());
        octets.extend([hash(name).to_le_bytes(), [0xFF; 4], place(begin)].concat());
        octets.extend(u16::try_from(name.len()).expect("it is short").to_le_bytes());
        octets.extend(*b"v\0");
        octets.extend([place(begin + name.len()), place(begin + name.len() + value.len())].concat());
        [octets.as_slice(), name, value].concat()
    }

    fn open(octets: &[u8]) -> Option<Database> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(octets).expect("it is written");
        Database::open(file)
    }

    #[test]
    fn large_package_database_is_read() {
        let far = 32 << 20;
        let mut octets = database(b"/a", b"");
        let place = |at: u32| at.to_le_bytes();
        // Range of the value of the only item.
        octets.splice(24 + 8 + 4 + 16..24 + 8 + 4 + 24, [place(far), place(far + 4)].concat());
        octets.resize(32 << 20, 0);
        octets.extend(*b"x\0\0s");
        assert_eq!(open(&octets).and_then(|database| database.get("/a")?.text()).as_deref(), Some("x"));
        // A value that spans the whole file exceeds the limit, and is not read.
        octets.splice(24 + 8 + 4 + 16..24 + 8 + 4 + 20, place(0));
        assert_eq!(open(&octets).and_then(|database| database.get("/a")), None);
    }

    #[test]
    fn values_are_read_by_their_types() {
        let get = |value: &[u8]| {
            let database = open(&database(b"/a", value)).expect("it is one");
            let setting = database.get("/a").expect("it is there");
            assert!(
                database.get("/b").is_none() && database.get("a").is_none() && database.get("x/a").is_none()
            );
            (setting.text(), setting.number(), setting.boolean())
        };
        assert_eq!(get(b"x\0\0s"), (Some("x".to_owned()), None, None));
        assert_eq!(get(b"\x2c\x01\0\0\0u"), (None, Some(300), None));
        assert_eq!(get(b"\x2c\x01\0\0\0i"), (None, Some(300), None));
        assert_eq!(get(b"\xff\xff\xff\xff\0i"), (None, None, None));
        assert_eq!(get(b"\x01\0b"), (None, None, Some(true)));
        assert_eq!(get(b""), (None, None, None));
    }

    #[test]
    fn corrupt_databases_are_rejected() {
        let whole = database(b"/a", b"x\0\0s");
        for at in 0..whole.len() {
            for octet in [0, 1, 24, 0x7F, 0xFF] {
                let mut wrong = whole.clone();
                wrong.splice(at..=at, [octet]);
                // Reading may fail, but must not panic and must end.
                let _ = open(&wrong).and_then(|database| database.get("/a")?.text());
            }
            let _ = whole.get(..at).and_then(open).and_then(|database| database.get("/a")?.text());
        }
    }
}
