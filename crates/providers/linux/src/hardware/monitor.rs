//! `Win32_DesktopMonitor`, and `WmiMonitorID` of `root/wmi`.

use cim::Value;
use linux::hardware::monitor::{Edid, Monitor};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Connected monitors.
pub(crate) struct DesktopMonitor;

/// Returns the name of the model, or a generic name as on Windows.
fn name(monitor: &Monitor) -> String {
    let name = monitor.edid.as_ref().and_then(|edid| edid.name.clone());
    name.unwrap_or_else(|| {
        if monitor.edid.is_some() { "Generic PnP Monitor" } else { "Generic Monitor" }.to_owned()
    })
}

/// Returns the identifier of the device as on Windows; the last part is the connector.
fn identity(monitor: &Monitor) -> Option<String> {
    monitor.edid.as_ref().map(|edid| format!("DISPLAY\\{}\\{}", edid.model(), monitor.connector))
}

impl Table for DesktopMonitor {
    type Row = Monitor;

    const CLASS: &'static str = "Win32_DesktopMonitor";

    const COLUMNS: &'static [(&'static str, Fill<Monitor>)] = &[
        // 3 is running, 8 off line.
        ("Availability", |machine, monitor| if monitor.is_enabled(machine) { 3_u16 } else { 8 }.into()),
        ("Caption", |_, monitor| name(monitor).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |_, monitor| name(monitor).into()),
        ("DeviceID", |_, monitor| monitor.connector.clone().into()),
        ("MonitorManufacturer", |_, monitor| {
            monitor.edid.as_ref().map(|edid| edid.manufacturer.clone()).into()
        }),
        ("MonitorType", |_, monitor| name(monitor).into()),
        ("Name", |_, monitor| name(monitor).into()),
        ("PNPDeviceID", |_, monitor| identity(monitor).into()),
        ("ScreenHeight", |machine, monitor| monitor.resolution(machine).map(|(_, height)| height).into()),
        ("ScreenWidth", |machine, monitor| monitor.resolution(machine).map(|(width, _)| width).into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Monitor>, ProviderError> {
        Ok(Monitor::all(machine).into_iter())
    }
}

/// Identifications of monitors.
pub(crate) struct MonitorId;

/// A monitor with its identification.
pub(crate) type Identified = (Monitor, Edid);

/// Returns a text as code points, filled with zeros up to the length on Windows.
fn code_points(text: &str, length: usize) -> Value {
    let padded = text.encode_utf16().chain(std::iter::repeat(0)).take(length);
    padded.collect::<Vec<u16>>().into()
}

/// Lengths of the texts on Windows, in code points.
const LENGTH: usize = 16;
const LENGTH_OF_NAME: usize = 13;

impl Table for MonitorId {
    type Row = Identified;

    const NAMESPACE: &'static str = "root/wmi";

    const CLASS: &'static str = "WmiMonitorID";

    const COLUMNS: &'static [(&'static str, Fill<Identified>)] = &[
        ("Active", |machine, (monitor, _)| monitor.is_enabled(machine).into()),
        ("InstanceName", |_, (monitor, _)| identity(monitor).map(|id| format!("{id}_0")).into()),
        ("ManufacturerName", |_, (_, edid)| code_points(&edid.manufacturer, LENGTH)),
        ("ProductCodeID", |_, (_, edid)| code_points(&format!("{:04X}", edid.product), LENGTH)),
        ("SerialNumberID", |_, (_, edid)| code_points(edid.serial_number.as_deref().unwrap_or("0"), LENGTH)),
        ("UserFriendlyName", |_, (_, edid)| match &edid.name {
            Some(name) => code_points(name, LENGTH_OF_NAME),
            None => Value::Null,
        }),
        ("UserFriendlyNameLength", |_, (_, edid)| {
            let length = edid.name.as_ref().map_or(0, |_| LENGTH_OF_NAME);
            u16::try_from(length).ok().into()
        }),
        ("WeekOfManufacture", |_, (_, edid)| edid.week.into()),
        ("YearOfManufacture", |_, (_, edid)| edid.year.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Identified>, ProviderError> {
        let monitors = Monitor::all(machine).into_iter();
        Ok(monitors.filter_map(|monitor| {
            let edid = monitor.edid.clone()?;
            Some((monitor, edid))
        }))
    }
}
