//! `SCX_DiskDrive`: the disks of [`crate::storage`].

use std::sync::Arc;

use cim::Instance;
use linux::storage::drive::Drive;
use wmi::{MethodCall, ProviderError};

use crate::Machine;
use crate::table::{Fill, Table, returned};

/// Disks of the machine.
pub(super) struct DiskDrive;

impl Table for DiskDrive {
    type Row = Drive;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_DiskDrive";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] = &[
        ("Caption", |_, _| "Disk drive".into()),
        ("DefaultBlockSize", |machine, drive| drive.sector(machine).into()),
        ("Description", |machine, drive| drive.model(machine).into()),
        ("DeviceID", |_, drive| drive.block.name.clone().into()),
        ("InterfaceType", |machine, drive| drive.interface(machine).unwrap_or("Unknown").into()),
        // Disks that are removed have no instance.
        ("IsOnline", |_, _| true.into()),
        ("Manufacturer", |machine, drive| drive.block.line(machine, "device/vendor").into()),
        // In KiB (CIM_MediaAccessDevice of DMTF).
        ("MaxMediaSize", |machine, drive| drive.block.size(machine).map(|octets| octets / 1024).into()),
        ("Model", |machine, drive| drive.model(machine).into()),
        ("Name", |_, drive| drive.block.name.clone().into()),
        ("SystemCreationClassName", |_, _| "SCX_ComputerSystem".into()),
        ("TotalCylinders", |machine, drive| drive.cylinders(machine).into()),
        // Conventional geometry; modern disks have none.
        ("TotalHeads", |_, _| 255_u64.into()),
        ("TotalSectors", |machine, drive| drive.sectors(machine).into()),
        ("TotalTracks", |machine, drive| drive.cylinders(machine).map(|cylinders| cylinders * 255).into()),
        ("TracksPerCylinder", |_, _| 255_u64.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(Drive::all(machine))
    }

    fn invoke(&self, _: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        super::forget(call).map_or_else(|| Err(ProviderError::NotCapable), |done| returned(call, done))
    }
}
