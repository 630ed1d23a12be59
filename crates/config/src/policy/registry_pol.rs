//! `Registry.pol`, the file format in which Windows and Samba distribute policies (MS-GPREG section 2.2.1).
//!
//! A signature and a version are followed by records `[key;value;type;size;data]`. Brackets and semicolons are
//! UTF-16LE characters, texts are UTF-16LE and NUL-terminated, type and size are 32-bit integers in little-endian
//! order. The data may contain brackets; their length is given by the size.

use std::fmt;

/// Maximum file size in bytes: 16 MiB. Files of whole domains have a few hundred kilobytes.
pub(crate) const MAX_OCTETS: usize = 16 << 20;

/// Records of a file, in order: later records override or delete earlier values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryPol {
    /// The records.
    pub records: Vec<RegistryRecord>,
}

/// Registry value or directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRecord {
    /// Key without the hive: `Software\Policies\Microsoft\Windows\WinRM\Service`.
    pub key: String,
    /// Name of the value; names that begin with `**` are directives.
    pub value: String,
    /// Type of the data.
    pub kind: RegistryType,
    /// Data as stored in the file.
    pub data: Vec<u8>,
}

/// Type of the data of a record (MS-GPREG section 2.2.1, MS-RRP section 3.1.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryType {
    /// No defined type.
    None,
    /// NUL-terminated text.
    Text,
    /// NUL-terminated text with unexpanded references to environment variables.
    ExpandableText,
    /// Bytes.
    Binary,
    /// 32-bit little-endian integer.
    Number,
    /// NUL-terminated texts, followed by another NUL.
    Texts,
    /// 64-bit little-endian integer.
    LongNumber,
    /// Other type number.
    Other(u32),
}

/// Error in a `Registry.pol` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryPolError {
    /// The file does not begin with the signature.
    #[error("not a Registry.pol file: the signature PReg is missing")]
    Signature,
    /// The version is not 1.
    #[error("unsupported Registry.pol version {0}; only version 1 is supported")]
    Version(u32),
    /// The file is larger than 16 MiB.
    #[error("Registry.pol is larger than 16 MiB")]
    TooLarge,
    /// A record is incomplete or contains an unexpected byte.
    #[error("Registry.pol is truncated or damaged: {expected} is missing")]
    Record {
        /// Number of the record, counted from 1.
        record: usize,
        /// Missing part.
        expected: &'static str,
    },
}

impl RegistryPol {
    /// Parses a file.
    ///
    /// # Errors
    /// [`RegistryPolError`] unless the file consists of complete records.
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

    /// Encodes the records as a file.
    ///
    /// Records with data of 4 GiB or more cannot be encoded and are omitted.
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
    /// Returns a record with a 32-bit integer (`REG_DWORD`).
    #[must_use]
    pub fn of_number(key: &str, value: &str, number: u32) -> Self {
        let data = number.to_le_bytes().to_vec();
        Self { key: key.to_owned(), value: value.to_owned(), kind: RegistryType::Number, data }
    }

    /// Returns a record with a text (`REG_SZ`).
    #[must_use]
    pub fn of_text(key: &str, value: &str, text: &str) -> Self {
        let data = terminated(text);
        Self { key: key.to_owned(), value: value.to_owned(), kind: RegistryType::Text, data }
    }

    /// Returns the data of a `REG_DWORD`.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match self.kind {
            RegistryType::Number => Some(u32::from_le_bytes(self.data.as_slice().try_into().ok()?)),
            _ => None,
        }
    }

    /// Returns the data of a `REG_SZ` or `REG_EXPAND_SZ` up to the NUL, without expanding environment variables.
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
    /// Number of the type in files.
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

/// Prints the name that Windows tools show.
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

/// Rest of the file. Methods return the name of the missing part on error.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn record(&mut self) -> Result<RegistryRecord, &'static str> {
        self.character('[', "the bracket [ before a record")?;
        let key = self.text("a NUL-terminated key")?;
        self.character(';', "the semicolon after a key")?;
        let value = self.text("a NUL-terminated value name")?;
        self.character(';', "the semicolon after a value name")?;
        let kind = RegistryType::of(u32::from_le_bytes(self.chunk("the type")?));
        self.character(';', "the semicolon after the type")?;
        let size = u32::from_le_bytes(self.chunk("the size")?);
        self.character(';', "the semicolon after the size")?;
        let missing = "part of the data";
        let size = usize::try_from(size).map_err(|_| missing)?;
        let (data, rest) = self.0.split_at_checked(size).ok_or(missing)?;
        self.0 = rest;
        self.character(']', "the bracket ] after the data")?;
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

/// Encodes an ASCII character of the syntax in UTF-16LE.
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

    /// File with one record: key K, value name V, `REG_DWORD` 1.
    const SMALLEST: &[u8] = b"PReg\x01\0\0\0[\0K\0\0\0;\0V\0\0\0;\0\x04\0\0\0;\0\x04\0\0\0;\0\x01\0\0\0]\0";

    #[test]
    fn a_record_is_decoded_and_encoded() {
        let file = RegistryPol { records: vec![RegistryRecord::of_number("K", "V", 1)] };
        assert_eq!(RegistryPol::decode(SMALLEST), Ok(file.clone()));
        assert_eq!(file.encode(), SMALLEST);
        assert_eq!(RegistryPol::decode(b"PReg\x01\0\0\0"), Ok(RegistryPol::default()));
    }

    #[test]
    fn data_may_contain_brackets_and_semicolons() {
        let text = "][;a]\0;";
        let file = RegistryPol { records: vec![RegistryRecord::of_text("A;B", "]", text)] };
        assert_eq!(RegistryPol::decode(&file.encode()), Ok(file.clone()));
        assert_eq!(file.records[0].text().as_deref(), Some("][;a]"));
    }

    #[test]
    fn a_truncated_file_is_rejected() {
        for length in 9..SMALLEST.len() {
            let read = RegistryPol::decode(&SMALLEST[..length]);
            assert!(matches!(read, Err(RegistryPolError::Record { record: 1, .. })), "{length}: {read:?}");
        }
        assert_eq!(RegistryPol::decode(b"PReg"), Err(RegistryPolError::Signature));
        assert_eq!(RegistryPol::decode(b""), Err(RegistryPolError::Signature));
        assert_eq!(RegistryPol::decode(b"PReg\x02\0\0\0"), Err(RegistryPolError::Version(2)));
    }

    #[test]
    fn a_size_beyond_the_end_of_the_file_is_rejected() {
        let mut octets = SMALLEST.to_vec();
        let size = octets.len() - 12;
        octets[size..size + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let expected = "part of the data";
        assert_eq!(RegistryPol::decode(&octets), Err(RegistryPolError::Record { record: 1, expected }));
    }

    #[test]
    fn data_are_returned_only_as_their_type() {
        assert_eq!(number_of(&[1, 0, 0, 0], RegistryType::Number), Some(1));
        assert_eq!(number_of(&[1, 0, 0], RegistryType::Number), None);
        assert_eq!(number_of(&[1, 0, 0, 0], RegistryType::Binary), None);
        assert_eq!(RegistryRecord::of_number("", "", 0).text(), None);
        let unpaired = RegistryRecord { data: vec![0, 0xD8], ..RegistryRecord::of_text("", "", "") };
        assert_eq!(unpaired.text(), None);
    }

    fn number_of(data: &[u8], kind: RegistryType) -> Option<u32> {
        let record = RegistryRecord { key: String::new(), value: String::new(), kind, data: data.to_vec() };
        record.number()
    }
}
