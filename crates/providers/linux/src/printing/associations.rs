//! Associations of printers with their configurations and drivers.

use cim::Value;

use linux::printing::printer::Printer;

use super::printer::all;
use super::{configuration, driver};
use crate::Machine;
use crate::table::association::Association;
use crate::table::{Table, reference};

fn printer(_: &Machine, row: &Printer) -> Value {
    reference("Win32_Printer", "DeviceID", row.name().to_owned())
}

pub(super) static PRINTER_SETTING: Association<Printer> = Association {
    namespace: "root/cimv2",
    class: "Win32_PrinterSetting",
    columns: &[
        ("Element", printer),
        ("Setting", |_, row| reference(configuration::Configurations::CLASS, "Name", row.name().to_owned())),
    ],
    rows: |machine| Ok(all(machine)?.collect()),
    subsystems: &[],
};

pub(super) static DRIVER_FOR_DEVICE: Association<Printer> = Association {
    namespace: "root/cimv2",
    class: "Win32_DriverForDevice",
    columns: &[
        ("Antecedent", printer),
        ("Dependent", |_, row| {
            driver::name_of(row).map_or(Value::Null, |name| reference(driver::Drivers::CLASS, "Name", name))
        }),
    ],
    rows: |machine| Ok(all(machine)?.filter(|row| driver::name_of(row).is_some()).collect()),
    subsystems: &[],
};
