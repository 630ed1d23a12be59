//! SMBIOS tables (DSP0134), as provided by the kernel.

use crate::Machine;

/// Tables of the firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Smbios {
    /// Major and minor version of the tables.
    pub version: Option<(u16, u16)>,
    structures: Vec<Structure>,
}

/// A structure of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    kind: u8,
    /// Handle by which other structures refer to it.
    pub handle: u16,
    /// Formatted area including the header, so that offsets are those of the specification.
    octets: Vec<u8>,
    texts: Vec<String>,
}

/// Maximum number of structures read.
const MOST: usize = 4_096;

/// Type of the last structure.
const END: u8 = 127;

impl Smbios {
    /// Reads the tables; empty if they do not exist or the caller may not read them.
    pub fn of(machine: &Machine) -> Self {
        let structures = machine.octets("sys/firmware/dmi/tables/DMI").map(|octets| parse(&octets));
        let entry = machine.octets("sys/firmware/dmi/tables/smbios_entry_point").unwrap_or_default();
        Self { version: version(&entry), structures: structures.unwrap_or_default() }
    }

    /// Returns the structures of a type, in table order.
    pub fn of_kind(&self, kind: u8) -> impl Iterator<Item = &Structure> {
        self.structures.iter().filter(move |structure| structure.kind == kind)
    }
}

impl Structure {
    /// Returns the byte at an offset; `None` if the structure is of an older version and ends before.
    pub fn byte(&self, at: usize) -> Option<u8> {
        self.octets.get(at).copied()
    }

    /// Returns the 16-bit number at an offset.
    pub fn word(&self, at: usize) -> Option<u16> {
        self.octets.get(at..)?.first_chunk().map(|two| u16::from_le_bytes(*two))
    }

    /// Returns the 32-bit number at an offset.
    pub fn double(&self, at: usize) -> Option<u32> {
        self.octets.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four))
    }

    /// Returns the 64-bit number at an offset.
    pub fn quad(&self, at: usize) -> Option<u64> {
        self.octets.get(at..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight))
    }

    /// Returns some bytes from an offset on.
    pub fn slice(&self, at: usize, count: usize) -> Option<&[u8]> {
        self.octets.get(at..at.checked_add(count)?)
    }

    /// Returns the formatted area.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Returns all texts.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Returns the text whose number is at an offset; `None` if it is missing or empty.
    pub fn text(&self, at: usize) -> Option<String> {
        let number = usize::from(self.byte(at)?);
        self.texts.get(number.checked_sub(1)?).filter(|text| !text.is_empty()).cloned()
    }
}

/// Returns the version from an entry point of either format (DSP0134 5.2).
fn version(entry: &[u8]) -> Option<(u16, u16)> {
    let at = if entry.starts_with(b"_SM3_") {
        7
    } else if entry.starts_with(b"_SM_") {
        6
    } else {
        return None;
    };
    Some(((*entry.get(at)?).into(), (*entry.get(at + 1)?).into()))
}

/// Parses structures until the last one or an invalid one (DSP0134 6.1).
pub fn parse(mut octets: &[u8]) -> Vec<Structure> {
    let mut structures = Vec::new();
    while let [kind, length, low, high, ..] = octets {
        let length = usize::from(*length);
        let Some(formatted) = octets.get(..length).filter(|_| length >= 4) else { break };
        let rest = octets.get(length..).unwrap_or_default();
        let Some(end) = rest.windows(2).position(|pair| pair == [0, 0]) else { break };
        let texts = rest.get(..end).unwrap_or_default().split(|octet| *octet == 0);
        structures.push(Structure {
            kind: *kind,
            handle: u16::from_le_bytes([*low, *high]),
            octets: formatted.to_vec(),
            texts: texts.map(|octets: &[u8]| String::from_utf8_lossy(octets).trim().to_owned()).collect(),
        });
        if *kind == END || structures.len() >= MOST {
            break;
        }
        octets = rest.get(end + 2..).unwrap_or_default();
    }
    structures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_or_invalid_structure_ends_the_tables() {
        let table: &[u8] = b"\x01\x08\x01\x00\x01\x02\x00\x09Maker\0Model\0\0\x7f\x04\x02\x00\0\0";
        let structures = parse(table);
        assert_eq!(structures.len(), 2);
        let first = structures.first().expect("one");
        assert_eq!((first.text(4).as_deref(), first.text(5).as_deref()), (Some("Maker"), Some("Model")));
        assert_eq!(
            (first.text(6), first.text(7), first.word(7), first.double(4)),
            (None, None, None, Some(0x0900_0201))
        );
        for end in 0..table.len() {
            assert!(parse(table.get(..end).unwrap_or_default()).len() < 2);
        }
        assert!(parse(&[1, 3, 0, 0, 0, 0]).is_empty(), "shorter than its header");
        assert!(parse(&[0; 64]).is_empty());
    }

    #[test]
    fn both_entry_points_report_the_version() {
        assert_eq!(version(b"_SM_\x00\x1f\x02\x08"), Some((2, 8)));
        assert_eq!(version(b"_SM3_\x00\x18\x03\x03\x00"), Some((3, 3)));
        assert_eq!(version(b"_SM3_"), None);
    }
}
