//! `Win32_DiskPartition`.

use std::sync::Arc;

use linux::storage::partition::{EFI_SYSTEM, Partition, TableKind};
use wmi::{Lookup, ProviderError};

use crate::table::{Fill, Table, text_key};
use crate::{Machine, events};

/// Partitions of disks.
pub(crate) struct DiskPartition;

impl Table for DiskPartition {
    type Row = Partition;

    const CLASS: &'static str = "Win32_DiskPartition";

    const COLUMNS: &'static [(&'static str, Fill<Partition>)] = &[
        ("Availability", |_, _| 3_u16.into()),
        ("BlockSize", |machine, part| part.block_size(machine).into()),
        ("Bootable", |machine, part| part.is_for_start(machine).into()),
        ("BootPartition", |machine, part| part.is_for_start(machine).into()),
        ("Caption", |_, part| device_id(part).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, part| name_of_kind(part, machine).into()),
        ("DeviceID", |_, part| device_id(part).into()),
        ("DiskIndex", |_, part| part.drive.index.into()),
        ("Index", |_, part| part.index().into()),
        ("Name", |_, part| device_id(part).into()),
        ("NumberOfBlocks", |machine, part| blocks(part, machine).into()),
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
        Ok(Partition::all(machine).find(|partition| device_id(partition).eq_ignore_ascii_case(id)))
    }
}

fn blocks(part: &Partition, machine: &Machine) -> Option<u64> {
    part.block.size(machine)?.checked_div(part.block_size(machine)?)
}

/// Returns `DeviceID` of a partition.
pub(super) fn device_id(part: &Partition) -> String {
    format!("Disk #{}, Partition #{}", part.drive.index, part.index())
}

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

/// Returns the name of a partition type.
fn name_of_kind(part: &Partition, machine: &Machine) -> Option<String> {
    let (table, kind) = part.kind(machine)?;
    let (names, unknown) = match table {
        TableKind::Gpt => (OF_GPT, "GPT: Unknown"),
        TableKind::Mbr => (OF_MBR, "Unknown"),
    };
    let known = names.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind));
    Some(known.map_or(unknown, |(_, name)| name).to_owned())
}
