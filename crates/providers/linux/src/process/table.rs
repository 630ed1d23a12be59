//! `Win32_Process`.

use std::sync::Arc;

use cim::{Instance, Status, Value};
use linux::command_line;
use linux::process::stat::{priority, ticks_to_100ns};
use linux::process::{Process as Row, Reads, find, listed, number_from, page_size};
use wmi::{Lookup, MethodCall, ProviderError, Scan, Target};

use super::return_code::{ACCESS_DENIED, INVALID_PARAMETER, UNKNOWN_FAILURE};
use super::{create, terminate};
use crate::Machine;
use crate::process::each;
use crate::system::operating_system::name_of;
use crate::table::{Fill, Push, Table, failure, returned};

/// Processes of this machine.
pub(crate) struct Process;

impl Table for Process {
    type Row = Row;

    const CLASS: &'static str = "Win32_Process";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, row| row.stat().name.clone().into()),
        ("CommandLine", |_, row| {
            row.arguments().and_then(|arguments| command_line::joined(&arguments)).into()
        }),
        ("CreationDate", |machine, row| {
            let moment = row.scene.moment(machine, row.stat().start);
            moment.and_then(|moment| machine.timestamp(moment)).into()
        }),
        ("Description", |_, row| row.stat().name.clone().into()),
        ("ExecutablePath", |_, row| row.program().map(str::to_owned).into()),
        ("Handle", |_, row| row.number.to_string().into()),
        ("HandleCount", |_, row| row.descriptors().into()),
        ("KernelModeTime", |_, row| ticks_to_100ns(row.stat().kernel_time).into()),
        ("MaximumWorkingSetSize", |_, row| {
            row.stat().resident_limit.and_then(|limit| u32::try_from(limit / 1024).ok()).into()
        }),
        ("Name", |_, row| row.name().into()),
        ("OSCreationClassName", |_, _| "Win32_OperatingSystem".into()),
        ("OSName", |machine, row| name_of(row.scene.system(machine)).into()),
        ("PageFaults", |_, row| {
            wrapped(row.stat().minor_faults.wrapping_add(row.stat().major_faults)).into()
        }),
        ("PageFileUsage", |_, row| kib(row.memory().and_then(|memory| memory.swapped)).into()),
        ("ParentProcessId", |_, row| row.stat().parent.into()),
        ("PeakVirtualSize", |_, row| row.memory().and_then(|memory| memory.virtual_peak).into()),
        ("PeakWorkingSetSize", |_, row| kib(row.memory().and_then(|memory| memory.resident_peak)).into()),
        ("Priority", |_, row| priority(row.stat().nice, row.stat().real_time_priority).into()),
        ("PrivatePageCount", |_, row| row.private_memory().into()),
        ("ProcessId", |_, row| row.number.into()),
        ("ReadOperationCount", |_, row| row.counters().reads.into()),
        ("ReadTransferCount", |_, row| row.counters().read.into()),
        ("SessionId", |machine, row| {
            row.session(machine).and_then(|session| session.parse().ok()).unwrap_or(0_u32).into()
        }),
        ("ThreadCount", |_, row| row.stat().threads.into()),
        ("UserModeTime", |_, row| ticks_to_100ns(row.stat().user_time).into()),
        ("VirtualSize", |_, row| row.stat().virtual_size.into()),
        ("WindowsVersion", |machine, row| row.scene.version(machine).into()),
        ("WorkingSetSize", |_, row| row.stat().resident.checked_mul(page_size()).into()),
        ("WriteOperationCount", |_, row| row.counters().writes.into()),
        ("WriteTransferCount", |_, row| row.counters().written.into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        if let Some(pinned) = scan.pinned(&["ProcessId"]) {
            return each(machine, Some(pinned.iter().flatten().filter_map(number_in).collect()), push);
        }
        let mut wanted = scan.columns().iter().filter_map(|column| scan.class().property(column));
        let reads = if wanted.all(|property| OF_PROGRAM.iter().any(|name| property.name == **name)) {
            Reads::Program
        } else {
            Reads::Files
        };
        listed(machine, reads).map_err(failure)?.try_for_each(push)
    }

    fn still_exists(&self, row: &Row) -> Result<bool, ProviderError> {
        row.still_exists().map_err(failure)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let Some(number) = lookup.keys.first().and_then(Value::as_str).and_then(number_from) else {
            return Ok(None);
        };
        find(machine, number).map_err(failure)
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        if call.target == Target::Class {
            return create::create(machine, call);
        }
        let Target::Instance(keys) = call.target else { return Err(ProviderError::NotCapable) };
        let number = keys.first().and_then(Value::as_str).and_then(number_from).ok_or_else(gone)?;
        match call.operation.method.name.as_str() {
            "Terminate" => match terminate::terminate(machine, number) {
                Some(code) => returned(call, code),
                None => Err(gone()),
            },
            "SetPriority" => {
                require(machine, number)?;
                returned(call, set_priority(machine, number, call.input.value("Priority")))
            }
            "GetOwner" => {
                let user = require(machine, number)?.status().user.ok_or_else(gone)?;
                let name = machine.user(user).map_or_else(|| user.to_string(), |user| user.name);
                Ok(returned(call, 0_u32)?.with("User", name)?.with("Domain", machine.host_name())?)
            }
            "GetOwnerSid" => {
                let user = require(machine, number)?.status().user.ok_or_else(gone)?;
                match machine.user_sid(user) {
                    Some(sid) => Ok(returned(call, 0_u32)?.with("Sid", sid.numeric().to_string())?),
                    None => returned(call, UNKNOWN_FAILURE),
                }
            }
            "GetAvailableVirtualSize" => {
                let available = ADDRESS_SPACE.saturating_sub(require(machine, number)?.stat().virtual_size);
                Ok(returned(call, 0_u32)?.with("AvailableVirtualSize", available)?)
            }
            "AttachDebugger" => {
                require(machine, number)?;
                returned(call, UNKNOWN_FAILURE)
            }
            _ => Err(ProviderError::NotCapable),
        }
    }

    fn delete(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let Some(number) = lookup.keys.first().and_then(Value::as_str).and_then(number_from) else {
            return Ok(false);
        };
        match terminate::terminate(machine, number) {
            None => Ok(false),
            Some(0) => Ok(true),
            Some(ACCESS_DENIED) => {
                Err(ProviderError::failed(Status::AccessDenied, "this user may not end the process"))
            }
            Some(_) => Err(ProviderError::failed(Status::Failed, "the process did not end")),
        }
    }
}

/// Returns the process with this number.
///
/// # Errors
/// If the process does not exist.
fn require(machine: &Machine, number: u32) -> Result<Row, ProviderError> {
    find(machine, number).map_err(failure)?.ok_or_else(gone)
}

fn gone() -> ProviderError {
    ProviderError::failed(Status::NotFound, "the process does not exist")
}

/// Columns for which only the path of the program is read.
const OF_PROGRAM: [&str; 8] = [
    "CreationClassName",
    "CSCreationClassName",
    "CSName",
    "ExecutablePath",
    "Handle",
    "Name",
    "OSCreationClassName",
    "ProcessId",
];

fn kib(octets: Option<u64>) -> Option<u32> {
    u32::try_from(octets? / 1024).ok()
}

/// Reduces a counter to 32 bits; it wraps to zero as in Windows.
fn wrapped(count: u64) -> u32 {
    u32::try_from(count & u64::from(u32::MAX)).unwrap_or_default()
}

fn number_in(value: &Value) -> Option<u32> {
    value.as_integer().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
}

fn set_priority(machine: &Machine, number: u32, class: Option<&Value>) -> u32 {
    let Some(nice) = class.and_then(Value::as_integer).and_then(create::niceness) else {
        return INVALID_PARAMETER;
    };
    let process = i32::try_from(number).ok().and_then(rustix::process::Pid::from_raw);
    if !machine.is_this() || process.is_none() {
        return UNKNOWN_FAILURE;
    }
    match rustix::process::setpriority_process(process, nice) {
        Ok(()) => 0,
        Err(rustix::io::Errno::PERM | rustix::io::Errno::ACCESS) => ACCESS_DENIED,
        Err(_) => UNKNOWN_FAILURE,
    }
}

/// Size of a process's address space in bytes: 47 bits on most 64-bit machines.
const ADDRESS_SPACE: u64 = if cfg!(target_pointer_width = "64") { 0x7fff_ffff_f000 } else { 3 << 30 };
