//! `MSFT_Printer` of `root/StandardCimv2`: print queues of CUPS, for `Get-Printer`.

use std::sync::Arc;

use linux::printing::printer::Printer;
use wmi::{Lookup, ProviderError};

use super::printer::{all, count, find, status_bits, text};
use crate::Machine;
use crate::table::{Fill, Table, host_name, text_key};

/// Queues of the scheduler, including classes of printers.
pub(super) struct MsftPrinters;

impl Table for MsftPrinters {
    type Row = Printer;

    const NAMESPACE: &'static str = "root/standardcimv2";

    const CLASS: &'static str = "MSFT_Printer";

    const COLUMNS: &'static [(&'static str, Fill<Printer>)] = &[
        ("Caption", |_, row| row.name().to_owned().into()),
        ("Comment", |_, row| text(row, "printer-info")),
        ("ComputerName", host_name),
        // Documents pass through the spooler in their own format.
        ("Datatype", |_, _| "RAW".into()),
        ("DefaultJobPriority", |_, row| count(row.attributes.number("job-priority-default"))),
        ("Description", |_, row| text(row, "printer-info")),
        // 0 is a device that prints.
        ("DeviceType", |_, _| 0_u32.into()),
        ("DriverName", |_, row| text(row, "printer-make-and-model")),
        ("ElementName", |_, row| row.name().to_owned().into()),
        ("JobCount", |_, row| count(row.attributes.number("queued-job-count"))),
        ("Location", |_, row| text(row, "printer-location")),
        ("Name", |_, row| row.name().to_owned().into()),
        ("PortName", |_, row| text(row, "device-uri")),
        ("PrinterStatus", |_, row| status_bits(row).into()),
        ("Shared", |_, row| row.is_shared().into()),
        ("ShareName", |_, row| row.is_shared().then(|| row.name().to_owned()).into()),
        // 0 is a queue of this machine, 1 a connection to another server.
        ("Type", |_, row| u32::from(row.is_remote()).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Printer>, ProviderError> {
        all(machine)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Printer>, ProviderError> {
        find(machine, text_key(lookup.keys))
    }
}
