//! `Win32_CDROMDrive`.

use std::rc::Rc;

use wmi::ProviderError;

use crate::table::{Fill, Table};
use crate::{Machine, events};
use linux::mounts::Mounts;
use linux::storage::block::Block;
use linux::storage::file_system::Identity;
use linux::udev::Udev;

/// Optical drives.
pub(crate) struct OpticalDrive;

/// An optical drive, with its entry in the database of udev.
pub(crate) struct Row {
    block: Block,
    udev: Udev,
    mounts: Rc<Mounts>,
}

impl Row {
    fn has_disc(&self, machine: &Machine) -> bool {
        match self.udev.property("ID_CDROM_MEDIA") {
            Some(known) => known == "1",
            // Without a disc, the kernel initially reports the default size, so the size alone does not prove
            // a disc.
            None => {
                self.block.size(machine).is_some_and(|size| size > 0) && self.identity(machine).uuid.is_some()
            }
        }
    }

    fn identity(&self, machine: &Machine) -> Identity {
        Identity::of(machine, &self.block)
    }

    /// Returns the mount point of the disc.
    fn place(&self, machine: &Machine) -> Option<String> {
        self.mounts.of_device(machine, self.block.device).next().map(|mount| mount.place.clone())
    }

    /// Returns the media type by its name in Windows.
    fn media_type(&self) -> &'static str {
        let can = |property: &str| self.udev.property(property) == Some("1");
        match (can("ID_CDROM_DVD"), can("ID_CDROM_DVD_R") || can("ID_CDROM_DVD_RAM"), can("ID_CDROM_CD_R")) {
            (_, true, _) => "DVD Writer",
            (true, ..) => "DVD-ROM",
            (_, _, true) => "CD Writer",
            _ => "CD-ROM",
        }
    }

    fn model(&self, machine: &Machine) -> Option<String> {
        self.block.line(machine, "device/model").or_else(|| self.udev.exact("ID_MODEL"))
    }
}

impl Table for OpticalDrive {
    type Row = Row;

    const CLASS: &'static str = "Win32_CDROMDrive";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
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

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let drives = Block::all(machine).into_iter().filter(|block| block.name.starts_with("sr"));
        let mounts = Rc::default();
        Ok(drives.map(move |block| Row { udev: block.udev(machine), block, mounts: Rc::clone(&mounts) }))
    }
}
