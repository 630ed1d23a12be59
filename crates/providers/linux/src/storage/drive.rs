//! `Win32_DiskDrive`.

use std::sync::Arc;

use cim::Value;
use linux::storage::drive::{Condition, Drive};
use wmi::{Lookup, ProviderError};

use crate::table::{Fill, Table, text_key};
use crate::{Machine, events};

/// Disks of the machine.
pub(crate) struct DiskDrive;

impl Table for DiskDrive {
    type Row = Drive;

    const CLASS: &'static str = "Win32_DiskDrive";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] = &[
        ("BytesPerSector", |machine, drive| {
            drive.sector(machine).and_then(|octets| u32::try_from(octets).ok()).into()
        }),
        ("Capabilities", |machine, drive| drive.capabilities(machine).into()),
        ("CapabilityDescriptions", |machine, drive| {
            let words = drive.capabilities(machine).into_iter().map(|capability| match capability {
                3 => "Random Access",
                4 => "Supports Writing",
                _ => "Supports Removable Media",
            });
            words.collect::<Vec<_>>().into()
        }),
        ("Caption", |machine, drive| drive.model(machine).unwrap_or_else(|| drive.block.node()).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |_, _| "Disk drive".into()),
        ("DeviceID", |_, drive| drive.block.node().into()),
        ("FirmwareRevision", |machine, drive| drive.firmware(machine).into()),
        ("Index", |_, drive| drive.index.into()),
        ("InterfaceType", |machine, drive| drive.interface(machine).into()),
        ("Manufacturer", |machine, drive| drive.manufacturer(machine).into()),
        ("MediaLoaded", |machine, drive| (drive.block.size(machine).unwrap_or_default() > 0).into()),
        ("MediaType", |machine, drive| {
            let is_removable = drive.block.is_removable(machine);
            if is_removable { "Removable Media" } else { "Fixed hard disk media" }.into()
        }),
        ("Model", |machine, drive| drive.model(machine).into()),
        ("Name", |_, drive| drive.block.node().into()),
        ("Partitions", |machine, drive| u32::try_from(drive.partitions(machine).len()).ok().into()),
        ("PNPDeviceID", |_, drive| drive.block.folder.clone().into()),
        ("PowerManagementSupported", |_, _| false.into()),
        ("SCSIBus", |machine, drive| drive.address(machine).map(|[_, channel, ..]| channel).into()),
        ("SCSILogicalUnit", |machine, drive| narrow(drive.address(machine).map(|[.., unit]| unit))),
        ("SCSIPort", |machine, drive| narrow(drive.address(machine).map(|[host, ..]| host))),
        ("SCSITargetId", |machine, drive| narrow(drive.address(machine).map(|[_, _, target, _]| target))),
        ("SectorsPerTrack", |_, _| 63_u32.into()),
        ("SerialNumber", |machine, drive| drive.serial_number(machine).into()),
        ("Signature", |machine, drive| {
            let udev = drive.udev(machine);
            let is_mbr = udev.property("ID_PART_TABLE_TYPE") == Some("dos");
            let signature = udev.property("ID_PART_TABLE_UUID").filter(|_| is_mbr);
            signature.and_then(|digits| u32::from_str_radix(digits, 16).ok()).into()
        }),
        ("Size", |machine, drive| drive.block.size(machine).into()),
        ("Status", |machine, drive| {
            match drive.condition(machine) {
                Condition::Gone => "Error",
                _ if drive.smart(machine).is_some_and(|smart| smart.expects_failure() == Some(true)) => {
                    "Pred Fail"
                }
                Condition::Waiting => "Degraded",
                Condition::Fine => "OK",
            }
            .into()
        }),
        ("TotalCylinders", |machine, drive| drive.cylinders(machine).into()),
        ("TotalHeads", |_, _| 255_u32.into()),
        ("TotalSectors", |machine, drive| drive.sectors(machine).into()),
        ("TotalTracks", |machine, drive| drive.cylinders(machine).map(|cylinders| cylinders * 255).into()),
        ("TracksPerCylinder", |_, _| 255_u32.into()),
    ];

    const SUBSYSTEMS: &'static [&'static str] = events::BLOCK_DEVICES;

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(Drive::all(machine))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Drive>, ProviderError> {
        let id = text_key(lookup.keys);
        Ok(Drive::all(machine).find(|drive| drive.block.node().eq_ignore_ascii_case(id)))
    }
}

fn narrow(number: Option<u32>) -> Value {
    number.and_then(|number| u16::try_from(number).ok()).into()
}
