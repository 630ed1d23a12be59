//! `Registry.pol`, the file in which Windows and Samba hand policies over (MS-GPREG 2.2.1).
//!
//! A signature and a version, then records `[key;value;type;size;data]`.
//! Brackets and semicolons are UTF-16LE characters, texts UTF-16LE with a NUL behind them, type and size raw
//! numbers of 32 bits. Data are taken by their size: they may have brackets of their own.

use std::fmt;

/// The largest file that is looked at, in octets: 16 MiB. Those of whole domains have some hundred kilobytes.
pub(crate) const MAX_OCTETS: usize = 16 << 20;

/// The records of a file, in their order, which counts: later ones win, and some take back earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryPol {
    /// The records.
    pub records: Vec<RegistryRecord>,
}

/// One value of the registry, or a directive about some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRecord {
    /// The key without the hive: `Software\Policies\Microsoft\Windows\WinRM\Service`.
    pub key: String,
    /// The name of the value; names that begin with `**` are directives.
    pub value: String,
    /// What the data are.
    pub kind: RegistryType,
    /// The data as they are in the file.
    pub data: Vec<u8>,
}

/// What the data of a record are (MS-GPREG 2.2.1, MS-RRP 3.1.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryType {
    /// Nothing in particular.
    None,
    /// A text with a NUL behind it.
    Text,
    /// A text in which names of variables stand for their values.
    ExpandableText,
    /// Octets.
    Binary,
    /// A number of 32 bits, the lowest octet first.
    Number,
    /// Texts, each with a NUL behind it, and another NUL behind all of them.
    Texts,
    /// A number of 64 bits, the lowest octet first.
    LongNumber,
    /// Anything else.
    Other(u32),
}

/// Why octets are no `Registry.pol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryPolError {
    /// The file does not begin as it should.
    #[error("it does not begin with PReg, so it is no Registry.pol")]
    Signature,
    /// Another version than the only one there is.
    #[error("it has version {0}, and only 1 is known")]
    Version(u32),
    /// Larger than what is looked at.
    #[error("it is larger than 16 MiB")]
    TooLarge,
    /// Something else than what must stand in a record.
    #[error("{expected} is missing, so the file is cut short or damaged")]
    Record {
        /// Which record, counted from 1.
        record: usize,
        /// What should be there.
        expected: &'static str,
    },
}

impl RegistryPol {
    /// Reads a file.
    ///
    /// # Errors
    /// [`RegistryPolError`] for anything but whole records.
    pub fn decode(octets: &[u8]) -> Result<Self, RegistryPolError> {
        if octets.len() > MAX_OCTETS {
            return Err(RegistryPolError::TooLarge);
        }
        let rest = octets.strip_prefix(SIGNATURE).ok_or(RegistryPolError::Signature)?;
        let (version, rest) = rest.split_first_chunk().ok_or(RegistryPolError::Signature)?;
        match u32::from_le_bytes(*version) {
            1 => {}
            other => return Err(RegistryPolError::Version(other)),
        }
        let (mut reader, mut records) = (Reader(rest), Vec::new());
        while !reader.0.is_empty() {
            let record = records.len() + 1;
            let read = reader.record().map_err(|expected| RegistryPolError::Record { record, expected })?;
            records.push(read);
        }
        Ok(Self { records })
    }

    /// The file with these records.
    ///
    /// Data of 4 GiB and more have no place in a file, and are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = [SIGNATURE, &1_u32.to_le_bytes()].concat();
        for record in &self.records {
            let Ok(size) = u32::try_from(record.data.len()) else { continue };
            octets.extend(unit('['));
            octets.extend(terminated(&record.key));
            octets.extend(unit(';'));
            octets.extend(terminated(&record.value));
            octets.extend(unit(';'));
            octets.extend(record.kind.number().to_le_bytes());
            octets.extend(unit(';'));
            octets.extend(size.to_le_bytes());
            octets.extend(unit(';'));
            octets.extend(&record.data);
            octets.extend(unit(']'));
        }
        octets
    }
}

impl RegistryRecord {
    /// A record with a number of 32 bits.
    #[must_use]
    pub fn of_number(key: &str, value: &str, number: u32) -> Self {
        let data = number.to_le_bytes().to_vec();
        Self { key: key.to_owned(), value: value.to_owned(), kind: RegistryType::Number, data }
    }

    /// A record with a text.
    #[must_use]
    pub fn of_text(key: &str, value: &str, text: &str) -> Self {
        let data = terminated(text);
        Self { key: key.to_owned(), value: value.to_owned(), kind: RegistryType::Text, data }
    }

    /// The number, if it is one of 32 bits.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match self.kind {
            RegistryType::Number => Some(u32::from_le_bytes(self.data.as_slice().try_into().ok()?)),
            _ => None,
        }
    }

    /// The text up to its NUL, if it is one. Names of variables stay as they are.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let (units, rest) = self.data.as_chunks::<2>();
        match self.kind {
            RegistryType::Text | RegistryType::ExpandableText if rest.is_empty() => {
                let units = units.iter().map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0);
                char::decode_utf16(units).collect::<Result<_, _>>().ok()
            }
            _ => None,
        }
    }
}

impl RegistryType {
    /// The number in files.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Text => 1,
            Self::ExpandableText => 2,
            Self::Binary => 3,
            Self::Number => 4,
            Self::Texts => 7,
            Self::LongNumber => 11,
            Self::Other(number) => number,
        }
    }

    fn of(number: u32) -> Self {
        let known = [
            Self::None,
            Self::Text,
            Self::ExpandableText,
            Self::Binary,
            Self::Number,
            Self::Texts,
            Self::LongNumber,
        ];
        known.into_iter().find(|kind| kind.number() == number).unwrap_or(Self::Other(number))
    }
}

/// The name that administrators know.
impl fmt::Display for RegistryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("REG_NONE"),
            Self::Text => f.write_str("REG_SZ"),
            Self::ExpandableText => f.write_str("REG_EXPAND_SZ"),
            Self::Binary => f.write_str("REG_BINARY"),
            Self::Number => f.write_str("REG_DWORD"),
            Self::Texts => f.write_str("REG_MULTI_SZ"),
            Self::LongNumber => f.write_str("REG_QWORD"),
            Self::Other(number) => write!(f, "type {number}"),
        }
    }
}

const SIGNATURE: &[u8] = b"PReg";

/// What is left of the file. Each part says what it misses.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn record(&mut self) -> Result<RegistryRecord, &'static str> {
        self.character('[', "the bracket [ in front of a record")?;
        let key = self.text("a key with a NUL behind it")?;
        self.character(';', "the semicolon behind a key")?;
        let value = self.text("the name of a value with a NUL behind it")?;
        self.character(';', "the semicolon behind the name of a value")?;
        let kind = RegistryType::of(u32::from_le_bytes(self.chunk("a type")?));
        self.character(';', "the semicolon behind a type")?;
        let size = u32::from_le_bytes(self.chunk("a size")?);
        self.character(';', "the semicolon behind a size")?;
        let missing = "all of the data";
        let size = usize::try_from(size).map_err(|_| missing)?;
        let (data, rest) = self.0.split_at_checked(size).ok_or(missing)?;
        self.0 = rest;
        self.character(']', "the bracket ] behind the data")?;
        Ok(RegistryRecord { key, value, kind, data: data.to_vec() })
    }

    fn chunk<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], &'static str> {
        let (chunk, rest) = self.0.split_first_chunk::<N>().ok_or(expected)?;
        self.0 = rest;
        Ok(*chunk)
    }

    fn character(&mut self, character: char, expected: &'static str) -> Result<(), &'static str> {
        self.0 = self.0.strip_prefix(&unit(character)).ok_or(expected)?;
        Ok(())
    }

    fn text(&mut self, expected: &'static str) -> Result<String, &'static str> {
        let mut units = Vec::new();
        loop {
            match u16::from_le_bytes(self.chunk(expected)?) {
                0 => break,
                unit => units.push(unit),
            }
        }
        String::from_utf16(&units).map_err(|_| expected)
    }
}

/// A character of the syntax, all of which are ASCII.
fn unit(character: char) -> [u8; 2] {
    let mut units = [0; 2];
    character.encode_utf16(&mut units);
    let [unit, _] = units;
    unit.to_le_bytes()
}

fn terminated(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// The key K with the value V, which is the number 1.
    const SMALLEST: &[u8] = b"PReg\x01\0\0\0[\0K\0\0\0;\0V\0\0\0;\0\x04\0\0\0;\0\x04\0\0\0;\0\x01\0\0\0]\0";

    #[test]
    fn the_octets_of_the_specification_are_read_and_written() {
        let file = RegistryPol { records: vec![RegistryRecord::of_number("K", "V", 1)] };
        assert_eq!(RegistryPol::decode(SMALLEST), Ok(file.clone()));
        assert_eq!(file.encode(), SMALLEST);
        assert_eq!(RegistryPol::decode(b"PReg\x01\0\0\0"), Ok(RegistryPol::default()));
    }

    #[test]
    fn data_may_have_brackets_and_semicolons() {
        let text = "][;a]\0;";
        let file = RegistryPol { records: vec![RegistryRecord::of_text("A;B", "]", text)] };
        assert_eq!(RegistryPol::decode(&file.encode()), Ok(file.clone()));
        assert_eq!(file.records[0].text().as_deref(), Some("][;a]"));
    }

    #[test]
    fn what_is_cut_short_is_refused_wherever_that_is() {
        for length in 9..SMALLEST.len() {
            let read = RegistryPol::decode(&SMALLEST[..length]);
            assert!(matches!(read, Err(RegistryPolError::Record { record: 1, .. })), "{length}: {read:?}");
        }
        assert_eq!(RegistryPol::decode(b"PReg"), Err(RegistryPolError::Signature));
        assert_eq!(RegistryPol::decode(b""), Err(RegistryPolError::Signature));
        assert_eq!(RegistryPol::decode(b"PReg\x02\0\0\0"), Err(RegistryPolError::Version(2)));
    }

    #[test]
    fn a_size_beyond_the_file_is_refused() {
        let mut octets = SMALLEST.to_vec();
        let size = octets.len() - 12;
        octets[size..size + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let expected = "all of the data";
        assert_eq!(RegistryPol::decode(&octets), Err(RegistryPolError::Record { record: 1, expected }));
    }

    #[test]
    fn data_are_what_their_type_says() {
        let number = |data: &[u8], kind| {
            RegistryRecord { key: String::new(), value: String::new(), kind, data: data.to_vec() }.number()
        };
        assert_eq!(number(&[1, 0, 0, 0], RegistryType::Number), Some(1));
        assert_eq!(number(&[1, 0, 0], RegistryType::Number), None);
        assert_eq!(number(&[1, 0, 0, 0], RegistryType::Binary), None);
        assert_eq!(RegistryRecord::of_number("", "", 0).text(), None);
        let unpaired = RegistryRecord { data: vec![0, 0xD8], ..RegistryRecord::of_text("", "", "") };
        assert_eq!(unpaired.text(), None);
    }
}
