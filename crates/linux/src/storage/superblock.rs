//! Detection of the file system in the first blocks of a device, for machines without udev.
//!
//! ext4: Documentation/filesystems/ext4/super.rst; XFS: `xfs_dsb`; btrfs: `btrfs_super_block`; swap:
//! `swap_header`; FAT: Microsoft's FAT specification, 3.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Type and identity of a file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Superblock {
    /// Type as in mount(8); `swap` for swap space.
    pub kind: &'static str,
    /// Identity, as in `/dev/disk/by-uuid`.
    pub uuid: Option<String>,
    /// Label of the file system.
    pub label: Option<String>,
}

/// Number of bytes at the start of a device that contain all known superblocks.
const REACH: u64 = 0x1_0000 + 0x1000;

impl Superblock {
    /// Reads the superblock of a device.
    pub fn of(device: &Path) -> Option<Self> {
        let mut octets = Vec::new();
        File::open(device).ok()?.take(REACH).read_to_end(&mut octets).ok()?;
        Self::parse(&octets)
    }

    /// Parses the first bytes of a device.
    pub fn parse(device: &[u8]) -> Option<Self> {
        if is_at(device, 0x438, &[0x53, 0xEF]) {
            return Some(Self {
                kind: extended(device),
                uuid: uuid(device, 0x468),
                label: label(device, 0x478, 16),
            });
        }
        if is_at(device, 0, b"XFSB") {
            return Some(Self { kind: "xfs", uuid: uuid(device, 32), label: label(device, 108, 12) });
        }
        if is_at(device, 0x1_0040, b"_BHRfS_M") {
            return Some(Self {
                kind: "btrfs",
                uuid: uuid(device, 0x1_0020),
                label: label(device, 0x1_012B, 256),
            });
        }
        if is_at(device, 4096 - 10, b"SWAPSPACE2") {
            return Some(Self { kind: "swap", uuid: uuid(device, 0x40C), label: label(device, 0x41C, 16) });
        }
        let fat = [
            (0x52, &b"FAT32   "[..], 0x43, 0x47),
            (0x36, b"FAT16   ", 0x27, 0x2B),
            (0x36, b"FAT12   ", 0x27, 0x2B),
        ];
        let (_, _, serial, name) = fat.into_iter().find(|(at, magic, ..)| is_at(device, *at, magic))?;
        let serial = device.get(serial..serial + 4)?.first_chunk().map(|four| u32::from_le_bytes(*four))?;
        let label = label(device, name, 11).filter(|label| label != "NO NAME");
        Some(Self {
            kind: "vfat",
            uuid: Some(format!("{:04X}-{:04X}", serial >> 16, serial & 0xFFFF)),
            label,
        })
    }
}

/// Returns the oldest of ext2, ext3 and ext4, which share a layout, that supports all features in use.
fn extended(device: &[u8]) -> &'static str {
    let (compatible, incompatible, read_only) =
        (flags(device, 0x45C), flags(device, 0x460), flags(device, 0x464));
    // Of the incompatible features, ext3 supports FILETYPE, RECOVER and META_BG; of the others SPARSE_SUPER,
    // LARGE_FILE and BTREE_DIR.
    if incompatible & !0x16 != 0 || read_only & !0x7 != 0 {
        "ext4"
    } else if compatible & 0x4 != 0 {
        "ext3"
    } else {
        "ext2"
    }
}

/// Returns the feature flags at an offset.
fn flags(device: &[u8], at: usize) -> u32 {
    device.get(at..at + 4).and_then(|four| four.first_chunk().copied()).map_or(0, u32::from_le_bytes)
}

fn is_at(device: &[u8], at: usize, magic: &[u8]) -> bool {
    device.get(at..at + magic.len()) == Some(magic)
}

fn uuid(device: &[u8], at: usize) -> Option<String> {
    let octets = device.get(at..at + 16)?;
    if octets.iter().all(|octet| *octet == 0) {
        return None;
    }
    let mut text = String::with_capacity(36);
    for (at, octet) in octets.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    Some(text)
}

fn label(device: &[u8], at: usize, length: usize) -> Option<String> {
    let octets = device.get(at..at + length)?;
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    let text = String::from_utf8_lossy(octets.get(..end)?).trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_or_empty_device_has_no_superblock() {
        assert_eq!(Superblock::parse(&[]), None);
        assert_eq!(Superblock::parse(&vec![0; 0x1_1000]), None);
        let mut short = vec![0; 0x43A];
        short.splice(0x438.., [0x53, 0xEF]);
        assert_eq!(Superblock::parse(&short), Some(Superblock { kind: "ext2", uuid: None, label: None }));
    }

    /// Compares file systems created by mkfs with the output of blkid.
    #[test]
    fn file_systems_match_blkid() {
        let folder = tempfile::tempdir().expect("a folder");
        let image = folder.path().join("image");
        let path = image.to_str().expect("a path of letters");
        let uuid = "01234567-89ab-4def-8123-456789abcdef";
        let makers: [(&str, &[&str]); 6] = [
            ("mkfs.ext4", &["-q", "-F", "-L", "one", "-U", uuid]),
            ("mkfs.ext3", &["-q", "-F", "-L", "one", "-U", uuid]),
            ("mkfs.ext2", &["-q", "-F"]),
            ("mkswap", &["-L", "one", "-U", uuid]),
            ("mkfs.vfat", &["-n", "ONE", "-i", "ab1234cd"]),
            ("mkfs.xfs", &["-f", "-q", "-L", "one"]),
        ];
        let limit = std::time::Duration::from_secs(60);
        for (program, arguments) in makers {
            let file = File::create(&image).expect("a file");
            file.set_len(320 << 20).expect("a long file");
            let arguments = arguments.iter().copied().chain([path]);
            let Ok(made) = crate::program::of_system(program, arguments, limit) else {
                skips::skip_part!("there is no {program} here");
                continue;
            };
            assert_eq!(made.code, 0, "{program}: {}", made.stderr);
            let reported = crate::program::of_system("blkid", ["-p", "-o", "export", path], limit)
                .expect("blkid")
                .stdout;
            let field = |name: &str| {
                let value = reported.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
                value.map(str::to_owned)
            };
            let ours =
                Superblock::of(&image).unwrap_or_else(|| panic!("{program} made nothing that is known"));
            let ours = (Some(ours.kind.to_owned()), ours.uuid, ours.label);
            assert_eq!(ours, (field("TYPE"), field("UUID"), field("LABEL")), "{program}");
        }
    }
}
