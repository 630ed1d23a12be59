//! `Win32_CDROMDrive`.

use std::rc::Rc;

use linux::storage::block::Block;
use linux::storage::optical::Drive;
use wmi::ProviderError;

use crate::table::{Fill, Table};
use crate::{Machine, events};

/// Optical drives.
pub(crate) struct OpticalDrive;

impl Table for OpticalDrive {
    type Row = Drive;

    const CLASS: &'static str = "Win32_CDROMDrive";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] = &[
        // 3 is random access, 7 removable media.
        ("Capabilities", |_, _| vec![3_u16, 7].into()),
        ("CapabilityDescriptions", |_, _| vec!["Random Access", "Supports Removable Media"].into()),
        ("Caption", |machine, row| row.model(machine).unwrap_or_else(|| row.block.node()).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |_, _| "CD-ROM Drive".into()),
        ("DeviceID", |_, row| row.block.node().into()),
        ("Drive", |machine, row| row.place(machine).unwrap_or_else(|| row.block.node()).into()),
        ("Id", |_, row| row.block.node().into()),
        ("Manufacturer", |machine, row| row.block.line(machine, "device/vendor").into()),
        ("MediaLoaded", |machine, row| row.has_disc(machine).into()),
        ("MediaType", |_, row| row.media_type().into()),
        ("MfrAssignedRevisionLevel", |machine, row| row.block.line(machine, "device/rev").into()),
        ("Name", |machine, row| row.model(machine).unwrap_or_else(|| row.block.node()).into()),
        ("PNPDeviceID", |_, row| row.block.folder.clone().into()),
        ("SerialNumber", |_, row| row.udev.property("ID_SERIAL_SHORT").map(str::to_owned).into()),
        ("Size", |machine, row| row.block.size(machine).filter(|_| row.has_disc(machine)).into()),
        ("Status", |_, _| "OK".into()),
        ("VolumeName", |machine, row| row.identity(machine).label.into()),
        ("VolumeSerialNumber", |machine, row| row.identity(machine).serial_number().into()),
    ];

    const SUBSYSTEMS: &'static [&'static str] = events::BLOCK_DEVICES;

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        let drives = Block::all(machine).into_iter().filter(|block| block.name.starts_with("sr"));
        let mounts = Rc::default();
        Ok(drives.map(move |block| Drive { udev: block.udev(machine), block, mounts: Rc::clone(&mounts) }))
    }
}
