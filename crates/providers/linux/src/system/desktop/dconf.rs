//! The database in which dconf(7) keeps what a user has chosen: a hash table of GVDB, written by GLib.

/// A database.
pub(super) struct Database(Vec<u8>);

/// A value, with the type of GVariant behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting<'d>(&'d [u8]);

impl Database {
    /// `None` if it is none, or one of a machine that counts the other way round.
    pub(super) fn parse(octets: Vec<u8>) -> Option<Self> {
        let is_one = octets.starts_with(b"GVariant") && number(&octets, 8) == Some(0);
        (is_one && cfg!(target_endian = "little")).then_some(Self(octets))
    }

    /// What stands at a key, such as `/org/gnome/desktop/session/idle-delay`.
    pub(super) fn get(&self, key: &str) -> Option<Setting<'_>> {
        let items = self.items()?;
        let found = items
            .chunks_exact(ITEM)
            .find(|item| item.get(14) == Some(&b'v') && self.is_named(items, item, key.as_bytes()))?;
        self.between(number(found, 16)?, number(found, 20)?).map(Setting)
    }

    /// The items of the table, behind the words of its filter and its buckets.
    fn items(&self) -> Option<&[u8]> {
        let table = self.between(number(&self.0, 16)?, number(&self.0, 20)?)?;
        // The upper bits of the first say how the filter is used.
        let (words, buckets) = (number(table, 0)? & 0x07FF_FFFF, number(table, 4)?);
        let before = words.checked_add(buckets)?.checked_mul(4)?.checked_add(8)?;
        table.get(usize::try_from(before).ok()?..)
    }

    /// Whether an item has a name, whose parts stand each with an item of its own that has the next one as its parent.
    fn is_named(&self, items: &[u8], item: &[u8], name: &[u8]) -> bool {
        let (mut item, mut rest) = (item, name);
        // No name has more parts; a circle of parents would have no end.
        for _ in 0..64 {
            let part = || {
                let begin = number(item, 8)?;
                let length =
                    item.get(12..14)?.first_chunk::<2>().map(|octets| u16::from_le_bytes(*octets))?;
                self.between(begin, begin.checked_add(length.into())?)
            };
            let Some(before) = part().and_then(|part| rest.strip_suffix(part)) else { return false };
            rest = before;
            match number(item, 4) {
                Some(u32::MAX) => return rest.is_empty(),
                Some(parent) => {
                    let parent = usize::try_from(parent).ok().and_then(|at| items.chunks_exact(ITEM).nth(at));
                    let Some(parent) = parent else { return false };
                    item = parent;
                }
                None => return false,
            }
        }
        false
    }

    fn between(&self, begin: u32, end: u32) -> Option<&[u8]> {
        self.0.get(usize::try_from(begin).ok()?..usize::try_from(end).ok()?)
    }
}

/// How long an item is: a hash, the parent, where the name is and how long, the kind, and where the value is.
const ITEM: usize = 24;

fn number(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk::<4>().map(|octets| u32::from_le_bytes(*octets))
}

impl Setting<'_> {
    /// The octets of a value of a type.
    fn of(&self, kind: &[u8]) -> Option<&[u8]> {
        self.0.strip_suffix(kind)?.strip_suffix(&[0])
    }

    pub(super) fn text(self) -> Option<String> {
        let text = self.of(b"s")?.strip_suffix(&[0])?;
        String::from_utf8(text.to_vec()).ok()
    }

    pub(super) fn boolean(self) -> Option<bool> {
        match self.of(b"b")? {
            [octet] => Some(*octet != 0),
            _ => None,
        }
    }

    /// A number that is not negative, with or without a sign.
    pub(super) fn number(self) -> Option<u32> {
        let octets = self.of(b"u").or_else(|| self.of(b"i"))?;
        number(octets, 0).filter(|number| octets.len() == 4 && *number <= i32::MAX.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with one key, as `dconf compile` lays it out.
    fn database(name: &[u8], value: &[u8]) -> Vec<u8> {
        let begin = 24 + 8 + 4 + ITEM;
        let place = |at: usize| u32::try_from(at).expect("it is small").to_le_bytes();
        let mut octets = [b"GVariant".as_slice(), &[0; 8], &place(24), &place(begin)].concat();
        octets.extend([place(0), place(1), place(0)].concat());
        octets.extend([[0; 4], [0xFF; 4], place(begin)].concat());
        octets.extend(u16::try_from(name.len()).expect("it is short").to_le_bytes());
        octets.extend(*b"v\0");
        octets.extend([place(begin + name.len()), place(begin + name.len() + value.len())].concat());
        [octets.as_slice(), name, value].concat()
    }

    #[test]
    fn values_are_read_by_their_types() {
        let get = |value: &[u8]| {
            let database = Database::parse(database(b"/a", value)).expect("it is one");
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
    fn any_octet_may_be_wrong_or_missing() {
        let whole = database(b"/a", b"x\0\0s");
        for at in 0..whole.len() {
            for octet in [0, 1, 24, 0x7F, 0xFF] {
                let mut wrong = whole.clone();
                wrong.splice(at..=at, [octet]);
                // It is read or not, without a panic and with an end.
                let _ = Database::parse(wrong).and_then(|database| database.get("/a")?.text());
            }
            let _ = Database::parse(whole.iter().take(at).copied().collect())
                .and_then(|database| database.get("/a")?.text());
        }
    }
}
