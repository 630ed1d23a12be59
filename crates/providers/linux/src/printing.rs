//! Printers and print jobs of CUPS.

mod associations;
mod configuration;
mod driver;
mod job;
mod msft_printer;
mod port;
mod printer;

use std::sync::Arc;

use crate::Machine;
use crate::table::association::relate;
use crate::table::{Binding, bind};

/// Returns the tables of printing classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, printer::Printers),
        bind(machine, msft_printer::MsftPrinters),
        bind(machine, job::Jobs),
        bind(machine, configuration::Configurations),
        bind(machine, driver::Drivers),
        bind(machine, port::Ports),
        relate(machine, &associations::PRINTER_SETTING),
        relate(machine, &associations::DRIVER_FOR_DEVICE),
    ]
}
