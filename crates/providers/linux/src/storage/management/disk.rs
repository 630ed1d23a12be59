//! `MSFT_Disk`.

use std::sync::Arc;

use linux::storage::drive::{Condition, Drive};
use linux::storage::partition_table::PartitionTable;
use wmi::{Lookup, ProviderError};

use super::partition::{is_of_root, is_of_start};
use super::physical_disk::allocated;
use super::{Health, bus, disk_id, unique_id};
use crate::Machine;
use crate::table::{Fill, Table, text_key};

/// Disks as the operating system sees them.
pub(super) struct Disk;

/// Partition style of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Raw = 0,
    Mbr = 1,
    Gpt = 2,
}

fn style(machine: &Machine, drive: &Drive) -> Style {
    match (drive.udev(machine).property("ID_PART_TABLE_TYPE"), drive.partition_table(machine)) {
        (Some("gpt"), _) | (None, Some(PartitionTable::Gpt { .. })) => Style::Gpt,
        (Some("dos"), _) | (None, Some(PartitionTable::Mbr { .. })) => Style::Mbr,
        _ => Style::Raw,
    }
}

fn guid(machine: &Machine, drive: &Drive) -> Option<String> {
    let reported = drive.udev(machine).property("ID_PART_TABLE_UUID").map(str::to_owned);
    reported
        .or_else(|| match drive.partition_table(machine) {
            Some(PartitionTable::Gpt { guid, .. }) => Some(guid.clone()),
            _ => None,
        })
        .filter(|_| style(machine, drive) == Style::Gpt)
        .map(|guid| format!("{{{guid}}}"))
}

fn signature(machine: &Machine, drive: &Drive) -> Option<u32> {
    let reported = drive.udev(machine).property("ID_PART_TABLE_UUID");
    let reported = reported.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    reported
        .or_else(|| match drive.partition_table(machine) {
            Some(PartitionTable::Mbr { signature, .. }) => Some(*signature),
            _ => None,
        })
        .filter(|_| style(machine, drive) == Style::Mbr)
}

/// Returns the size of the largest unpartitioned area of a disk, in bytes.
fn largest_free(machine: &Machine, drive: &Drive) -> Option<u64> {
    let size = drive.block.size(machine)?;
    if style(machine, drive) == Style::Raw {
        return Some(0);
    }
    let mut used: Vec<(u64, u64)> = drive
        .block
        .partitions(machine)
        .into_iter()
        .filter_map(|(_, part)| {
            let start =
                part.number::<u64>(machine, "start")?.checked_mul(linux::storage::block::KERNEL_SECTOR)?;
            Some((start, start.checked_add(part.size(machine)?)?))
        })
        .collect();
    used.sort_unstable();
    // By convention, partitions begin after the first MiB.
    let (mut end, mut largest) = (1 << 20, 0);
    for (start, stop) in used.into_iter().chain([(size, size)]) {
        largest = largest.max(start.saturating_sub(end));
        end = end.max(stop);
    }
    Some(largest)
}

/// Values of `OperationalStatus` of disks (Microsoft's reference of `MSFT_Disk`).
const ONLINE: u16 = 0xD010;
const NOT_READY: u16 = 0xD011;
const NO_MEDIA: u16 = 0xD012;
const FAILED: u16 = 0xD014;

impl Table for Disk {
    type Row = Drive;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_Disk";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] = &[
        ("AllocatedSize", |machine, drive| allocated(machine, drive).into()),
        ("BootFromDisk", |machine, drive| {
            drive.partitions(machine).iter().any(|(_, part)| is_of_start(machine, &drive.mounts, part)).into()
        }),
        ("BusType", |machine, drive| bus(machine, drive).into()),
        ("FirmwareVersion", |machine, drive| drive.firmware(machine).into()),
        ("FriendlyName", |machine, drive| drive.model(machine).unwrap_or_else(|| drive.block.node()).into()),
        ("Guid", |machine, drive| guid(machine, drive).into()),
        ("HealthStatus", |machine, drive| {
            // A disk without health data counts as healthy here if the kernel can use it.
            match Health::of(machine, drive) {
                Health::Unknown => Health::Healthy,
                reported => reported,
            }
            .number()
            .into()
        }),
        ("IsBoot", |machine, drive| {
            let parts = drive.block.partitions(machine);
            let is_whole = is_of_root(machine, &drive.mounts, &drive.block);
            (is_whole || parts.iter().any(|(_, part)| is_of_root(machine, &drive.mounts, part))).into()
        }),
        ("IsClustered", |_, _| false.into()),
        ("IsOffline", |machine, drive| (drive.condition(machine) == Condition::Gone).into()),
        ("IsReadOnly", |machine, drive| drive.block.number::<u8>(machine, "ro").map(|says| says == 1).into()),
        ("IsSystem", |machine, drive| {
            let parts = drive.block.partitions(machine);
            let is_whole = is_of_start(machine, &drive.mounts, &drive.block);
            (is_whole || parts.iter().any(|(_, part)| is_of_start(machine, &drive.mounts, part))).into()
        }),
        ("LargestFreeExtent", |machine, drive| largest_free(machine, drive).into()),
        ("Location", |machine, drive| {
            drive.udev(machine).property("ID_PATH").unwrap_or(&drive.block.folder).to_owned().into()
        }),
        ("LogicalSectorSize", |machine, drive| {
            drive.sector(machine).and_then(|octets| u32::try_from(octets).ok()).into()
        }),
        ("Manufacturer", |machine, drive| drive.manufacturer(machine).into()),
        ("Model", |machine, drive| drive.model(machine).into()),
        ("Number", |_, drive| drive.index.into()),
        ("NumberOfPartitions", |machine, drive| u32::try_from(drive.partitions(machine).len()).ok().into()),
        ("ObjectId", |_, drive| disk_id::of(drive).into()),
        ("OperationalStatus", |machine, drive| {
            let status = match drive.condition(machine) {
                Condition::Gone => FAILED,
                Condition::Waiting => NOT_READY,
                Condition::Fine if drive.block.size(machine) == Some(0) => NO_MEDIA,
                Condition::Fine => ONLINE,
            };
            vec![status].into()
        }),
        ("PartitionStyle", |machine, drive| (style(machine, drive) as u16).into()),
        ("Path", |_, drive| drive.block.node().into()),
        ("PhysicalSectorSize", |machine, drive| {
            drive.block.number::<u32>(machine, "queue/physical_block_size").into()
        }),
        ("SerialNumber", |machine, drive| drive.serial_number(machine).into()),
        ("Signature", |machine, drive| signature(machine, drive).into()),
        ("Size", |machine, drive| drive.block.size(machine).into()),
        ("UniqueId", |machine, drive| unique_id(machine, drive).map(|(id, _)| id).into()),
        ("UniqueIdFormat", |machine, drive| unique_id(machine, drive).map(|(_, format)| format).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(Drive::all(machine))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Drive>, ProviderError> {
        let wanted = text_key(lookup.keys);
        Ok(Drive::all(machine).find(|drive| disk_id::of(drive).eq_ignore_ascii_case(wanted)))
    }
}
