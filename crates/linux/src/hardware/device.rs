//! Devices on the buses of the machine.

use crate::Machine;
use crate::hardware::pci::PciDevice;
use crate::storage::block::folder_of;
use crate::sysfs;
use crate::udev::Udev;

/// A PCI or USB device.
pub enum Device {
    /// A PCI device.
    Pci(PciDevice),
    /// A USB device.
    Usb {
        /// Position on the bus, such as `1-1.2`.
        place: String,
        /// Directory below `/sys`.
        folder: String,
    },
}

impl Device {
    /// Returns all devices.
    pub fn all(machine: &Machine) -> Vec<Self> {
        let mut devices: Vec<Self> = PciDevice::all(machine).into_iter().map(Self::Pci).collect();
        let names = machine.names("sys/bus/usb/devices").unwrap_or_default();
        let mut places: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        places.sort();
        for place in places {
            let Some(folder) = folder_of(machine, &format!("sys/bus/usb/devices/{place}")) else { continue };
            // Interfaces of a device are skipped: they have no vendor id.
            if sysfs::line(machine, &folder, "idVendor").is_some() {
                devices.push(Self::Usb { place, folder });
            }
        }
        devices
    }

    /// Returns the directory below `/sys`.
    pub fn folder(&self) -> &str {
        match self {
            Self::Pci(device) => &device.folder,
            Self::Usb { folder, .. } => folder,
        }
    }

    /// Returns the model.
    pub fn name(&self, machine: &Machine) -> String {
        match self {
            Self::Pci(device) => device.model(machine),
            Self::Usb { place, folder } => {
                let reported = sysfs::line(machine, folder, "product");
                reported
                    .or_else(|| Udev::of_device(machine, "usb", place).exact("ID_MODEL_FROM_DATABASE"))
                    .unwrap_or_else(|| "USB device".to_owned())
            }
        }
    }

    /// Returns the manufacturer.
    pub fn maker(&self, machine: &Machine) -> Option<String> {
        match self {
            Self::Pci(device) => device.maker(machine),
            Self::Usb { folder, .. } => sysfs::line(machine, folder, "manufacturer"),
        }
    }

    /// Returns the identifier without its instance part.
    pub fn hardware(&self, machine: &Machine) -> Option<String> {
        let identity = sysfs::identity(machine, self.folder());
        identity.rsplit_once('\\').map(|(kind, _)| kind.to_owned())
    }
}
