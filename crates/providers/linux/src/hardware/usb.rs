//! `Win32_USBHub` and `Win32_USBControllerDevice`: hubs, and the devices of each USB controller.

use linux::hardware::device::Device;
use linux::hardware::pci::PciDevice;
use linux::sysfs;
use wmi::ProviderError;

use crate::table::association::Association;
use crate::table::{Fill, Table, reference};
use crate::{Machine, events};

/// Class of hubs (USB specification, 11.23.1).
const HUB: u32 = 9;

/// USB hubs, also the root hubs of controllers.
pub(crate) struct UsbHub;

/// Returns a number of one byte in hexadecimal digits.
fn byte(machine: &Machine, device: &Device, file: &str) -> Option<u8> {
    u8::try_from(sysfs::hexadecimal(machine, device.folder(), file)?).ok()
}

/// Returns a decimal number of one byte.
fn decimal(machine: &Machine, device: &Device, file: &str) -> Option<u8> {
    sysfs::line(machine, device.folder(), file)?.parse().ok()
}

/// Returns the version in binary-coded decimal form, from text such as `2.10`.
fn version(machine: &Machine, device: &Device) -> Option<u16> {
    let text = sysfs::line(machine, device.folder(), "version")?;
    u16::from_str_radix(&text.replace('.', ""), 16).ok()
}

/// Returns the alternate setting of each interface.
fn alternate_settings(machine: &Machine, device: &Device) -> Vec<u8> {
    let names = machine.names(format!("sys{}", device.folder())).unwrap_or_default();
    let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name.contains(':'));
    names.sort();
    let setting = |name: &String| decimal(machine, device, &format!("{name}/bAlternateSetting"));
    names.iter().filter_map(setting).collect()
}

impl Table for UsbHub {
    type Row = Device;

    const CLASS: &'static str = "Win32_USBHub";

    const COLUMNS: &'static [(&'static str, Fill<Device>)] = &[
        ("Caption", |machine, hub| hub.name(machine).into()),
        ("ClassCode", |machine, hub| byte(machine, hub, "bDeviceClass").into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("CurrentAlternateSettings", |machine, hub| alternate_settings(machine, hub).into()),
        ("CurrentConfigValue", |machine, hub| decimal(machine, hub, "bConfigurationValue").into()),
        ("Description", |machine, hub| hub.name(machine).into()),
        ("DeviceID", |machine, hub| sysfs::identity(machine, hub.folder()).into()),
        ("Name", |machine, hub| hub.name(machine).into()),
        ("NumberOfConfigs", |machine, hub| decimal(machine, hub, "bNumConfigurations").into()),
        ("NumberOfPorts", |machine, hub| decimal(machine, hub, "maxchild").into()),
        ("PNPDeviceID", |machine, hub| sysfs::identity(machine, hub.folder()).into()),
        ("ProtocolCode", |machine, hub| byte(machine, hub, "bDeviceProtocol").into()),
        ("Status", |_, _| "OK".into()),
        ("SubclassCode", |machine, hub| byte(machine, hub, "bDeviceSubClass").into()),
        ("USBVersion", |machine, hub| version(machine, hub).into()),
    ];

    const SUBSYSTEMS: &'static [&'static str] = events::BUSES;

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Device>, ProviderError> {
        let devices = Device::all(machine).into_iter().filter(|device| matches!(device, Device::Usb { .. }));
        Ok(devices.filter(|device| sysfs::hexadecimal(machine, device.folder(), "bDeviceClass") == Some(HUB)))
    }
}

/// A USB device and its controller.
pub(crate) struct Connection {
    controller: PciDevice,
    device: Device,
}

/// Devices of USB controllers.
pub(crate) static CONTROLLER_DEVICE: Association<Connection> = Association {
    namespace: "root/cimv2",
    class: "Win32_USBControllerDevice",
    columns: &[
        ("Antecedent", |machine, connection| {
            reference("Win32_USBController", "DeviceID", connection.controller.identity(machine))
        }),
        ("Dependent", |machine, connection| {
            let id = sysfs::identity(machine, connection.device.folder());
            reference("Win32_PnPEntity", "DeviceID", id)
        }),
        ("NegotiatedSpeed", |machine, connection| {
            // In Mbit/s; low speed is 1.5.
            let speed = sysfs::line(machine, connection.device.folder(), "speed");
            let speed = speed.and_then(|speed| match speed.as_str() {
                "1.5" => Some(1_500_000_u64),
                mbits => mbits.parse::<u64>().ok()?.checked_mul(1_000_000),
            });
            speed.into()
        }),
    ],
    rows: |machine| Ok(connections(machine)),
    subsystems: events::BUSES,
};

fn connections(machine: &Machine) -> Vec<Connection> {
    let mut controllers = PciDevice::all(machine);
    controllers.retain(|device| device.kind() == super::controller::USB_KIND);
    let devices = Device::all(machine).into_iter().filter(|device| matches!(device, Device::Usb { .. }));
    devices
        .filter_map(|device| {
            let is_above = |controller: &&PciDevice| {
                device.folder().strip_prefix(&controller.folder).is_some_and(|rest| rest.starts_with('/'))
            };
            let controller = controllers.iter().find(is_above)?.clone();
            Some(Connection { controller, device })
        })
        .collect()
}
