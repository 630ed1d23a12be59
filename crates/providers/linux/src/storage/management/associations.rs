//! Associations of disks, partitions, volumes and counters.

use std::rc::Rc;
use std::sync::Arc;

use cim::Value;
use wmi::{ProviderError, Scan};

use super::{disk, partition, physical_disk, reliability, subsystem, volume};
use crate::Machine;
use crate::storage::drive::Drive;
use crate::storage::partition::{Foundations, Partition as Part};
use crate::storage::volume::{Row as VolumeRow, volumes};
use crate::table::{Fill, Push, Table, reference};
use linux::storage::statistics::Questions;

/// `MSFT_DiskToPartition`
pub(super) struct DiskToPartition;

/// `MSFT_PartitionToVolume`
pub(super) struct PartitionToVolume;

/// `MSFT_PhysicalDiskToStorageReliabilityCounter`
pub(super) struct CounterOfPhysicalDisk;

/// `MSFT_DiskToStorageReliabilityCounter`
pub(super) struct CounterOfDisk;

/// `MSFT_StorageSubSystemToPhysicalDisk`
pub(super) struct PhysicalDisksOfSubsystem;

/// `MSFT_StorageSubSystemToDisk`
pub(super) struct DisksOfSubsystem;

/// `MSFT_StorageSubSystemToPartition`
pub(super) struct PartitionsOfSubsystem;

/// `MSFT_StorageSubSystemToVolume`
pub(super) struct VolumesOfSubsystem;

fn of(class: &str, id: String) -> Value {
    reference(class, "ObjectId", id)
}

fn of_disk(drive: &Drive) -> Value {
    of("MSFT_Disk", disk::id(drive))
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

fn all_volumes(machine: &Machine) -> Vec<VolumeRow> {
    volumes(machine, &Arc::<Questions>::default())
}

impl Table for DiskToPartition {
    type Row = Part;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_DiskToPartition";

    const COLUMNS: &'static [(&'static str, Fill<Part>)] =
        &[("Disk", |_, part| of_disk(&part.drive)), ("Partition", |_, part| of_partition(part))];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Part>, ProviderError> {
        Ok(Part::all(machine))
    }
}

impl Table for PartitionToVolume {
    type Row = (Rc<Part>, Rc<VolumeRow>);

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_PartitionToVolume";

    const COLUMNS: &'static [(&'static str, Fill<Self::Row>)] =
        &[("Partition", |_, (part, _)| of_partition(part)), ("Volume", |_, (_, row)| of_volume(row))];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Self::Row>,
    ) -> Result<(), ProviderError> {
        let parts = Foundations::of(machine);
        for row in all_volumes(machine).into_iter().map(Rc::new) {
            // A volume can span several partitions.
            for part in row.block.iter().flat_map(|block| parts.below(machine, block)) {
                push((Rc::clone(part), Rc::clone(&row)))?;
            }
        }
        Ok(())
    }
}

impl Table for CounterOfPhysicalDisk {
    type Row = Drive;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_PhysicalDiskToStorageReliabilityCounter";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] = &[
        ("PhysicalDisk", |_, drive| of_physical_disk(drive)),
        ("StorageReliabilityCounter", |_, drive| of_counter(drive)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(reliability::drives(machine))
    }
}

impl Table for CounterOfDisk {
    type Row = Drive;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_DiskToStorageReliabilityCounter";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] =
        &[("Disk", |_, drive| of_disk(drive)), ("StorageReliabilityCounter", |_, drive| of_counter(drive))];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(reliability::drives(machine))
    }
}

impl Table for PhysicalDisksOfSubsystem {
    type Row = Drive;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_StorageSubSystemToPhysicalDisk";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] = &[
        ("PhysicalDisk", |_, drive| of_physical_disk(drive)),
        ("StorageSubSystem", |machine, _| of_subsystem(machine)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(Drive::all(machine))
    }
}

impl Table for DisksOfSubsystem {
    type Row = Drive;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_StorageSubSystemToDisk";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] =
        &[("Disk", |_, drive| of_disk(drive)), ("StorageSubSystem", |machine, _| of_subsystem(machine))];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(Drive::all(machine))
    }
}

impl Table for PartitionsOfSubsystem {
    type Row = Part;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_StorageSubSystemToPartition";

    const COLUMNS: &'static [(&'static str, Fill<Part>)] = &[
        ("Partition", |_, part| of_partition(part)),
        ("StorageSubSystem", |machine, _| of_subsystem(machine)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Part>, ProviderError> {
        Ok(Part::all(machine))
    }
}

impl Table for VolumesOfSubsystem {
    type Row = VolumeRow;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_StorageSubSystemToVolume";

    const COLUMNS: &'static [(&'static str, Fill<VolumeRow>)] =
        &[("StorageSubSystem", |machine, _| of_subsystem(machine)), ("Volume", |_, row| of_volume(row))];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = VolumeRow>, ProviderError> {
        Ok(all_volumes(machine).into_iter())
    }
}
