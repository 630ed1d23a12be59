//! Starting and stopping of services.

use linux::bus::BusError;
use linux::service::job::{Job, JobResult};
use linux::service::unit::Unit;

use super::code;
use crate::Machine;

/// Starts a service and waits until it runs; returns the code of `StartService`.
pub(super) fn start(machine: &Machine, unit: &Unit) -> u32 {
    let Some(details) = unit.details(machine) else { return code::UNKNOWN_FAILURE };
    if details.text("LoadState") == Some("masked") {
        return code::DISABLED;
    }
    if is_running(machine, unit) || unit.active(machine) == "activating" {
        return code::ALREADY_RUNNING;
    }
    if details.is("RefuseManualStart") {
        return code::NOT_ACCEPTED;
    }
    match Job::Start.run(machine, &unit.unit_name()) {
        Ok(JobResult::Done) => code::DONE,
        Ok(JobResult::Dependency) => code::DEPENDENCY_FAILED,
        Ok(JobResult::Late) => code::TIMED_OUT,
        Ok(JobResult::Failed) => why(machine, &unit.name),
        Err(error) => refusal(&error),
    }
}

/// Stops a service and waits until it has ended; returns the code of `StopService`.
pub(super) fn stop(machine: &Machine, unit: &Unit) -> u32 {
    if matches!(unit.active(machine), "inactive" | "failed") {
        return code::NOT_ACCEPTED;
    }
    if unit.details(machine).is_some_and(|details| details.is("RefuseManualStop")) {
        return code::DEPENDENTS_RUN;
    }
    match Job::Stop.run(machine, &unit.unit_name()) {
        Ok(JobResult::Done) => code::DONE,
        Ok(JobResult::Late) => code::TIMED_OUT,
        Ok(JobResult::Dependency | JobResult::Failed) => code::UNKNOWN_FAILURE,
        Err(error) => refusal(&error),
    }
}

/// Converts an error of systemd to the code of a method.
pub(super) fn refusal(error: &BusError) -> u32 {
    let BusError::Refused { name, message } = error else {
        return if matches!(error, BusError::Silent(_)) { code::TIMED_OUT } else { code::UNKNOWN_FAILURE };
    };
    tracing::debug!(error = %message, "systemd refused the request");
    match name.rsplit('.').next().unwrap_or_default() {
        _ if error.is_denied() => code::ACCESS_DENIED,
        "UnitMasked" => code::DISABLED,
        "OnlyByDependency" => code::NOT_ACCEPTED,
        "BadUnitSetting" | "InvalidArgs" => code::INVALID_PARAMETER,
        "NoSuchUnit" => code::DEPENDENCY_DELETED,
        _ => code::UNKNOWN_FAILURE,
    }
}

/// Returns the code for the reason why a service does not run: systemd encodes it in the exit code of the
/// process that could not execute the program (systemd.exec(5), Process Exit Codes).
fn why(machine: &Machine, name: &str) -> u32 {
    let now = Unit::find(machine, name).ok().flatten();
    let details = now.as_ref().and_then(|unit| unit.details(machine));
    match details.map(|details| (details.text("Result"), details.number("ExecMainStatus"))) {
        Some((Some("timeout"), _)) => code::TIMED_OUT,
        Some((_, Some(203))) => code::PATH_NOT_FOUND,
        Some((_, Some(216 | 217))) => code::LOGON_FAILED,
        _ => code::UNKNOWN_FAILURE,
    }
}

/// Returns whether a service runs, as Windows reports it.
pub(super) fn is_running(machine: &Machine, unit: &Unit) -> bool {
    runs(unit.active(machine))
}

pub(super) fn runs(state: &str) -> bool {
    matches!(state, "active" | "reloading" | "refreshing")
}
