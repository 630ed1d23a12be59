//! `Win32_SerialPort`.

use linux::hardware::serial::Port;
use linux::sysfs;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Serial ports.
pub(crate) struct SerialPort;

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
