//! `MSFT_PhysicalDisk`.

use std::sync::Arc;

use linux::storage::drive::{Condition, Drive};
use wmi::{Lookup, ProviderError};

use super::{Health, bus, is_virtual, object_id, rotation, unique_id};
use crate::Machine;
use crate::table::{Fill, Table, text_key};

/// Physical disks.
pub(super) struct PhysicalDisk;

/// Returns the object identifier of a physical disk.
pub(super) fn id(drive: &Drive) -> String {
    object_id("PhysicalDisk", &drive.block.node())
}

/// Returns the media type: 0 is unspecified, 3 a hard disk, 4 a solid-state disk (Microsoft's reference of
/// `MSFT_PhysicalDisk`, `MediaType`).
fn media(machine: &Machine, drive: &Drive) -> u16 {
    match rotation(machine, drive) {
        Some(0) => 4,
        Some(_) => TURNS,
        // USB bridges and virtual disks report "rotational" if they do not know.
        None if is_virtual(drive) || bus(machine, drive) == 7 => 0,
        None => match drive.block.number::<u8>(machine, "queue/rotational") {
            Some(1) => TURNS,
            _ => 0,
        },
    }
}

/// Returns the status: 0 is unknown, 2 OK, 3 degraded, 5 predictive failure, 6 error
/// (`MSFT_StorageNodeToPhysicalDisk`).
fn operational_status(machine: &Machine, drive: &Drive) -> u16 {
    let expects_failure = drive.smart(machine).and_then(linux::storage::smart::Smart::expects_failure);
    match (drive.condition(machine), expects_failure) {
        (Condition::Gone, _) => 6,
        (_, Some(true)) => 5,
        (Condition::Waiting, _) => 3,
        (Condition::Fine, Some(false)) => 2,
        (Condition::Fine, None) => 0,
    }
}

/// Value of `MediaType` for hard disks.
const TURNS: u16 = 3;

/// Value of `CannotPoolReason` for reasons that are described in words.
const OTHER_REASON: u16 = 1;

/// Returns the number of bytes of a disk that partitions occupy.
pub(super) fn allocated(machine: &Machine, drive: &Drive) -> u64 {
    let sizes = drive.partitions(machine).into_iter().filter_map(|(_, part)| part.size(machine));
    sizes.sum()
}

impl Table for PhysicalDisk {
    type Row = Drive;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_PhysicalDisk";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] = &[
        ("AllocatedSize", |machine, drive| allocated(machine, drive).into()),
        ("BusType", |machine, drive| bus(machine, drive).into()),
        // Linux has no storage pools in the sense of Windows; none of the numbered reasons says that.
        ("CanPool", |_, _| false.into()),
        ("CannotPoolReason", |_, _| vec![OTHER_REASON].into()),
        ("Description", |machine, drive| drive.model(machine).into()),
        ("DeviceId", |_, drive| drive.index.to_string().into()),
        ("FirmwareVersion", |machine, drive| drive.firmware(machine).into()),
        ("FriendlyName", |machine, drive| drive.model(machine).unwrap_or_else(|| drive.block.node()).into()),
        ("HealthStatus", |machine, drive| Health::of(machine, drive).number().into()),
        ("LogicalSectorSize", |machine, drive| drive.sector(machine).into()),
        ("Manufacturer", |machine, drive| drive.manufacturer(machine).into()),
        ("MediaType", |machine, drive| media(machine, drive).into()),
        ("Model", |machine, drive| drive.model(machine).into()),
        ("ObjectId", |_, drive| id(drive).into()),
        ("OtherCannotPoolReasonDescription", |_, _| "Linux has no storage pools of Windows".into()),
        ("OperationalStatus", |machine, drive| vec![operational_status(machine, drive)].into()),
        ("PhysicalLocation", |machine, drive| {
            drive.udev(machine).property("ID_PATH").unwrap_or(&drive.block.folder).to_owned().into()
        }),
        ("PhysicalSectorSize", |machine, drive| {
            drive.block.number::<u64>(machine, "queue/physical_block_size").into()
        }),
        ("SerialNumber", |machine, drive| drive.serial_number(machine).into()),
        ("Size", |machine, drive| drive.block.size(machine).into()),
        ("SpindleSpeed", |machine, drive| {
            // The maximum stands for a hard disk of unknown speed.
            rotation(machine, drive).or_else(|| (media(machine, drive) == TURNS).then_some(u32::MAX)).into()
        }),
        ("UniqueId", |machine, drive| unique_id(machine, drive).map(|(id, _)| id).into()),
        ("UniqueIdFormat", |machine, drive| unique_id(machine, drive).map(|(_, format)| format).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(Drive::all(machine))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Drive>, ProviderError> {
        let wanted = text_key(lookup.keys);
        Ok(Drive::all(machine).find(|drive| id(drive).eq_ignore_ascii_case(wanted)))
    }
}
