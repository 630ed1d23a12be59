//! `Win32_DiskPartition`.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use wmi::{Lookup, ProviderError};

use super::drive::Drive;
use crate::table::{Fill, Table, text_key};
use crate::{Machine, events};
use linux::storage::block::{Block, KERNEL_SECTOR};
use linux::udev::Udev;

/// Partitions of disks.
pub(crate) struct DiskPartition;

/// A partition.
pub(crate) struct Partition {
    pub(crate) drive: Rc<Drive>,
    /// Number in the kernel, from 1.
    pub(crate) number: u32,
    pub(crate) block: Block,
    udev: OnceCell<Udev>,
}

/// All partitions by device number, to find those below a volume.
pub(crate) struct Foundations(HashMap<(u32, u32), Rc<Partition>>);

impl Foundations {
    pub(crate) fn of(machine: &Machine) -> Self {
        Self(Partition::all(machine).map(|part| (part.block.device, Rc::new(part))).collect())
    }

    /// Returns the partitions below a device, such as a volume of LVM or RAID, ordered by disk and number.
    pub(crate) fn below(&self, machine: &Machine, block: &Block) -> Vec<&Rc<Partition>> {
        let blocks = block.foundations(machine);
        let mut parts: Vec<_> = blocks.iter().filter_map(|block| self.0.get(&block.device)).collect();
        parts.sort_by_key(|part| (part.drive.index, part.number));
        parts
    }
}

impl Partition {
    /// Returns all partitions.
    pub(crate) fn all(machine: &Machine) -> impl Iterator<Item = Self> {
        Drive::all(machine).flat_map(move |drive| {
            let (partitions, drive) = (drive.block.partitions(machine), Rc::new(drive));
            partitions.into_iter().map(move |(number, block)| Self {
                drive: drive.clone(),
                number,
                block,
                udev: OnceCell::new(),
            })
        })
    }

    /// Returns the identifier in the form of Windows.
    pub(crate) fn device_id(&self) -> String {
        format!("Disk #{}, Partition #{}", self.drive.index, self.index())
    }

    /// Returns the offsets of the first byte and of the byte after the last, on the disk.
    pub(crate) fn extent(&self, machine: &Machine) -> Option<(u64, u64)> {
        let start = self.block.number::<u64>(machine, "start")?.checked_mul(KERNEL_SECTOR)?;
        Some((start, start.checked_add(self.block.size(machine)?)?))
    }

    fn index(&self) -> u32 {
        self.number.saturating_sub(1)
    }

    /// Returns the partition's entry in the database of udev.
    pub(crate) fn udev(&self, machine: &Machine) -> &Udev {
        self.udev.get_or_init(|| self.block.udev(machine))
    }

    fn table(&self, machine: &Machine) -> Option<TableKind> {
        let scheme = self.udev(machine).property("ID_PART_ENTRY_SCHEME");
        match scheme.or_else(|| self.drive.udev(machine).property("ID_PART_TABLE_TYPE"))? {
            "gpt" => Some(TableKind::Gpt),
            "dos" => Some(TableKind::Mbr),
            _ => None,
        }
    }

    /// Returns the type in the partition table: a GUID or a number.
    fn kind<'m>(&'m self, machine: &Machine) -> Option<(TableKind, &'m str)> {
        Some((self.table(machine)?, self.udev(machine).property("ID_PART_ENTRY_TYPE")?))
    }

    /// Returns whether the firmware boots from the partition.
    fn is_for_start(&self, machine: &Machine) -> Option<bool> {
        Some(match self.kind(machine)? {
            (TableKind::Gpt, kind) => kind.eq_ignore_ascii_case(EFI_SYSTEM),
            // The highest bit of the first byte of an entry marks it as active.
            (TableKind::Mbr, kind) => {
                kind == "0xef" || self.udev(machine).property("ID_PART_ENTRY_FLAGS") == Some("0x80")
            }
        })
    }

    fn block_size(&self, machine: &Machine) -> Option<u64> {
        self.drive.block.number(machine, "queue/logical_block_size")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TableKind {
    Gpt,
    Mbr,
}

/// Type of the EFI system partition (UEFI specification, 5.3.3).
const EFI_SYSTEM: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

/// Names in Windows for types in GPT, and similar names for those of Linux (UAPI.2, Discoverable Partitions).
const OF_GPT: &[(&str, &str)] = &[
    (EFI_SYSTEM, "GPT: System"),
    ("e3c9e316-0b5c-4db8-817d-f92df00215ae", "GPT: Reserved"),
    ("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "GPT: Basic Data"),
    ("de94bba4-06d1-4d40-a16a-bfd50179d6ac", "GPT: Recovery"),
    ("0fc63daf-8483-4772-8e79-3d69d8477de4", "GPT: Linux Filesystem"),
    ("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "GPT: Linux Swap"),
    ("e6d6d379-f507-44c2-a23c-238f2a3df928", "GPT: Linux LVM"),
    ("a19d880f-05fc-4d3b-a006-743f0f84911e", "GPT: Linux RAID"),
    ("4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "GPT: Linux Root"),
    ("933ac7e1-2eb4-4f13-b844-0e14e2aef915", "GPT: Linux Home"),
    ("bc13c2ff-59e6-4262-a352-b275fd6f7172", "GPT: Linux Boot"),
    ("21686148-6449-6e6f-744e-656564454649", "GPT: BIOS Boot"),
];

/// Names in Windows for types in MBR, and similar names for those of Linux.
const OF_MBR: &[(&str, &str)] = &[
    ("0x1", "12-bit FAT"),
    ("0x4", "16-bit FAT"),
    ("0x5", "Extended Partition"),
    ("0x6", "MS-DOS V4 Huge"),
    ("0x7", "Installable File System"),
    ("0xb", "Win95 w/FAT 32"),
    ("0xc", "Win95 w/Extended Int 13"),
    ("0xe", "Win95 w/Extended Int 13"),
    ("0xf", "Extended w/Extended Int 13"),
    ("0x82", "Linux Swap"),
    ("0x83", "Linux"),
    ("0x8e", "Linux LVM"),
    ("0xef", "EFI System"),
    ("0xfd", "Linux RAID"),
];

impl Table for DiskPartition {
    type Row = Partition;

    const CLASS: &'static str = "Win32_DiskPartition";

    const COLUMNS: &'static [(&'static str, Fill<Partition>)] = &[
        ("Availability", |_, _| 3_u16.into()),
        ("BlockSize", |machine, part| part.block_size(machine).into()),
        ("Bootable", |machine, part| part.is_for_start(machine).into()),
        ("BootPartition", |machine, part| part.is_for_start(machine).into()),
        ("Caption", |_, part| part.device_id().into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, part| name_of_kind(part, machine).into()),
        ("DeviceID", |_, part| part.device_id().into()),
        ("DiskIndex", |_, part| part.drive.index.into()),
        ("Index", |_, part| part.index().into()),
        ("Name", |_, part| part.device_id().into()),
        ("NumberOfBlocks", |machine, part| {
            let blocks = || part.block.size(machine)?.checked_div(part.block_size(machine)?);
            blocks().into()
        }),
        ("PowerManagementSupported", |_, _| false.into()),
        ("PrimaryPartition", |machine, part| {
            part.table(machine).map(|table| table == TableKind::Gpt || (1..=4).contains(&part.number)).into()
        }),
        ("Purpose", |_, part| part.block.node().into()),
        ("Size", |machine, part| part.block.size(machine).into()),
        ("StartingOffset", |machine, part| part.extent(machine).map(|(start, _)| start).into()),
        ("Status", |_, _| "OK".into()),
        ("StatusInfo", |_, _| 3_u16.into()),
        ("Type", |machine, part| name_of_kind(part, machine).into()),
    ];

    const SUBSYSTEMS: &'static [&'static str] = events::BLOCK_DEVICES;

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Partition>, ProviderError> {
        Ok(Partition::all(machine))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Partition>, ProviderError> {
        let id = text_key(lookup.keys);
        Ok(Partition::all(machine).find(|partition| partition.device_id().eq_ignore_ascii_case(id)))
    }
}

fn name_of_kind(part: &Partition, machine: &Machine) -> Option<String> {
    let (table, kind) = part.kind(machine)?;
    let (names, unknown) = match table {
        TableKind::Gpt => (OF_GPT, "GPT: Unknown"),
        TableKind::Mbr => (OF_MBR, "Unknown"),
    };
    let known = names.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind));
    Some(known.map_or(unknown, |(_, name)| name).to_owned())
}
