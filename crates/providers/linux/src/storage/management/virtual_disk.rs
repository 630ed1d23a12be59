//! `MSFT_VirtualDisk`: logical volumes of LVM, and arrays of software RAID.

use std::sync::Arc;

use linux::storage::lvm::{Row, logical_volumes};
use linux::storage::raid::Array;
use wmi::{ProviderError, Scan};

use super::{Health, object_id};
use crate::Machine;
use crate::table::{Fill, Push, Table, failure};

/// Logical volumes and arrays.
pub(super) struct VirtualDisk;

/// A device made of several others.
pub(super) enum Disk {
    /// A logical volume.
    Logical(Row),
    /// An array of software RAID.
    Raid(Array),
}

/// Returns an attribute of a logical volume (lvs(8), `lv_attr`).
fn attribute(row: &Row, place: usize) -> Option<char> {
    row.text("lv_attr")?.chars().nth(place)
}

impl Disk {
    fn name(&self) -> Option<String> {
        match self {
            Self::Logical(row) => Some(format!("{}/{}", row.text("vg_name")?, row.text("lv_name")?)),
            Self::Raid(array) => Some(array.0.clone()),
        }
    }

    fn node(&self) -> Option<String> {
        match self {
            Self::Logical(row) => row.text("lv_path"),
            Self::Raid(array) => Some(format!("/dev/{}", array.0)),
        }
    }

    fn unique_id(&self, machine: &Machine) -> Option<String> {
        match self {
            Self::Logical(row) => row.text("lv_uuid"),
            Self::Raid(array) => array.line(machine, "uuid"),
        }
    }

    /// Returns the RAID level as the kernel names it, or the layout of the volume.
    fn layout(&self, machine: &Machine) -> Option<String> {
        match self {
            Self::Logical(row) => row.text("lv_layout"),
            Self::Raid(array) => array.line(machine, "level"),
        }
    }

    /// Returns the name that Windows has for the layout.
    fn resiliency(&self, machine: &Machine) -> Option<&'static str> {
        let layout = self.layout(machine)?;
        // LVM lists the layout, then its variants, such as `raid,raid5,raid5_ls`.
        layout.split(',').find_map(|word| match word {
            "raid1" | "raid10" | "mirror" => Some("Mirror"),
            "raid4" | "raid5" | "raid6" => Some("Parity"),
            "linear" | "striped" | "raid0" => Some("Simple"),
            _ => None,
        })
    }

    fn health(&self, machine: &Machine) -> Health {
        match self {
            // The ninth attribute is the health: partial, to be refreshed, with mismatches and others.
            Self::Logical(row) => match attribute(row, 8) {
                Some('-') => Health::Healthy,
                Some('p' | 'F') => Health::Unhealthy,
                Some(_) => Health::Warning,
                None => Health::Unknown,
            },
            Self::Raid(array) => match array.line(machine, "array_state").as_deref() {
                Some("inactive" | "broken" | "clear") => Health::Unhealthy,
                _ if array.number::<u32>(machine, "degraded").is_some_and(|count| count > 0) => {
                    Health::Warning
                }
                Some(_) => Health::Healthy,
                None => Health::Unknown,
            },
        }
    }

    fn size(&self, machine: &Machine) -> Option<u64> {
        match self {
            Self::Logical(row) => row.number("lv_size"),
            Self::Raid(array) => array.size(machine),
        }
    }

    /// Returns the array.
    fn raid(&self) -> Option<&Array> {
        match self {
            Self::Logical(_) => None,
            Self::Raid(array) => Some(array),
        }
    }

    /// Returns level and number of disks of an array.
    fn level(&self, machine: &Machine) -> Option<(String, u16)> {
        let array = self.raid()?;
        Some((array.line(machine, "level")?, array.number(machine, "raid_disks")?))
    }
}

impl Table for VirtualDisk {
    type Row = Disk;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_VirtualDisk";

    const COLUMNS: &'static [(&'static str, Fill<Disk>)] = &[
        // 1 is readable, 3 readable and writable.
        ("Access", |machine, disk| {
            let is_read_only = match disk {
                Disk::Logical(row) => attribute(row, 1).map(|letter| matches!(letter, 'r' | 'R')),
                Disk::Raid(array) => {
                    machine.number::<u8>(format!("sys/block/{}/ro", array.0)).map(|ro| ro == 1)
                }
            };
            is_read_only.map(|is_read_only| if is_read_only { 1_u16 } else { 3 }).into()
        }),
        ("FriendlyName", |_, disk| disk.name().into()),
        ("HealthStatus", |machine, disk| disk.health(machine).number().into()),
        ("Interleave", |machine, disk| {
            let size = disk.raid().and_then(|array| array.number::<u64>(machine, "chunk_size"));
            size.filter(|size| *size > 0).into()
        }),
        ("IsSnapshot", |_, disk| match disk {
            Disk::Logical(row) => attribute(row, 0).map(|kind| matches!(kind, 's' | 'S')).into(),
            Disk::Raid(_) => false.into(),
        }),
        ("LogicalSectorSize", |machine, disk| {
            let array = disk.raid().map(|array| format!("sys/block/{}/queue/logical_block_size", array.0));
            array.and_then(|file| machine.number::<u64>(file)).into()
        }),
        ("Name", |_, disk| disk.node().into()),
        ("NumberOfColumns", |machine, disk| {
            let level = disk.level(machine);
            level.and_then(|(level, disks)| (level != "raid1" && level != "linear").then_some(disks)).into()
        }),
        ("NumberOfDataCopies", |machine, disk| {
            let copies = disk.level(machine).and_then(|(level, disks)| match level.as_str() {
                "raid1" => Some(disks),
                "raid0" | "raid4" | "raid5" | "raid6" | "linear" => Some(1),
                _ => None,
            });
            copies.into()
        }),
        ("ObjectId", |machine, disk| {
            let id = disk.unique_id(machine).or_else(|| disk.name()).unwrap_or_default();
            object_id("VirtualDisk", &id).into()
        }),
        // 2 is OK, 3 degraded, 0 unknown.
        ("OperationalStatus", |machine, disk| {
            let status = match disk.health(machine) {
                Health::Healthy => 2_u16,
                Health::Warning | Health::Unhealthy => 3,
                Health::Unknown => 0,
            };
            vec![status].into()
        }),
        ("PhysicalDiskRedundancy", |machine, disk| {
            let redundancy = disk.level(machine).and_then(|(level, disks)| match level.as_str() {
                "raid1" => disks.checked_sub(1),
                "raid4" | "raid5" => Some(1),
                "raid6" => Some(2),
                "raid0" | "linear" => Some(0),
                _ => None,
            });
            redundancy.into()
        }),
        ("PhysicalSectorSize", |machine, disk| {
            let array = disk.raid().map(|array| format!("sys/block/{}/queue/physical_block_size", array.0));
            array.and_then(|file| machine.number::<u64>(file)).into()
        }),
        // 1 is thin, 2 fixed.
        ("ProvisioningType", |machine, disk| {
            let is_thin = |layout: String| layout.split(',').any(|word| word == "thin");
            disk.layout(machine).map(|layout| if is_thin(layout) { 1_u16 } else { 2 }).into()
        }),
        ("ResiliencySettingName", |machine, disk| disk.resiliency(machine).into()),
        ("Size", |machine, disk| disk.size(machine).into()),
        ("UniqueId", |machine, disk| disk.unique_id(machine).into()),
        // 0 is specific to the vendor.
        ("UniqueIdFormat", |machine, disk| disk.unique_id(machine).map(|_| 0_u16).into()),
    ];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Disk>) -> Result<(), ProviderError> {
        // Arrays first: they are also returned if the caller may not run LVM's programs.
        Array::all(machine).into_iter().map(Disk::Raid).try_for_each(&mut *push)?;
        if machine.is_this() {
            logical_volumes().map_err(failure)?.into_iter().map(Disk::Logical).try_for_each(push)?;
        }
        Ok(())
    }
}
