//! `Win32_PrinterDriver`: printer drivers in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use cim::Instance;
use wmi::{MethodCall, ProviderError, Target};

use linux::printing::printer::Printer;

use super::printer::{all, text};
use crate::Machine;
use crate::table::{Fill, Table, returned};

/// Drivers of existing queues. Drivers that CUPS could install are not listed.
pub(super) struct Drivers;

/// A driver, and a queue that uses it.
pub(super) struct Driver {
    name: String,
    queue: Printer,
}

/// Returns the name of a queue's driver as in `Win32_Printer.DriverName`; `None` for raw queues, which pass
/// documents on unchanged, and if the driver is on another server or unknown.
pub(super) fn name_of(queue: &Printer) -> Option<String> {
    if queue.is_raw() {
        return None;
    }
    match queue.attributes.text("printer-make-and-model")? {
        // The server has the driver, or it is unknown.
        "Remote Printer" | "Unknown" | "" => None,
        name => Some(name.to_owned()),
    }
}

/// Returns the path of the PPD file of a queue (cupsd(8)); `None` if there is no such file.
fn description(machine: &Machine, queue: &Printer) -> Option<String> {
    // Queue names cannot contain these characters (lpadmin(8)); this keeps the path inside the folder.
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
        ("DefaultDataType", |_, driver| text(&driver.queue, "document-format-default")),
        ("Description", |_, driver| driver.name.clone().into()),
        ("Name", |_, driver| driver.name.clone().into()),
        ("OEMUrl", |_, driver| text(&driver.queue, "printer-more-info-manufacturer")),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Driver>, ProviderError> {
        // The first queue with a driver provides its values.
        let mut drivers = BTreeMap::new();
        for (name, queue) in all(machine)?.filter_map(|queue| Some((name_of(&queue)?, queue))) {
            drivers.entry(name).or_insert(queue);
        }
        Ok(drivers.into_iter().map(|(name, queue)| Driver { name, queue }))
    }

    fn invoke(&self, _: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        // A driver is not a service: it cannot be started or stopped, and exists while a queue uses it.
        returned(call, if call.target == Target::Class { UNKNOWN_PRINTER_DRIVER } else { NOT_SUPPORTED })
    }
}

/// `ERROR_UNKNOWN_PRINTER_DRIVER`, documented for `AddPrinterDriver`.
const UNKNOWN_PRINTER_DRIVER: u32 = 1797;

/// Not supported, as documented for `StartService` and `StopService`.
const NOT_SUPPORTED: u32 = 1;
