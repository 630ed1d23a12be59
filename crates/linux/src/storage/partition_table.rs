//! Parser for partition tables in the first blocks of a disk, for machines without udev.
//!
//! GPT: UEFI specification, 5.3; MBR: the same, 5.2.1.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionTable {
    /// GUID partition table (UEFI 2.10, 5.3).
    Gpt {
        /// GUID of the disk.
        guid: String,
        /// Partitions by number.
        entries: Vec<GptEntry>,
    },
    /// Master boot record.
    Mbr {
        /// Signature of the disk.
        signature: u32,
        /// The four primary entries.
        entries: [MbrEntry; 4],
    },
}

/// A partition in GPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GptEntry {
    /// Number from 1, as in the kernel.
    pub number: u32,
    /// GUID of the partition type.
    pub kind: String,
    /// GUID of the partition.
    pub guid: String,
    /// Attribute flags.
    pub attributes: u64,
}

/// A partition in MBR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MbrEntry {
    /// Whether the partition is marked as bootable.
    pub is_active: bool,
    /// Partition type; 0 for an unused entry.
    pub kind: u8,
}

/// Number of bytes read from a disk: GPT with its 128 entries, in blocks of up to 4096 bytes.
const REACH: u64 = 2 * 4096 + 128 * 128;

/// Maximum number of entries in a supported table, and supported size of an entry in bytes.
const MOST_ENTRIES: usize = 128;
const ENTRY: usize = 128;

/// Partition type in MBR that marks a disk with GPT.
const PROTECTIVE: u8 = 0xEE;

impl PartitionTable {
    /// Reads the partition table of a device with this block size.
    pub fn of(device: &Path, block_size: usize) -> Option<Self> {
        let mut octets = Vec::new();
        File::open(device).ok()?.take(REACH).read_to_end(&mut octets).ok()?;
        Self::parse(&octets, block_size)
    }

    /// Parses the first bytes of a disk with this block size.
    pub fn parse(disk: &[u8], block_size: usize) -> Option<Self> {
        if disk.get(510..512)? != [0x55, 0xAA] {
            return None;
        }
        let entries =
            [MbrEntry::at(disk, 0)?, MbrEntry::at(disk, 1)?, MbrEntry::at(disk, 2)?, MbrEntry::at(disk, 3)?];
        if entries.iter().any(|entry| entry.kind == PROTECTIVE) {
            return Self::parse_gpt(disk, block_size);
        }
        // The first block of a file system has the same signature, but code in the place of the entries.
        let is_used = entries.iter().any(|entry| entry.kind != 0);
        let signature = u32_at(disk, 440)?;
        ((0..4).all(|at| matches!(disk.get(446 + at * 16), Some(0 | 0x80))) && is_used)
            .then_some(Self::Mbr { signature, entries })
    }

    fn parse_gpt(disk: &[u8], block_size: usize) -> Option<Self> {
        let header = disk.get(block_size..)?;
        if header.get(..8)? != b"EFI PART" {
            return None;
        }
        let (count, size) = (u32_at(header, 80)?, u32_at(header, 84)?);
        let count = usize::try_from(count).ok()?.min(MOST_ENTRIES);
        let table = disk.get(block_size.checked_mul(2)?..)?;
        let mut entries = Vec::new();
        for (number, entry) in (1..).zip(table.chunks_exact(ENTRY).take(count)) {
            let is_used = entry.get(..16).is_some_and(|kind| kind.iter().any(|octet| *octet != 0));
            if is_used && usize::try_from(size) == Ok(ENTRY) {
                entries.push(GptEntry {
                    number,
                    kind: guid_at(entry, 0)?,
                    guid: guid_at(entry, 16)?,
                    attributes: entry.get(48..)?.first_chunk().map(|octets| u64::from_le_bytes(*octets))?,
                });
            }
        }
        Some(Self::Gpt { guid: guid_at(header, 56)?, entries })
    }

    /// Returns the GPT entry with this number.
    pub fn gpt(&self, number: u32) -> Option<&GptEntry> {
        match self {
            Self::Gpt { entries, .. } => entries.iter().find(|entry| entry.number == number),
            Self::Mbr { .. } => None,
        }
    }

    /// Returns the MBR entry with this number.
    pub fn mbr(&self, number: u32) -> Option<&MbrEntry> {
        match self {
            Self::Gpt { .. } => None,
            Self::Mbr { entries, .. } => entries.get(usize::try_from(number.checked_sub(1)?).ok()?),
        }
    }
}

impl MbrEntry {
    /// Parses an entry of the table in the first block of a disk.
    fn at(disk: &[u8], place: usize) -> Option<Self> {
        let entry = disk.get(446 + place * 16..462 + place * 16)?;
        Some(Self { is_active: entry.first()? & 0x80 != 0, kind: *entry.get(4)? })
    }
}

fn guid_at(octets: &[u8], at: usize) -> Option<String> {
    octets.get(at..)?.first_chunk().map(guid)
}

/// Formats a GUID, whose first three fields are little-endian.
fn guid(octets: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = octets;
    let (clock, node) = rest.split_at(2);
    let parts = [&[*d, *c, *b, *a][..], &[*f, *e], &[*h, *g], clock, node];
    parts.map(|octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>()).join("-")
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program;

    /// Compares tables created by sfdisk with its own listing.
    #[test]
    fn tables_are_read_as_sfdisk_writes_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let image = folder.path().join("image");
        File::create(&image).expect("a file").set_len(64 << 20).expect("a long file");
        let path = image.to_str().expect("a path of letters");
        let make = |script: &str| {
            let line = format!("printf '{script}' | sfdisk -q --wipe always {path}");
            program::of_system("sh", ["-c", &line], std::time::Duration::from_secs(60)).expect("a shell")
        };
        let guid = "01234567-89AB-4DEF-8123-456789ABCDEF";
        let made = make(&format!(
            "label: gpt\\nlabel-id: {guid}\\nsize=8M,type=U,uuid=11111111-2222-4333-8444-555555555555\\nsize=8M,type=L,attrs=\"GUID:63\"\\n"
        ));
        if made.code == 127 {
            skips::skip!("there is no sfdisk here");
            return;
        }
        assert_eq!(made.code, 0, "{}", made.stderr);
        let table = PartitionTable::of(&image, 512).expect("a table");
        let PartitionTable::Gpt { guid: own, entries } = &table else { panic!("{table:?}") };
        assert_eq!((own.to_uppercase().as_str(), entries.len()), (guid, 2));
        let first = table.gpt(1).expect("it is there");
        assert_eq!(
            (&*first.kind, &*first.guid),
            ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "11111111-2222-4333-8444-555555555555")
        );
        assert_eq!(table.gpt(2).map(|entry| entry.attributes), Some(1 << 63));
        assert_eq!(table.gpt(3), None);
        let made = make("label: dos\\nlabel-id: 0xdeadbeef\\nsize=8M,type=83,bootable\\nsize=8M,type=82\\n");
        assert_eq!(made.code, 0, "{}", made.stderr);
        let table = PartitionTable::of(&image, 512).expect("a table");
        assert!(matches!(table, PartitionTable::Mbr { signature: 0xDEAD_BEEF, .. }), "{table:?}");
        assert_eq!(table.mbr(1), Some(&MbrEntry { is_active: true, kind: 0x83 }));
        assert_eq!(table.mbr(2), Some(&MbrEntry { is_active: false, kind: 0x82 }));
    }

    #[test]
    fn data_without_table_is_rejected() {
        assert_eq!(PartitionTable::parse(&[], 512), None);
        assert_eq!(PartitionTable::parse(&[0; 4096], 512), None);
        let mut boot = vec![0x41; 4096];
        boot.splice(510..512, [0x55, 0xAA]);
        assert_eq!(PartitionTable::parse(&boot, 512), None, "code of a file system");
        boot.splice(450..451, [PROTECTIVE]);
        assert_eq!(PartitionTable::parse(&boot, 512), None, "GPT without GPT");
        assert_eq!(PartitionTable::parse(&boot, usize::MAX), None);
    }
}
