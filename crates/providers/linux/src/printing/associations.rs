//! Associations of printers with their configurations and drivers.

use std::sync::Arc;

use cim::Value;
use wmi::{ProviderError, Scan};

use linux::printing::printer::Printer;

use super::printer::all;
use super::{configuration, driver};
use crate::Machine;
use crate::table::{Fill, Push, Table, reference};

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

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Printer>,
    ) -> Result<(), ProviderError> {
        all(machine)?.into_iter().try_for_each(push)
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

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Printer>,
    ) -> Result<(), ProviderError> {
        all(machine)?.into_iter().filter(|row| driver::name_of(row).is_some()).try_for_each(push)
    }
}
