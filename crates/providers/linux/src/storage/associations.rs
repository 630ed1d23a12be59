//! Associations of disks, partitions, volumes and folders.

use std::rc::Rc;
use std::sync::Arc;

use cim::Value;
use linux::mounts::Mounts;
use linux::storage::file_system::is_of_network;
use linux::storage::partition::{Foundations, Partition};
use linux::storage::statistics::StatisticsQueries;
use linux::storage::volume::volumes;
use wmi::{EventSource, ProviderError, Watch};

use super::logical_disk::{Disk, disks};
use super::partition::device_id;
use crate::table::association::Association;
use crate::table::{Fill, Table, failure, reference};
use crate::{Machine, events};

/// `Win32_MountPoint`
pub(crate) struct MountPoint;

pub(crate) static DRIVE_TO_PARTITION: Association<Partition> = Association {
    namespace: "root/cimv2",
    class: "Win32_DiskDriveToDiskPartition",
    columns: &[
        ("Antecedent", |_, part| reference("Win32_DiskDrive", "DeviceID", part.drive.block.node())),
        ("Dependent", |_, part| of_partition(part)),
    ],
    rows: |machine| Ok(Partition::all(machine).collect()),
    subsystems: events::BLOCK_DEVICES,
};

/// A logical disk on a partition.
pub(crate) struct Placed {
    part: Rc<Partition>,
    disk: String,
}

pub(crate) static PARTITION_TO_DISK: Association<Placed> = Association {
    namespace: "root/cimv2",
    class: "Win32_LogicalDiskToPartition",
    columns: &[
        ("Antecedent", |_, placed| of_partition(&placed.part)),
        ("Dependent", |_, placed| of_disk(placed.disk.clone())),
        ("EndingAddress", |machine, placed| {
            placed.part.extent(machine).and_then(|(_, end)| end.checked_sub(1)).into()
        }),
        ("StartingAddress", |machine, placed| placed.part.extent(machine).map(|(start, _)| start).into()),
    ],
    rows: rows_of_partition_to_disk,
    subsystems: &[],
};

fn rows_of_partition_to_disk(machine: &Machine) -> Result<Vec<Placed>, ProviderError> {
    let parts = Foundations::of(machine);
    let mut all = Vec::new();
    for Disk { name, file_system } in disks(machine, &Arc::<StatisticsQueries>::default())? {
        // A file system can span several partitions.
        let block = file_system.block(machine);
        let parts = block.iter().flat_map(|block| parts.below(machine, block));
        all.extend(parts.map(|part| Placed { part: Rc::clone(part), disk: name.clone() }));
    }
    Ok(all)
}

/// A volume mounted in a folder.
pub(crate) struct Mounted {
    volume: String,
    place: String,
}

impl Table for MountPoint {
    type Row = Mounted;

    const CLASS: &'static str = "Win32_MountPoint";

    const COLUMNS: &'static [(&'static str, Fill<Mounted>)] = &[
        ("Directory", |_, mounted| reference("Win32_Directory", "Name", mounted.place.clone())),
        ("Volume", |_, mounted| reference("Win32_Volume", "DeviceID", mounted.volume.clone())),
    ];

    fn watch(
        &self,
        machine: &Arc<Machine>,
        watch: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        events::of_mounted(machine, watch)
    }

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Mounted>, ProviderError> {
        let mounts = Mounts::default();
        let mut all = Vec::new();
        for volume in volumes(machine, &Arc::<StatisticsQueries>::default()).map_err(failure)? {
            let Some(own) = &volume.file_system else { continue };
            // A volume mounted in several folders has a row for each.
            let mounts = mounts.of_device(machine, own.mount.device);
            all.extend(
                mounts.map(|mount| Mounted { volume: volume.device_id(), place: mount.place.clone() }),
            );
        }
        Ok(all.into_iter())
    }
}

pub(crate) static ROOT_DIRECTORY: Association<Disk> = Association {
    namespace: "root/cimv2",
    class: "Win32_LogicalDiskRootDirectory",
    columns: &[
        ("GroupComponent", |_, disk| of_disk(disk.name.clone())),
        ("PartComponent", |_, disk| {
            reference("Win32_Directory", "Name", disk.file_system.mount.place.clone())
        }),
    ],
    rows: rows_of_root_directory,
    subsystems: &[],
};

fn rows_of_root_directory(machine: &Machine) -> Result<Vec<Disk>, ProviderError> {
    // The folder of a server that is down cannot be examined, and Windows lists only local disks here.
    Ok(disks(machine, &Arc::<StatisticsQueries>::default())?
        .into_iter()
        .filter(|disk| !is_of_network(&disk.file_system.mount))
        .collect())
}

fn of_partition(part: &Partition) -> Value {
    reference("Win32_DiskPartition", "DeviceID", device_id(part))
}

fn of_disk(name: String) -> Value {
    reference("Win32_LogicalDisk", "DeviceID", name)
}
