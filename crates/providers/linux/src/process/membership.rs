//! Associations of processes: `Win32_SystemProcesses` and `Win32_SessionProcess`.

use std::sync::Arc;

use cim::Value;
use linux::process::{Process, number_from};
use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::process::each;
use crate::table::{Fill, Push, Table, computer_system, key_of, reference};

/// Processes of the computer system.
pub(crate) struct SystemProcesses;

/// Processes of the sessions of logind.
pub(crate) struct SessionProcess;

impl Table for SystemProcesses {
    type Row = Process;

    const CLASS: &'static str = "Win32_SystemProcesses";

    const COLUMNS: &'static [(&'static str, Fill<Process>)] = &[
        ("GroupComponent", |machine, _| computer_system(machine)),
        ("PartComponent", |_, row| process(row)),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Process>,
    ) -> Result<(), ProviderError> {
        each(machine, named(scan, "PartComponent"), push)
    }
}

impl Table for SessionProcess {
    type Row = Process;

    const CLASS: &'static str = "Win32_SessionProcess";

    const COLUMNS: &'static [(&'static str, Fill<Process>)] = &[
        ("Antecedent", |machine, row| match row.session(machine) {
            Some(session) => reference("Win32_LogonSession", "LogonId", session),
            None => Value::Null,
        }),
        ("Dependent", |_, row| process(row)),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Process>,
    ) -> Result<(), ProviderError> {
        each(machine, named(scan, "Dependent"), &mut |row| match row.session(machine) {
            Some(_) => push(row),
            None => Ok(()),
        })
    }
}

/// Returns the process numbers that a query names in a property; `None` if the query does not restrict it.
pub(super) fn named(scan: &Scan, property: &str) -> Option<Vec<u32>> {
    let pinned = scan.pinned(&[property])?;
    Some(pinned.iter().flatten().filter_map(|value| number_from(&key_of(value)?)).collect())
}

fn process(row: &Process) -> Value {
    reference("Win32_Process", "Handle", row.number.to_string())
}
