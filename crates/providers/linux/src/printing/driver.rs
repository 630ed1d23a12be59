//! `Win32_PrinterDriver`: what turns pages into what printers understand.

use std::collections::BTreeMap;
use std::sync::Arc;

use cim::Instance;
use wmi::{MethodCall, ProviderError, Scan, Target};

use super::printer::{Row, all};
use crate::Machine;
use crate::table::{Fill, Push, Table, returned};

/// The drivers of the queues that there are; those that CUPS could install are none yet.
pub(super) struct Drivers;

/// One of them, with a queue that has it.
pub(super) struct Driver {
    name: String,
    queue: Row,
}

/// What the driver of a queue is called, as `Win32_Printer.DriverName` calls it; a queue that hands on what it gets
/// has none.
pub(super) fn name_of(queue: &Row) -> Option<String> {
    // Beside the raw ones those say so whose server has the driver, and those of which nobody has said.
    let is_none = |name: &&str| queue.is_raw() || matches!(*name, "Remote Printer" | "Unknown" | "");
    queue.told.text("printer-make-and-model").filter(|name| !is_none(name)).map(str::to_owned)
}

/// Where CUPS keeps the description of a printer that a queue was made with (cupsd(8)).
fn description(machine: &Machine, queue: &Row) -> Option<String> {
    // No name of a queue has one of these (lpadmin(8)), and nobody else's file is looked for.
    let name = Some(queue.name()).filter(|name| !name.contains(['/', '\0']))?;
    let path = format!("/etc/cups/ppd/{name}.ppd");
    machine.path(&path).exists().then_some(path)
}

impl Table for Drivers {
    type Row = Driver;

    const CLASS: &'static str = "Win32_PrinterDriver";

    const COLUMNS: &'static [(&'static str, Fill<Driver>)] = &[
        ("Caption", |_, driver| driver.name.clone().into()),
        ("DataFile", |machine, driver| description(machine, &driver.queue).into()),
        ("DefaultDataType", |_, driver| driver.queue.text("document-format-default")),
        ("Description", |_, driver| driver.name.clone().into()),
        ("Name", |_, driver| driver.name.clone().into()),
        ("OEMUrl", |_, driver| driver.queue.text("printer-more-info-manufacturer")),
        ("Status", |_, _| "OK".into()),
    ];

    const UNKNOWN: &'static [&'static str] = &[
        "ConfigFile",
        "DependentFiles",
        "DriverPath",
        "FilePath",
        "HelpFile",
        "InfName",
        "MonitorName",
        "Started",
        "StartMode",
        "SupportedPlatform",
        "Version",
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Driver>,
    ) -> Result<(), ProviderError> {
        let named = |queue: Row| Some((name_of(&queue)?, queue));
        // The first queue that has it speaks for it.
        let mut drivers = BTreeMap::new();
        for (name, queue) in all(machine)?.into_iter().filter_map(named) {
            drivers.entry(name).or_insert(queue);
        }
        drivers.into_iter().try_for_each(|(name, queue)| push(Driver { name, queue }))
    }

    fn invoke(&self, _: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        // A driver is no service, and is there when a queue has it.
        returned(call, if call.target == Target::Class { UNKNOWN_PRINTER_DRIVER } else { NOT_SUPPORTED })
    }
}

/// `ERROR_UNKNOWN_PRINTER_DRIVER`, which is documented of `AddPrinterDriver`.
const UNKNOWN_PRINTER_DRIVER: u32 = 1797;

/// What is documented of `StartService` and `StopService`.
const NOT_SUPPORTED: u32 = 1;
