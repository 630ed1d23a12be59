//! `Win32_SerialPort`.

use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};
use linux::storage::block::folder_of;
use linux::sysfs;

/// Serial ports.
pub(crate) struct SerialPort;

/// A serial port with hardware behind it.
pub(crate) struct Port {
    name: String,
    /// Directory of its device below `/sys`.
    folder: String,
}

impl Port {
    /// Returns the port with this name; `None` if there is no hardware for it.
    fn named(machine: &Machine, name: String) -> Option<Self> {
        let device = folder_of(machine, &format!("sys/class/tty/{name}"))?;
        let (above, _) = device.split_once("/tty/")?;
        // The kernel lists a fixed number of ports; those without hardware have type 0.
        let is_used = match machine.number::<u32>(format!("sys/class/tty/{name}/type")) {
            Some(kind) => kind != 0,
            None => ["ttyUSB", "ttyACM", "ttyAMA"].iter().any(|driver| name.starts_with(driver)),
        };
        is_used.then(|| Self { name, folder: above.to_owned() })
    }
}

impl Table for SerialPort {
    type Row = Port;

    const CLASS: &'static str = "Win32_SerialPort";

    const COLUMNS: &'static [(&'static str, Fill<Port>)] = &[
        ("Caption", |_, port| port.name.clone().into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, port| sysfs::driver(machine, &port.folder).into()),
        ("DeviceID", |_, port| format!("/dev/{}", port.name).into()),
        ("Name", |_, port| format!("/dev/{}", port.name).into()),
        ("OSAutoDiscovered", |_, _| true.into()),
        ("PNPDeviceID", |machine, port| sysfs::identity(machine, &port.folder).into()),
        ("PowerManagementSupported", |_, _| false.into()),
        ("ProviderType", |_, _| "RS232 Serial Port".into()),
        ("SettableBaudRate", |_, _| true.into()),
        ("SettableDataBits", |_, _| true.into()),
        ("SettableFlowControl", |_, _| true.into()),
        ("SettableParity", |_, _| true.into()),
        ("SettableStopBits", |_, _| true.into()),
        ("Status", |_, _| "OK".into()),
        ("StatusInfo", |_, _| 3_u16.into()),
        ("SupportsDTRDSR", |_, _| true.into()),
        ("SupportsRTSCTS", |_, _| true.into()),
        ("SupportsXOnXOff", |_, _| true.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Port>, ProviderError> {
        let names = machine.names("sys/class/tty").unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        Ok(names.into_iter().filter_map(|name| Port::named(machine, name)))
    }
}
