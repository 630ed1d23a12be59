//! `Win32_PnPSignedDriver`: drivers of PCI and USB devices.

use linux::hardware::device::Device;
use linux::storage::block::folder_of;
use linux::sysfs;
use wmi::ProviderError;

use super::device::class;
use crate::table::{Fill, Table};
use crate::{Machine, events};

/// Devices with a driver.
pub(crate) struct SignedDriver;

/// Returns a line that the kernel has about the module of a driver; drivers that are built in have no module.
fn of_module(machine: &Machine, device: &Device, file: &str) -> Option<String> {
    let module = folder_of(machine, &format!("sys{}/driver/module", device.folder()))?;
    machine.line(format!("sys/module/{}/{file}", module.rsplit('/').next()?))
}

impl Table for SignedDriver {
    type Row = Device;

    const CLASS: &'static str = "Win32_PnPSignedDriver";

    const COLUMNS: &'static [(&'static str, Fill<Device>)] = &[
        ("Caption", |machine, device| device.name(machine).into()),
        ("ClassGuid", |machine, device| class(device, machine).map(|(_, guid)| guid).into()),
        ("Description", |machine, device| device.name(machine).into()),
        ("DeviceClass", |machine, device| class(device, machine).map(|(class, _)| class).into()),
        ("DeviceID", |machine, device| sysfs::identity(machine, device.folder()).into()),
        ("DeviceName", |machine, device| device.name(machine).into()),
        ("DriverName", |machine, device| sysfs::driver(machine, device.folder()).into()),
        ("DriverVersion", |machine, device| of_module(machine, device, "version").into()),
        ("FriendlyName", |machine, device| device.name(machine).into()),
        ("HardWareID", |machine, device| device.hardware(machine).into()),
        ("IsSigned", |machine, device| {
            // The kernel marks modules without a valid signature with E; without the mark they are signed or
            // signatures are not checked.
            let marks = of_module(machine, device, "taint");
            marks.filter(|marks| marks.contains('E')).map(|_| false).into()
        }),
        ("Location", |_, device| device.folder().rsplit('/').next().map(str::to_owned).into()),
        ("Manufacturer", |machine, device| device.maker(machine).into()),
        // The key, which must be unique; Windows has no names here.
        ("Name", |machine, device| sysfs::identity(machine, device.folder()).into()),
        ("PDO", |_, device| device.folder().to_owned().into()),
        ("Started", |_, _| true.into()),
    ];

    const SUBSYSTEMS: &'static [&'static str] = events::BUSES;

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Device>, ProviderError> {
        let devices = Device::all(machine).into_iter();
        Ok(devices.filter(|device| sysfs::driver(machine, device.folder()).is_some()))
    }
}
