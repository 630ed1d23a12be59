//! Optical drives.

use std::rc::Rc;

use crate::Machine;
use crate::mounts::Mounts;
use crate::storage::block::Block;
use crate::storage::file_system::Identity;
use crate::udev::Udev;

/// An optical drive.
pub struct Drive {
    /// The block device.
    pub block: Block,
    /// Entry in the database of udev.
    pub udev: Udev,
    /// Mounts, shared by all drives of an answer.
    pub mounts: Rc<Mounts>,
}

impl Drive {
    /// Returns whether the drive contains a disc.
    pub fn has_disc(&self, machine: &Machine) -> bool {
        match self.udev.property("ID_CDROM_MEDIA") {
            Some(known) => known == "1",
            // Without a disc, the kernel initially reports the default size, so the size alone does not prove
            // a disc.
            None => {
                self.block.size(machine).is_some_and(|size| size > 0) && self.identity(machine).uuid.is_some()
            }
        }
    }

    /// Returns UUID and label of the disc.
    pub fn identity(&self, machine: &Machine) -> Identity {
        Identity::of(machine, &self.block)
    }

    /// Returns the mount point of the disc.
    pub fn place(&self, machine: &Machine) -> Option<String> {
        self.mounts.of_device(machine, self.block.device).next().map(|mount| mount.place.clone())
    }

    /// Returns the kind of drive: `CD-ROM`, `CD Writer`, `DVD-ROM` or `DVD Writer`.
    pub fn media_type(&self) -> &'static str {
        match (
            self.can("ID_CDROM_DVD"),
            self.can("ID_CDROM_DVD_R") || self.can("ID_CDROM_DVD_RAM"),
            self.can("ID_CDROM_CD_R"),
        ) {
            (_, true, _) => "DVD Writer",
            (true, ..) => "DVD-ROM",
            (_, _, true) => "CD Writer",
            _ => "CD-ROM",
        }
    }

    fn can(&self, property: &str) -> bool {
        self.udev.property(property) == Some("1")
    }

    /// Returns the model of the drive.
    pub fn model(&self, machine: &Machine) -> Option<String> {
        self.block.line(machine, "device/model").or_else(|| self.udev.exact("ID_MODEL"))
    }
}
