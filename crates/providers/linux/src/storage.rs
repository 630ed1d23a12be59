//! Disks, partitions, file systems and mount points.

mod associations;
mod checks;
pub(crate) mod drive;
mod encryptable_volume;
pub(crate) mod file;
mod folder_contents;
mod logical_disk;
mod management;
mod mapped_disk;
mod optical;
mod partition;
mod volume;

use std::sync::Arc;

use wmi::Scan;

use crate::Machine;
use crate::table::association::relate;
use crate::table::{Binding, bind};

/// Returns the tables of storage classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    // All tables share the record of file systems that do not respond.
    let queries = Arc::<linux::storage::statistics::StatisticsQueries>::default();
    let own = vec![
        bind(machine, logical_disk::LogicalDisk::new(&queries)),
        bind(machine, volume::Volume::new(&queries)),
        bind(machine, mapped_disk::MappedDisk::new(&queries)),
        bind(machine, drive::DiskDrive),
        bind(machine, encryptable_volume::EncryptableVolume),
        bind(machine, optical::OpticalDrive),
        bind(machine, partition::DiskPartition),
        relate(machine, &associations::DRIVE_TO_PARTITION),
        relate(machine, &associations::PARTITION_TO_DISK),
        bind(machine, associations::MountPoint),
        relate(machine, &associations::ROOT_DIRECTORY),
        bind(machine, file::File::<file::Plain>::default()),
        bind(machine, file::File::<file::Directory>::default()),
        bind(machine, folder_contents::FolderContents::<file::Directory>::default()),
        bind(machine, folder_contents::FolderContents::<file::Plain>::default()),
    ];
    own.into_iter().chain(management::bindings(machine, &queries)).collect()
}

/// Returns whether a query selects any of these columns.
pub(crate) fn wants_any(scan: &Scan, columns: &[&str]) -> bool {
    let mut selected = scan.columns().iter().filter_map(|column| scan.class().property(column));
    selected.any(|property| columns.iter().any(|name| property.name == **name))
}
