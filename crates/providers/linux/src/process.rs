//! Processes and threads (proc_pid(5)).

mod create;
mod executable;
mod membership;
mod return_code;
mod table;
mod terminate;
mod thread;

use std::sync::Arc;

use linux::process::{self, Process};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Binding, Push, bind, failure};

/// Returns the tables of process classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, table::Process),
        bind(machine, thread::Thread),
        bind(machine, membership::SystemProcesses),
        bind(machine, membership::SessionProcess),
        bind(machine, executable::ProcessExecutable),
    ]
}

/// Passes the processes with the given numbers, or all, to `push`. Processes that end meanwhile are left out.
///
/// # Errors
/// Errors of the operating system, and of `push`.
pub(crate) fn each(
    machine: &Machine,
    numbers: Option<Vec<u32>>,
    push: &mut Push<'_, Process>,
) -> Result<(), ProviderError> {
    match numbers {
        Some(numbers) => process::numbered(machine, numbers)
            .map_err(failure)?
            .try_for_each(|process| push(process.map_err(failure)?)),
        None => {
            process::all(machine).map_err(failure)?.try_for_each(|process| push(process.map_err(failure)?))
        }
    }
}
