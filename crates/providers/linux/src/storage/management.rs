//! `root/microsoft/windows/storage`: disks and volumes for PowerShell's Storage module; and failure
//! prediction of disks in `root/wmi`.

mod associations;
mod disk;
mod disk_id;
mod failure_prediction;
mod partition;
mod physical_disk;
mod reliability;
mod storage_pool;
mod subsystem;
mod virtual_disk;
mod volume;

use std::sync::Arc;

use linux::storage::drive::{Condition, Drive};
use linux::storage::statistics::StatisticsQueries;

use crate::Machine;
use crate::table::association::relate;
use crate::table::{Binding, bind};

/// Namespace of most of the classes.
const NAMESPACE: &str = "root/microsoft/windows/storage";

/// Returns the tables of the storage management classes.
pub(super) fn bindings(machine: &Arc<Machine>, queries: &Arc<StatisticsQueries>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, physical_disk::PhysicalDisk),
        bind(machine, disk::Disk),
        bind(machine, partition::Partition),
        bind(machine, volume::Volume::new(queries)),
        bind(machine, subsystem::Subsystem),
        bind(machine, reliability::ReliabilityCounter),
        relate(machine, &associations::DISK_TO_PARTITION),
        relate(machine, &associations::PARTITION_TO_VOLUME),
        relate(machine, &associations::COUNTER_OF_PHYSICAL_DISK),
        relate(machine, &associations::COUNTER_OF_DISK),
        relate(machine, &associations::PHYSICAL_DISKS_OF_SUBSYSTEM),
        relate(machine, &associations::DISKS_OF_SUBSYSTEM),
        relate(machine, &associations::PARTITIONS_OF_SUBSYSTEM),
        relate(machine, &associations::VOLUMES_OF_SUBSYSTEM),
        bind(machine, storage_pool::StoragePool),
        bind(machine, virtual_disk::VirtualDisk),
        bind(machine, failure_prediction::FailurePrediction),
    ]
}

/// Values of `HealthStatus` (Microsoft's reference of `MSFT_PhysicalDisk`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Healthy = 0,
    Warning = 1,
    Unhealthy = 2,
    Unknown = 5,
}

impl Health {
    /// Returns the health of a disk; unknown if it reports no health data.
    fn of(machine: &Machine, drive: &Drive) -> Self {
        match (
            drive.condition(machine),
            drive.smart(machine).and_then(linux::storage::smart::Smart::expects_failure),
        ) {
            (Condition::Gone, _) => Self::Unhealthy,
            (_, Some(true)) | (Condition::Waiting, _) => Self::Warning,
            (Condition::Fine, Some(false)) => Self::Healthy,
            (Condition::Fine, None) => Self::Unknown,
        }
    }

    fn number(self) -> u16 {
        self as u16
    }
}

/// Returns a unique object identifier: the kind of the object, and its name on this machine.
fn object_id(kind: &str, name: &str) -> String {
    format!("{kind}:{name}")
}

/// Returns the worldwide identifier of a disk and its format (`UniqueIdFormat`): 0 is vendor-specific, 1 T10,
/// 2 EUI-64, 3 NAA (SPC-4, designators; Microsoft's reference of `MSFT_Disk`).
fn unique_id(machine: &Machine, drive: &Drive) -> Option<(String, u16)> {
    let reported = drive.block.line(machine, "wwid").or_else(|| drive.block.line(machine, "device/wwid"));
    let known =
        || drive.udev(machine).property("ID_WWN_WITH_EXTENSION").map(|wwn| wwn.replacen("0x", "naa.", 1));
    let id = reported.or_else(known)?;
    let format = match id.split('.').next() {
        Some("t10") => 1,
        Some("eui") => 2,
        Some("naa") => 3,
        _ => 0,
    };
    Some((id, format))
}

/// Returns the bus of a disk (Microsoft's reference of `MSFT_Disk`, `BusType`); 0 for virtual disks, which do
/// not report theirs.
fn bus(machine: &Machine, drive: &Drive) -> u16 {
    let (folder, name) = (&drive.block.folder, &drive.block.name);
    match () {
        () if name.starts_with("nvme") => 17,
        () if folder.contains("/usb") => 7,
        () if name.starts_with("mmcblk") => match drive.block.line(machine, "device/type").as_deref() {
            Some("SD") => 12,
            _ => 13,
        },
        () if folder.contains("/ata")
            && (drive.udev(machine).property("ID_ATA_SATA") == Some("1")
                || has_sata_link(machine, folder)) =>
        {
            11
        }
        () if folder.contains("/ata") => 3,
        () if folder.contains("/end_device-") => 10,
        () if folder.contains("/rport-") => 6,
        () if folder.contains("/session") => 9,
        () if drive.interface(machine) == Some("SCSI") => 1,
        () => 0,
    }
}

/// Returns whether the port of a disk reports a link speed, as only SATA ports do (the kernel's
/// driver-api/libata).
fn has_sata_link(machine: &Machine, folder: &str) -> bool {
    let port = folder.split('/').find(|part| {
        part.strip_prefix("ata")
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit()))
    });
    let number = port.and_then(|port| port.strip_prefix("ata"));
    let spd = number.and_then(|number| machine.line(format!("sys/class/ata_link/link{number}/sata_spd")));
    spd.is_some_and(|speed| speed.ends_with("Gbps"))
}

/// Returns whether the disk is virtual, of a type that does not report its medium.
fn is_virtual(drive: &Drive) -> bool {
    ["vd", "xvd"].iter().any(|prefix| drive.block.name.starts_with(prefix))
}

/// Returns the rotation rate per minute, 0 for disks without moving parts; `None` if unknown.
fn rotation(machine: &Machine, drive: &Drive) -> Option<u32> {
    let known = drive.udev(machine).property("ID_ATA_ROTATION_RATE_RPM").and_then(|rate| rate.parse().ok());
    known.or_else(|| drive.smart(machine)?.rotation).or_else(|| {
        let is_still = drive.block.number::<u8>(machine, "queue/rotational") == Some(0) && !is_virtual(drive);
        is_still.then_some(0)
    })
}
