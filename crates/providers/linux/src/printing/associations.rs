//! Associations of printers with their configurations and drivers.

use cim::Value;
use wmi::ProviderError;

use linux::printing::printer::Printer;

use super::printer::all;
use super::{configuration, driver};
use crate::Machine;
use crate::table::{Fill, Table, reference};

/// `Win32_PrinterSetting`
pub(super) struct PrinterSetting;

/// `Win32_DriverForDevice`
pub(super) struct DriverForDevice;

fn printer(_: &Machine, row: &Printer) -> Value {
    reference("Win32_Printer", "DeviceID", row.name().to_owned())
}

impl Table for PrinterSetting {
    type Row = Printer;

    const CLASS: &'static str = "Win32_PrinterSetting";

    const COLUMNS: &'static [(&'static str, Fill<Printer>)] = &[
        ("Element", printer),
        ("Setting", |_, row| reference(configuration::Configurations::CLASS, "Name", row.name().to_owned())),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Printer>, ProviderError> {
        Ok(all(machine)?.into_iter())
    }
}

impl Table for DriverForDevice {
    type Row = Printer;

    const CLASS: &'static str = "Win32_DriverForDevice";

    const COLUMNS: &'static [(&'static str, Fill<Printer>)] = &[
        ("Antecedent", printer),
        ("Dependent", |_, row| {
            driver::name_of(row).map_or(Value::Null, |name| reference(driver::Drivers::CLASS, "Name", name))
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Printer>, ProviderError> {
        Ok(all(machine)?.into_iter().filter(|row| driver::name_of(row).is_some()))
    }
}
