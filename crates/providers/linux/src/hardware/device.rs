//! `Win32_PnPEntity`: PCI and USB devices.

use linux::hardware::device::Device;
use linux::sysfs;
use wmi::ProviderError;

use crate::table::{Fill, Table};
use crate::{Machine, events};

/// Devices found on buses.
pub(crate) struct PnpEntity;

impl Table for PnpEntity {
    type Row = Device;

    const CLASS: &'static str = "Win32_PnPEntity";

    const COLUMNS: &'static [(&'static str, Fill<Device>)] = &[
        ("Caption", |machine, device| device.name(machine).into()),
        ("ClassGuid", |machine, device| class(device, machine).map(|(_, guid)| guid).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, device| device.name(machine).into()),
        ("DeviceID", |machine, device| sysfs::identity(machine, device.folder()).into()),
        ("HardwareID", |machine, device| device.hardware(machine).map(|identity| vec![identity]).into()),
        ("Manufacturer", |machine, device| device.maker(machine).into()),
        ("Name", |machine, device| device.name(machine).into()),
        ("PNPClass", |machine, device| class(device, machine).map(|(class, _)| class).into()),
        ("PNPDeviceID", |machine, device| sysfs::identity(machine, device.folder()).into()),
        ("Present", |_, _| true.into()),
        ("Service", |machine, device| sysfs::driver(machine, device.folder()).into()),
        ("Status", |_, _| "OK".into()),
    ];

    const SUBSYSTEMS: &'static [&'static str] = events::BUSES;

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Device>, ProviderError> {
        Ok(Device::all(machine).into_iter())
    }
}

/// Returns the Windows device class and its GUID.
pub(super) fn class(device: &Device, machine: &Machine) -> Option<(&'static str, &'static str)> {
    let kind = match device {
        Device::Pci(device) => device.kind(),
        Device::Usb { folder, .. } => {
            // Hubs have a class; other USB devices define theirs per interface.
            let is_hub = sysfs::hexadecimal(machine, folder, "bDeviceClass") == Some(9);
            return Some(if is_hub { USB } else { return None });
        }
    };
    Some(match kind {
        0x0300..=0x03FF => ("Display", "{4d36e968-e325-11ce-bfc1-08002be10318}"),
        0x0200..=0x02FF => ("Net", "{4d36e972-e325-11ce-bfc1-08002be10318}"),
        0x0401 | 0x0403 => ("MEDIA", "{4d36e96c-e325-11ce-bfc1-08002be10318}"),
        0x0101 | 0x0106 => ("HDC", "{4d36e96a-e325-11ce-bfc1-08002be10318}"),
        0x0100 | 0x0104 | 0x0107 | 0x0108 => ("SCSIAdapter", "{4d36e97b-e325-11ce-bfc1-08002be10318}"),
        0x0C03 => USB,
        0x0500..=0x06FF | 0x0800..=0x08FF | 0x0C05 => ("System", "{4d36e97d-e325-11ce-bfc1-08002be10318}"),
        _ => return None,
    })
}

const USB: (&str, &str) = ("USB", "{36fc9e60-c465-11cf-8056-444553540000}");
