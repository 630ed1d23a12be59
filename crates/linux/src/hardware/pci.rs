//! PCI devices (`/sys/bus/pci/devices`).

use crate::Machine;
use crate::storage::block::folder_of;
use crate::sysfs;
use crate::udev::Udev;

/// A PCI device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PciDevice {
    /// Address, such as `0000:00:1f.2`.
    pub place: String,
    /// Directory below `/sys`.
    pub folder: String,
    /// Base class, subclass and programming interface (PCI Code and ID Assignment Specification).
    pub class: u32,
}

impl PciDevice {
    /// Returns all devices, sorted by address.
    pub fn all(machine: &Machine) -> Vec<Self> {
        let names = machine.names("sys/bus/pci/devices").unwrap_or_default();
        let mut devices: Vec<Self> =
            names.iter().filter_map(|name| Self::at(machine, name.to_str()?)).collect();
        devices.sort_by(|left, right| left.place.cmp(&right.place));
        devices
    }

    /// Returns the device at an address, such as `0000:00:1f.2`.
    fn at(machine: &Machine, place: &str) -> Option<Self> {
        let folder = folder_of(machine, &format!("sys/bus/pci/devices/{place}"))?;
        let class = sysfs::hexadecimal(machine, &folder, "class")?;
        Some(Self { place: place.to_owned(), folder, class })
    }

    /// Returns base class and subclass.
    pub fn kind(&self) -> u32 {
        self.class >> 8
    }

    /// Returns the Windows identifier.
    pub fn identity(&self, machine: &Machine) -> String {
        sysfs::identity(machine, &self.folder)
    }

    /// Returns the model from udev's hardware database, or its numeric ids.
    pub fn model(&self, machine: &Machine) -> String {
        let udev = Udev::of_device(machine, "pci", &self.place);
        let known = udev.property("ID_MODEL_FROM_DATABASE").map(str::to_owned);
        known.unwrap_or_else(|| {
            let [vendor, device] =
                ["vendor", "device"].map(|file| sysfs::hexadecimal_or_zero(machine, &self.folder, file));
            format!("PCI device {vendor:04x}:{device:04x}")
        })
    }

    /// Returns the vendor.
    pub fn maker(&self, machine: &Machine) -> Option<String> {
        let udev = Udev::of_device(machine, "pci", &self.place);
        udev.property("ID_VENDOR_FROM_DATABASE").map(str::to_owned)
    }

    /// Returns the driver.
    pub fn driver(&self, machine: &Machine) -> Option<String> {
        sysfs::driver(machine, &self.folder)
    }
}
