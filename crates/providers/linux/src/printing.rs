//! Printers and their jobs, as CUPS has them.

mod ipp;
mod job;
pub(crate) mod oracle;
mod printer;
mod scheduler;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// Everything about printing.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, printer::Printers), bind(machine, job::Jobs)]
}
