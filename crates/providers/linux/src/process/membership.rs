//! To what processes belong: `Win32_SystemProcesses` and `Win32_SessionProcess`.

use std::rc::Rc;
use std::sync::Arc;

use cim::Value;
use wmi::{ProviderError, Scan};

use super::rows::{Row, Scene, number_from, numbers};
use crate::Machine;
use crate::table::{Fill, Push, Table, computer_system, failure, key_of, reference};

/// The processes of the computer system.
pub(crate) struct SystemProcesses;

/// The processes of the sessions of logind.
pub(crate) struct SessionProcess;

impl Table for SystemProcesses {
    type Row = Row;

    const CLASS: &'static str = "Win32_SystemProcesses";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("GroupComponent", |machine, _| computer_system(machine)),
        ("PartComponent", |_, row| process(row)),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        each(machine, scan, "PartComponent", push)
    }
}

impl Table for SessionProcess {
    type Row = Row;

    const CLASS: &'static str = "Win32_SessionProcess";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Antecedent", |_, row| match row.session() {
            Some(session) => reference("Win32_LogonSession", "LogonId", session),
            None => Value::Null,
        }),
        ("Dependent", |_, row| process(row)),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        each(machine, scan, "Dependent", &mut |row| match row.session() {
            Some(_) => push(row),
            None => Ok(()),
        })
    }
}

/// The processes, or the one that the question names in a property.
fn each(
    machine: &Arc<Machine>,
    scan: &Scan,
    property: &str,
    push: &mut Push<'_, Row>,
) -> Result<(), ProviderError> {
    let numbers = match scan.pinned(&[property]) {
        Some(pinned) => {
            let number = |value: &Value| number_from(&key_of(value)?);
            pinned.iter().flatten().filter_map(number).collect()
        }
        None => numbers(machine).map_err(failure)?,
    };
    let scene = Rc::new(Scene::default());
    for number in numbers {
        if let Some(row) = Row::find(machine, &scene, number).map_err(failure)? {
            push(row)?;
        }
    }
    Ok(())
}

fn process(row: &Row) -> Value {
    reference("Win32_Process", "Handle", row.number.to_string())
}
