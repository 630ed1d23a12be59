//! `MSFT_StorageSubSystem`: all storage of the machine.

use cim::Value;
use linux::storage::drive::Drive;
use wmi::ProviderError;

use super::{Health, object_id};
use crate::Machine;
use crate::table::{Fill, Table, host_name};

/// The only storage subsystem of the machine.
pub(super) struct Subsystem;

/// Returns the object identifier of the subsystem.
pub(super) fn id(machine: &Machine) -> String {
    object_id("StorageSubSystem", &machine.host_name())
}

/// Returns the health of the worst disk; disks of unknown health do not count.
fn health(machine: &Machine) -> Health {
    let all: Vec<Health> = Drive::all(machine).map(|drive| Health::of(machine, &drive)).collect();
    let worst =
        [Health::Unhealthy, Health::Warning, Health::Healthy].into_iter().find(|one| all.contains(one));
    worst.unwrap_or(Health::Unknown)
}

/// Returns the status: 0 is unknown, 2 OK, 3 degraded.
fn operational_status(machine: &Machine) -> u16 {
    match health(machine) {
        Health::Unknown => 0,
        Health::Healthy => 2,
        Health::Warning | Health::Unhealthy => 3,
    }
}

/// Returns `false`, for capabilities that these classes do not offer.
fn no(_: &Machine, (): &()) -> Value {
    false.into()
}

impl Table for Subsystem {
    type Row = ();

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_StorageSubSystem";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[
        ("FriendlyName", |machine, _| format!("Storage of {}", machine.host_name()).into()),
        ("HealthStatus", |machine, _| health(machine).number().into()),
        ("Name", host_name),
        ("ObjectId", |machine, _| id(machine).into()),
        ("OperationalStatus", |machine, _| vec![operational_status(machine)].into()),
        ("SupportsAutomaticStoragePoolSelection", no),
        ("SupportsCloneLocal", no),
        ("SupportsCloneRemote", no),
        ("SupportsContinuouslyAvailableFileServer", no),
        ("SupportsFileServer", no),
        ("SupportsFileServerCreation", no),
        ("SupportsMaskingVirtualDiskToHosts", no),
        ("SupportsMirrorLocal", no),
        ("SupportsMirrorRemote", no),
        ("SupportsMultipleResiliencySettingsPerStoragePool", no),
        ("SupportsSnapshotLocal", no),
        ("SupportsSnapshotRemote", no),
        ("SupportsStoragePoolAddPhysicalDisk", no),
        ("SupportsStoragePoolCreation", no),
        ("SupportsStoragePoolDeletion", no),
        ("SupportsStoragePoolFriendlyNameModification", no),
        ("SupportsStoragePoolRemovePhysicalDisk", no),
        ("SupportsStorageTierCreation", no),
        ("SupportsStorageTierDeletion", no),
        ("SupportsStorageTierFriendlyNameModification", no),
        ("SupportsStorageTierResize", no),
        ("SupportsStorageTieredVirtualDiskCreation", no),
        ("SupportsVirtualDiskCapacityExpansion", no),
        ("SupportsVirtualDiskCapacityReduction", no),
        ("SupportsVirtualDiskCreation", no),
        ("SupportsVirtualDiskDeletion", no),
        ("SupportsVirtualDiskModification", no),
        ("SupportsVirtualDiskRepair", no),
        ("SupportsVolumeCreation", no),
        ("UniqueId", |machine, _| id(machine).into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = ()>, ProviderError> {
        Ok(std::iter::once(()))
    }
}
