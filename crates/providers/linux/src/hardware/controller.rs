//! PCI devices with their own classes: graphics, sound and bus controllers.

use linux::hardware::pci::PciDevice;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Values of `ProtocolSupported` (`CIM_Controller`).
const USB: u16 = 16;
const FIREWIRE: u16 = 35;

/// PCI class of USB controllers.
pub(super) const USB_KIND: u32 = 0x0C03;

/// Passes on the devices of some PCI classes.
fn devices(machine: &Machine, is_meant: impl Fn(u32) -> bool) -> impl Iterator<Item = PciDevice> {
    PciDevice::all(machine).into_iter().filter(move |device| is_meant(device.kind()))
}

/// Graphics adapters.
pub(crate) struct VideoController;

impl Table for VideoController {
    type Row = PciDevice;

    const CLASS: &'static str = "Win32_VideoController";

    const COLUMNS: &'static [(&'static str, Fill<PciDevice>)] = &[
        ("AdapterCompatibility", |machine, device| device.maker(machine).into()),
        ("Availability", |_, _| 3_u16.into()),
        ("Caption", |machine, device| device.model(machine).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, device| device.model(machine).into()),
        ("DeviceID", |_, device| device.place.clone().into()),
        ("InstalledDisplayDrivers", |machine, device| device.driver(machine).into()),
        ("Name", |machine, device| device.model(machine).into()),
        ("PNPDeviceID", |machine, device| device.identity(machine).into()),
        ("Status", |_, _| "OK".into()),
        // 5 is VGA, 1 other; memory type 2 is unknown.
        ("VideoArchitecture", |_, device| if device.kind() == 0x0300 { 5_u16 } else { 1 }.into()),
        ("VideoMemoryType", |_, _| 2_u16.into()),
        ("VideoProcessor", |machine, device| device.model(machine).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = PciDevice>, ProviderError> {
        Ok(devices(machine, |kind| kind >> 8 == 3))
    }
}

/// Sound devices.
pub(crate) struct SoundDevice;

impl Table for SoundDevice {
    type Row = PciDevice;

    const CLASS: &'static str = "Win32_SoundDevice";

    const COLUMNS: &'static [(&'static str, Fill<PciDevice>)] = &[
        ("Caption", |machine, device| device.model(machine).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, device| device.model(machine).into()),
        ("DeviceID", |machine, device| device.identity(machine).into()),
        ("Manufacturer", |machine, device| device.maker(machine).into()),
        ("Name", |machine, device| device.model(machine).into()),
        ("PNPDeviceID", |machine, device| device.identity(machine).into()),
        ("PowerManagementSupported", |_, _| false.into()),
        ("ProductName", |machine, device| device.model(machine).into()),
        ("Status", |_, _| "OK".into()),
        ("StatusInfo", |_, _| 3_u16.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = PciDevice>, ProviderError> {
        Ok(devices(machine, |kind| matches!(kind, 0x0401 | 0x0403)))
    }
}

/// USB controllers.
pub(crate) struct UsbController;

impl Table for UsbController {
    type Row = PciDevice;

    const CLASS: &'static str = "Win32_USBController";

    const COLUMNS: &'static [(&'static str, Fill<PciDevice>)] = &[
        ("Caption", |machine, device| device.model(machine).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, device| device.model(machine).into()),
        ("DeviceID", |machine, device| device.identity(machine).into()),
        ("Manufacturer", |machine, device| device.maker(machine).into()),
        ("Name", |machine, device| device.model(machine).into()),
        ("PNPDeviceID", |machine, device| device.identity(machine).into()),
        ("ProtocolSupported", |_, _| USB.into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = PciDevice>, ProviderError> {
        Ok(devices(machine, |kind| kind == USB_KIND))
    }
}

/// Storage controllers, except IDE and SATA.
pub(crate) struct ScsiController;

impl Table for ScsiController {
    type Row = PciDevice;

    const CLASS: &'static str = "Win32_SCSIController";

    const COLUMNS: &'static [(&'static str, Fill<PciDevice>)] = &[
        ("Caption", |machine, device| device.model(machine).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, device| device.model(machine).into()),
        ("DeviceID", |machine, device| device.identity(machine).into()),
        ("DriverName", |machine, device| device.driver(machine).into()),
        ("Manufacturer", |machine, device| device.maker(machine).into()),
        ("Name", |machine, device| device.model(machine).into()),
        ("PNPDeviceID", |machine, device| device.identity(machine).into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = PciDevice>, ProviderError> {
        // SCSI, RAID, SAS and NVMe, which Windows lists in this class.
        Ok(devices(machine, |kind| matches!(kind, 0x0100 | 0x0104 | 0x0107 | 0x0108)))
    }
}

/// IDE and SATA controllers.
pub(crate) struct IdeController;

impl Table for IdeController {
    type Row = PciDevice;

    const CLASS: &'static str = "Win32_IDEController";

    const COLUMNS: &'static [(&'static str, Fill<PciDevice>)] = &[
        ("Caption", |machine, device| device.model(machine).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, device| device.model(machine).into()),
        ("DeviceID", |machine, device| device.identity(machine).into()),
        ("Manufacturer", |machine, device| device.maker(machine).into()),
        ("Name", |machine, device| device.model(machine).into()),
        ("PNPDeviceID", |machine, device| device.identity(machine).into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = PciDevice>, ProviderError> {
        Ok(devices(machine, |kind| matches!(kind, 0x0101 | 0x0106)))
    }
}

/// FireWire controllers.
pub(crate) struct FireWireController;

impl Table for FireWireController {
    type Row = PciDevice;

    const CLASS: &'static str = "Win32_1394Controller";

    const COLUMNS: &'static [(&'static str, Fill<PciDevice>)] = &[
        ("Caption", |machine, device| device.model(machine).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, device| device.model(machine).into()),
        ("DeviceID", |machine, device| device.identity(machine).into()),
        ("Manufacturer", |machine, device| device.maker(machine).into()),
        ("Name", |machine, device| device.model(machine).into()),
        ("PNPDeviceID", |machine, device| device.identity(machine).into()),
        ("ProtocolSupported", |_, _| FIREWIRE.into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = PciDevice>, ProviderError> {
        Ok(devices(machine, |kind| kind == 0x0C00))
    }
}
