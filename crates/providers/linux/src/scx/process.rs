//! `SCX_UnixProcess`, from `/proc/PID`.

use std::sync::Arc;

use cim::{Instance, Status, Value};
use linux::process::stat::{priority, ticks_to_100ns};
use linux::process::{Process as Row, number_from, page_size};
use wmi::{MethodCall, ProviderError, Scan};

use super::{operating_system, process_statistics};
use crate::Machine;
use crate::process::each;
use crate::table::{Fill, Push, Table, failure, host_name, returned};

/// Processes of this machine.
pub(super) struct UnixProcess;

impl Table for UnixProcess {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_UnixProcess";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, row| row.stat().name.clone().into()),
        ("CreationClassName", |_, _| "SCX_UnixProcess".into()),
        ("CreationDate", |machine, row| {
            let moment = row.scene.moment(machine, row.stat().start);
            moment.and_then(|moment| machine.timestamp(moment)).into()
        }),
        ("CSCreationClassName", |_, _| "SCX_ComputerSystem".into()),
        ("CSName", host_name),
        ("Description", |_, row| row.stat().name.clone().into()),
        // 3 is running, 4 blocked, 6 suspended, 7 terminated (CIM_Process.ExecutionState).
        ("ExecutionState", |_, row| match row.stat().state {
            'R' => 3_u16.into(),
            'S' | 'D' | 'I' => 4_u16.into(),
            'T' | 't' => 6_u16.into(),
            'Z' | 'X' => 7_u16.into(),
            _ => 0_u16.into(),
        }),
        ("Handle", |_, row| row.number.to_string().into()),
        ("KernelModeTime", |_, row| (ticks_to_100ns(row.stat().kernel_time) / 10_000).into()),
        ("ModulePath", |_, row| row.program().map(str::to_owned).into()),
        ("Name", |_, row| row.stat().name.clone().into()),
        ("OSCreationClassName", |_, _| "SCX_OperatingSystem".into()),
        ("OSName", |machine, _| operating_system::name(machine).into()),
        ("Parameters", |_, row| {
            let text = row.arguments().unwrap_or_default();
            let text = text.trim_end_matches('\0');
            (!text.is_empty()).then(|| text.split('\0').map(str::to_owned).collect::<Vec<_>>()).into()
        }),
        ("ParentProcessID", |_, row| row.stat().parent.to_string().into()),
        ("Priority", |_, row| priority(row.stat().nice, row.stat().real_time_priority).into()),
        ("ProcessGroupID", |_, row| row.stat().group.into()),
        // POSIX counts niceness from 0 to 39.
        ("ProcessNiceValue", |_, row| u32::try_from(row.stat().nice + 20).ok().into()),
        ("ProcessSessionID", |_, row| row.stat().session.into()),
        ("ProcessTTY", |_, row| terminal(row.stat().terminal).into()),
        ("RealUserID", |_, row| row.status().real_user.map(u64::from).into()),
        ("UsedMemory", |_, row| {
            row.stat().resident.checked_mul(page_size()).map(|octets| octets / 1024).into()
        }),
        ("UserModeTime", |_, row| (ticks_to_100ns(row.stat().user_time) / 10_000).into()),
        ("WorkingSetSize", |_, row| row.stat().resident.checked_mul(page_size()).into()),
    ];

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        if call.operation.method.name.as_str() != "TopResourceConsumers" {
            return Err(ProviderError::NotCapable);
        }
        let resource = call.input.value("resource").and_then(Value::as_str).unwrap_or_default();
        let count = call.input.value("count").and_then(Value::as_integer);
        let count = count.and_then(|count| usize::try_from(count).ok());
        let count = count.ok_or_else(|| wrong("count is missing\n  pass the number of processes"))?;
        let reported = process_statistics::top(machine, resource, count);
        let reported = reported.ok_or_else(|| {
            wrong(format!(
                "resource is '{resource}'\n  it may be CPUTime, UsedMemory or another counter of processes"
            ))
        })?;
        returned(call, reported.map_err(failure)?)
    }

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        let pinned = scan.pinned(&["Handle"]);
        each(
            machine,
            pinned.map(|pinned| {
                pinned.iter().flatten().filter_map(|value| value.as_str().and_then(number_from)).collect()
            }),
            push,
        )
    }
}

fn wrong(problem: impl Into<String>) -> ProviderError {
    ProviderError::failed(Status::InvalidParameter, problem)
}

/// Returns the name of the terminal with a device number, as `ps` shows it.
fn terminal(device: u32) -> String {
    // The minor number is split into two parts (proc_pid_stat(5), tty_nr).
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        _ => "?".to_owned(),
    }
}
