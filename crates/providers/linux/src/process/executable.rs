//! `CIM_ProcessExecutable`: association of processes with the programs and libraries they execute.

use std::sync::Arc;

use linux::process::Process;
use linux::process::mapping::{Module, modules};
use wmi::{ProviderError, Scan};

use super::membership::named;
use crate::Machine;
use crate::process::each;
use crate::table::{Fill, Push, Table, failure, key_of, reference};

/// Programs and libraries of processes.
pub(crate) struct ProcessExecutable;

/// A file that a process executes.
pub(crate) struct Row {
    process: u32,
    module: Module,
}

impl Table for ProcessExecutable {
    type Row = Row;

    const CLASS: &'static str = "CIM_ProcessExecutable";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Antecedent", |_, row| reference("CIM_DataFile", "Name", row.module.path.clone())),
        ("BaseAddress", |_, row| row.module.base.into()),
        ("Dependent", |_, row| reference("Win32_Process", "Handle", row.process.to_string())),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        let files = scan.pinned(&["Antecedent"]);
        let files: Option<Vec<String>> =
            files.map(|values| values.iter().flatten().filter_map(key_of).collect());
        each(machine, named(scan, "Dependent"), &mut |process: Process| {
            let modules = modules(machine, process.number);
            // The number may have been given to another process while the file was read.
            if !process.still_exists().map_err(failure)? {
                return Ok(());
            }
            let wanted = modules
                .into_iter()
                .filter(|module| files.as_ref().is_none_or(|files| files.contains(&module.path)));
            let mut rows = wanted.map(|module| Row { process: process.number, module });
            rows.try_for_each(&mut *push)
        })
    }
}
