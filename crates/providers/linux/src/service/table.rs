//! `Win32_Service`.

use std::sync::Arc;

use cim::{Instance, Status, Value};
use linux::bus::BusError;
use linux::service::unit::{AT_ONCE, Detail, FileStates, SERVICE, UNIT, Unit};
use wmi::{EventSource, Lookup, MethodCall, ProviderError, Scan, Target, Watch};

use super::code;
use super::control::{is_running, runs};
use super::{change, control};
use crate::Machine;
use crate::events::UnitChanges;
use crate::table::{DataSource, Fill, Push, Table, failure, returned, text_in};

/// Services of this machine.
pub(crate) struct Service;

impl Table for Service {
    type Row = Unit;

    const CLASS: &'static str = "Win32_Service";

    const SOURCE: Option<DataSource> = Some(super::SYSTEMD);

    const COLUMNS: &'static [(&'static str, Fill<Unit>)] = &[
        ("AcceptPause", |_, _| false.into()),
        ("AcceptStop", |machine, unit| {
            (is_running(machine, unit)
                && unit.details(machine).is_some_and(|details| !details.is("RefuseManualStop")))
            .into()
        }),
        ("Caption", |machine, unit| unit.description(machine).into()),
        ("CheckPoint", |_, _| 0_u32.into()),
        ("DelayedAutoStart", |_, _| false.into()),
        ("Description", |machine, unit| description(machine, unit).into()),
        ("DesktopInteract", |_, _| false.into()),
        ("DisplayName", |machine, unit| unit.description(machine).into()),
        ("ErrorControl", |_, _| "Normal".into()),
        ("ExitCode", |machine, unit| exit_code(machine, unit).into()),
        ("Name", |_, unit| unit.name.clone().into()),
        ("PathName", |machine, unit| unit.command_line(machine).into()),
        ("ProcessId", |machine, unit| process(machine, unit).into()),
        ("ServiceSpecificExitCode", |machine, unit| own_exit_code(machine, unit).into()),
        ("ServiceType", |_, _| "Own Process".into()),
        ("Started", |machine, unit| is_running(machine, unit).into()),
        ("StartMode", |machine, unit| start_mode(machine, unit).into()),
        ("StartName", |machine, unit| {
            unit.details(machine).map(|details| details.text("User").unwrap_or("root").to_owned()).into()
        }),
        ("State", |machine, unit| {
            match unit.active(machine) {
                "active" | "reloading" | "refreshing" => "Running",
                "activating" => "Start Pending",
                "deactivating" => "Stop Pending",
                _ => "Stopped",
            }
            .into()
        }),
        ("Status", |machine, unit| match unit.active(machine) {
            "failed" => "Error".into(),
            _ => "OK".into(),
        }),
        ("TagId", |_, _| 0_u32.into()),
        ("WaitHint", |machine, unit| wait_hint(machine, unit).into()),
    ];

    const AT_ONCE: usize = AT_ONCE;

    fn watch(
        &self,
        machine: &Arc<Machine>,
        _watch: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(Some(Box::new(UnitChanges::new(machine))))
    }

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Unit>,
    ) -> Result<(), ProviderError> {
        if let Some(units) = of_pinned_processes(machine, scan).map_err(failure)? {
            return units.into_iter().try_for_each(push);
        }
        let (is_deciding, is_wanted) = match scan.class().column("StartMode") {
            Some(mode) => (scan.deciding().contains(mode), scan.columns().contains(mode)),
            None => (false, false),
        };
        // The state of a unit file is one of the details. If these are not read for every unit, it comes with
        // the list.
        let states = match is_deciding || (is_wanted && !wants_details(scan)) {
            true => FileStates::Wanted,
            false => FileStates::Unwanted,
        };
        let units = Unit::all(machine, states).map_err(failure)?;
        units.into_iter().try_for_each(push)
    }

    fn prepare(&self, machine: &Arc<Machine>, scan: &Scan, units: &[Unit]) -> Result<(), ProviderError> {
        if !wants_details(scan) {
            return Ok(());
        }
        let wanted: Vec<_> =
            DETAILS.iter().chain(&ALONG).filter(|(column, ..)| is_wanted(scan, column)).collect();
        Unit::prefetch(machine, units, |unit: &Unit| {
            let state = unit.active(machine);
            let needed = wanted.iter().filter(|(_, is_needed, _)| is_needed(state));
            needed.flat_map(|(.., names)| names.iter().copied()).collect()
        })
        .map_err(failure)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Unit>, ProviderError> {
        let Some(name) = lookup.keys.first().and_then(Value::as_str) else { return Ok(None) };
        match Unit::find(machine, name).map_err(failure)? {
            Some(unit) => Ok(Some(unit)),
            // Unit names are case-sensitive, but keys are not: all services must be searched.
            None => Err(ProviderError::NotCapable),
        }
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance(keys) = call.target else {
            return returned(call, change::create(machine, call.input));
        };
        let unit = existing(machine, keys.first())?;
        let code = match call.operation.method.name.as_str() {
            "StartService" => control::start(machine, &unit),
            "StopService" => control::stop(machine, &unit),
            "InterrogateService" => code::DONE,
            "PauseService" | "ResumeService" | "SetSecurityDescriptor" | "GetSecurityDescriptor" => {
                code::NOT_SUPPORTED
            }
            "UserControlService" => match call.input.value("ControlCode").and_then(Value::as_integer) {
                Some(128..) => code::NOT_SUPPORTED,
                _ => code::INVALID_CONTROL,
            },
            "ChangeStartMode" => match text_in(call.input, "StartMode").and_then(change::StartMode::parse) {
                Some(mode) => change::start_mode(machine, &unit, mode),
                None => code::INVALID_PARAMETER,
            },
            "Change" => change::change(machine, &unit, call.input),
            "Delete" => change::delete(machine, &unit),
            _ => return Err(ProviderError::NotCapable),
        };
        returned(call, code)
    }
}

/// Returns the service that a method is called on.
fn existing(machine: &Machine, name: Option<&Value>) -> Result<Unit, ProviderError> {
    let name = name.and_then(Value::as_str).unwrap_or_default();
    if let Some(unit) = Unit::find(machine, name).map_err(failure)? {
        return Ok(unit);
    }
    let units = Unit::all(machine, FileStates::Unwanted).map_err(failure)?;
    let same = units.iter().find(|unit| unit.name.eq_ignore_ascii_case(name)).ok_or_else(gone)?;
    Unit::find(machine, &same.name).map_err(failure)?.ok_or_else(gone)
}

/// Returns whether the service has ended. systemd clears the main process before it reports this state.
fn has_ended(state: &str) -> bool {
    matches!(state, "inactive" | "failed")
}

fn description(machine: &Machine, unit: &Unit) -> Option<String> {
    let description = unit.description(machine)?;
    let documents = unit.details(machine).map(|details| details.texts("Documentation")).unwrap_or_default();
    if documents.is_empty() {
        Some(description)
    } else {
        Some(format!("{description} ({})", documents.join(" ")))
    }
}

fn number(machine: &Machine, unit: &Unit, name: &str) -> Option<u32> {
    u32::try_from(unit.details(machine)?.number(name)?).ok()
}

fn process(machine: &Machine, unit: &Unit) -> Option<u32> {
    if has_ended(unit.active(machine)) { Some(0) } else { number(machine, unit, "MainPID") }
}

/// Returns the Windows error code of the service: 1077 if it was never started, 1066 if it failed, otherwise 0.
fn exit_code(machine: &Machine, unit: &Unit) -> Option<u32> {
    if is_running(machine, unit) {
        return Some(0);
    }
    let details = unit.details(machine)?;
    let was_started = details.number("ExecMainStartTimestamp").unwrap_or_default() > 0;
    Some(match details.text("Result") {
        _ if !was_started && unit.active(machine) == "inactive" => 1077,
        Some("success") | None => 0,
        Some(_) => 1066,
    })
}

/// Returns the exit code of the main process; 0 while the service runs.
fn own_exit_code(machine: &Machine, unit: &Unit) -> Option<u32> {
    if is_running(machine, unit) { Some(0) } else { number(machine, unit, "ExecMainStatus") }
}

fn start_mode(machine: &Machine, unit: &Unit) -> &'static str {
    match unit.file_state(machine).as_deref() {
        Some("enabled" | "enabled-runtime" | "generated") => "Auto",
        Some("masked" | "masked-runtime") => "Disabled",
        _ => "Manual",
    }
}

/// Returns the timeout in milliseconds while the service starts or stops; an infinite one is reported as the
/// maximum.
fn wait_hint(machine: &Machine, unit: &Unit) -> Option<u32> {
    let limit = match unit.active(machine) {
        "activating" => "TimeoutStartUSec",
        "deactivating" => "TimeoutStopUSec",
        _ => return Some(0),
    };
    let micros = unit.details(machine)?.number(limit)?;
    Some(u32::try_from(micros / 1_000).unwrap_or(u32::MAX))
}

/// Returns the services of the processes that a query names; `None` if it does not restrict the process, or
/// if a service must be searched among all.
fn of_pinned_processes(machine: &Machine, scan: &Scan) -> Result<Option<Vec<Unit>>, BusError> {
    let Some(pinned) = scan.pinned(&["ProcessId"]) else { return Ok(None) };
    let processes =
        pinned.iter().flatten().map(|value| value.as_integer().and_then(|id| u32::try_from(id).ok()));
    // Zero is the process number of every service that does not run.
    processes
        .map(|process| match process.filter(|process| *process > 0) {
            Some(process) => Unit::of_main_process(machine, process),
            None => Ok(None),
        })
        .collect()
}

fn wants_details(scan: &Scan) -> bool {
    DETAILS.iter().any(|(column, ..)| is_wanted(scan, column))
}

fn is_wanted(scan: &Scan, column: &str) -> bool {
    scan.class().column(column).is_some_and(|column| scan.columns().contains(column))
}

/// A column, the states in which a unit must be asked for it, and the properties to ask for.
type Needed = (&'static str, fn(&str) -> bool, &'static [Detail]);

/// Columns for which units are asked; for some only units that are not loaded.
const DETAILS: [Needed; 10] = [
    ("AcceptStop", runs, &[(UNIT, "RefuseManualStop")]),
    ("Caption", always, &[]),
    ("Description", always, &[(UNIT, "Documentation")]),
    ("DisplayName", always, &[]),
    ("ExitCode", |state| state == "inactive", &[(SERVICE, "ExecMainStartTimestamp")]),
    ("ExitCode", |state| !runs(state), &[(SERVICE, "Result")]),
    ("PathName", always, &[(SERVICE, "ExecStart")]),
    ("ProcessId", |state| !has_ended(state), &[(SERVICE, "MainPID")]),
    ("ServiceSpecificExitCode", |state| !runs(state), &[(SERVICE, "ExecMainStatus")]),
    ("StartName", always, &[(SERVICE, "User")]),
];

/// Columns that are read along with others; when they are wanted alone, they come from elsewhere or concern
/// only few units.
const ALONG: [Needed; 3] = [
    ("StartMode", always, &[(UNIT, "UnitFileState")]),
    ("WaitHint", |state| state == "activating", &[(SERVICE, "TimeoutStartUSec")]),
    ("WaitHint", |state| state == "deactivating", &[(SERVICE, "TimeoutStopUSec")]),
];

fn always(_state: &str) -> bool {
    true
}

/// Returns the error for an unknown service.
fn gone() -> ProviderError {
    ProviderError::failed(Status::NotFound, "service not found")
}
