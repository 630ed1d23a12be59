//! Starting and stopping of services.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream as _;
use linux::bus::BusError;
use linux::service::unit::{MANAGER, Unit};
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, message};

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
    match run(machine, "StartUnit", unit) {
        Ok(Ended::Done) => code::DONE,
        Ok(Ended::Dependency) => code::DEPENDENCY_FAILED,
        Ok(Ended::Late) => code::TIMED_OUT,
        Ok(Ended::Failed) => why(machine, &unit.name),
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
    match run(machine, "StopUnit", unit) {
        Ok(Ended::Done) => code::DONE,
        Ok(Ended::Late) => code::TIMED_OUT,
        Ok(Ended::Dependency | Ended::Failed) => code::UNKNOWN_FAILURE,
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

/// Result of a systemd job.
enum Ended {
    Done,
    /// A required unit has failed.
    Dependency,
    Failed,
    /// The job did not end in time.
    Late,
}

/// Starts a job and waits for the signal of its end.
fn run(machine: &Machine, method: &str, unit: &Unit) -> Result<Ended, BusError> {
    machine.bus().wait(async |bus| {
        let job = job(&bus, method, unit.unit_name());
        tokio::time::timeout(PATIENCE, job).await.unwrap_or(Ok(Ended::Late))
    })
}

async fn job(bus: &Connection, method: &str, unit: String) -> Result<Ended, BusError> {
    let rule = MatchRule::builder()
        .msg_type(message::Type::Signal)
        .sender(MANAGER.service)
        .interface(MANAGER.interface)
        .member("JobRemoved")
        .build()
        .map_err(|_| unintelligible())?;
    let mut removed = MessageStream::for_match_rule(rule, bus, None).await.map_err(|_| unintelligible())?;
    // Without a subscription, systemd may not send signals. A second one on the same connection is refused.
    let _ = MANAGER.call(bus, "Subscribe", &()).await;
    let job: OwnedObjectPath = MANAGER.ask(bus, method, &(unit, "replace")).await?;
    while let Some(signal) = poll_fn(|context| Pin::new(&mut removed).poll_next(context)).await {
        let signal = signal.map_err(|_| unintelligible())?;
        let body = signal.body();
        let (_, path, _, result): (u32, OwnedObjectPath, String, String) =
            body.deserialize().map_err(|_| unintelligible())?;
        if path == job {
            return Ok(match result.as_str() {
                "done" => Ended::Done,
                "dependency" => Ended::Dependency,
                "timeout" => Ended::Late,
                _ => Ended::Failed,
            });
        }
    }
    Err(BusError::Absent(MANAGER.service.to_owned()))
}

fn unintelligible() -> BusError {
    BusError::Unintelligible(MANAGER.service.to_owned())
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

/// Time limit for the start or stop of a service.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns whether a service runs, as Windows reports it.
pub(super) fn is_running(machine: &Machine, unit: &Unit) -> bool {
    runs(unit.active(machine))
}

pub(super) fn runs(state: &str) -> bool {
    matches!(state, "active" | "reloading" | "refreshing")
}
