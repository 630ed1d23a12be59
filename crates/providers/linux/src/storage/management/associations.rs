//! Associations of disks, partitions, volumes and counters.

use std::rc::Rc;
use std::sync::Arc;

use cim::Value;
use linux::storage::drive::Drive;
use linux::storage::partition::{Foundations, Partition as Part};
use linux::storage::statistics::StatisticsQueries;
use linux::storage::volume::{Volume as VolumeRow, volumes};
use wmi::ProviderError;

use super::{disk_id, partition, physical_disk, reliability, subsystem, volume};
use crate::Machine;
use crate::table::association::Association;
use crate::table::{failure, reference};

fn of(class: &str, id: String) -> Value {
    reference(class, "ObjectId", id)
}

fn of_disk(drive: &Drive) -> Value {
    of("MSFT_Disk", disk_id::of(drive))
}

fn of_physical_disk(drive: &Drive) -> Value {
    of("MSFT_PhysicalDisk", physical_disk::id(drive))
}

fn of_partition(part: &Part) -> Value {
    of("MSFT_Partition", partition::id(part))
}

fn of_volume(row: &VolumeRow) -> Value {
    of("MSFT_Volume", volume::id(row))
}

fn of_counter(drive: &Drive) -> Value {
    of("MSFT_StorageReliabilityCounter", reliability::id(drive))
}

fn of_subsystem(machine: &Machine) -> Value {
    of("MSFT_StorageSubSystem", subsystem::id(machine))
}

fn all_volumes(machine: &Machine) -> Result<Vec<VolumeRow>, ProviderError> {
    volumes(machine, &Arc::<StatisticsQueries>::default()).map_err(failure)
}

pub(super) static DISK_TO_PARTITION: Association<Part> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_DiskToPartition",
    columns: &[("Disk", |_, part| of_disk(&part.drive)), ("Partition", |_, part| of_partition(part))],
    rows: |machine| Ok(Part::all(machine).collect()),
    subsystems: &[],
};

/// A partition, and a volume on it.
pub(super) type PartOfVolume = (Rc<Part>, Rc<VolumeRow>);

pub(super) static PARTITION_TO_VOLUME: Association<PartOfVolume> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_PartitionToVolume",
    columns: &[("Partition", |_, (part, _)| of_partition(part)), ("Volume", |_, (_, row)| of_volume(row))],
    rows: rows_of_partition_to_volume,
    subsystems: &[],
};

fn rows_of_partition_to_volume(machine: &Machine) -> Result<Vec<PartOfVolume>, ProviderError> {
    let parts = Foundations::of(machine);
    let mut all = Vec::new();
    for row in all_volumes(machine)?.into_iter().map(Rc::new) {
        // A volume can span several partitions.
        let parts = row.block.iter().flat_map(|block| parts.below(machine, block));
        all.extend(parts.map(|part| (Rc::clone(part), Rc::clone(&row))));
    }
    Ok(all)
}

pub(super) static COUNTER_OF_PHYSICAL_DISK: Association<Drive> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_PhysicalDiskToStorageReliabilityCounter",
    columns: &[
        ("PhysicalDisk", |_, drive| of_physical_disk(drive)),
        ("StorageReliabilityCounter", |_, drive| of_counter(drive)),
    ],
    rows: |machine| Ok(reliability::drives(machine).collect()),
    subsystems: &[],
};

pub(super) static COUNTER_OF_DISK: Association<Drive> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_DiskToStorageReliabilityCounter",
    columns: &[
        ("Disk", |_, drive| of_disk(drive)),
        ("StorageReliabilityCounter", |_, drive| of_counter(drive)),
    ],
    rows: |machine| Ok(reliability::drives(machine).collect()),
    subsystems: &[],
};

pub(super) static PHYSICAL_DISKS_OF_SUBSYSTEM: Association<Drive> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_StorageSubSystemToPhysicalDisk",
    columns: &[
        ("PhysicalDisk", |_, drive| of_physical_disk(drive)),
        ("StorageSubSystem", |machine, _| of_subsystem(machine)),
    ],
    rows: |machine| Ok(Drive::all(machine).collect()),
    subsystems: &[],
};

pub(super) static DISKS_OF_SUBSYSTEM: Association<Drive> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_StorageSubSystemToDisk",
    columns: &[("Disk", |_, drive| of_disk(drive)), ("StorageSubSystem", |machine, _| of_subsystem(machine))],
    rows: |machine| Ok(Drive::all(machine).collect()),
    subsystems: &[],
};

pub(super) static PARTITIONS_OF_SUBSYSTEM: Association<Part> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_StorageSubSystemToPartition",
    columns: &[
        ("Partition", |_, part| of_partition(part)),
        ("StorageSubSystem", |machine, _| of_subsystem(machine)),
    ],
    rows: |machine| Ok(Part::all(machine).collect()),
    subsystems: &[],
};

pub(super) static VOLUMES_OF_SUBSYSTEM: Association<VolumeRow> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_StorageSubSystemToVolume",
    columns: &[("StorageSubSystem", |machine, _| of_subsystem(machine)), ("Volume", |_, row| of_volume(row))],
    rows: all_volumes,
    subsystems: &[],
};
