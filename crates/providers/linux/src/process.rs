//! Processes and threads (proc_pid(5)).

mod create;
mod membership;
pub(crate) mod rows;
pub(crate) mod stat;
mod table;
mod terminate;
mod thread;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// Returns the tables of process classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, table::Process),
        bind(machine, thread::Thread),
        bind(machine, membership::SystemProcesses),
        bind(machine, membership::SessionProcess),
    ]
}
