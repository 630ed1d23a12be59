//! Start of the local service if it does not run: by systemd, or for the duration of the command.

use ::quickconfig::{Machine, MachineRequest, MachineResponse, Outcome, Unit};
use config::Paths;

use super::super::service_command::Run;
use super::super::streams::{Completion, Streams};
use super::super::{Confirmation, Intent};
use super::temporary::TemporaryService;
use super::{Plan, SERVICE, ask_confirmation, print_failure};
use crate::failure::Failure;
use crate::program::Stop;

/// Result of the first stage without a running service.
pub(super) enum StartResult {
    /// The service was started.
    Running(Completion),
    /// The service does not run: the user declined, or it cannot be started.
    NotRunning(Completion),
    /// The service runs until the command ends.
    Temporary(TemporaryService),
}

/// Runs the first stage without a running service. `failure` is the connection failure, which is returned if the
/// service cannot be started either.
pub(super) async fn start(
    run: &Run,
    failure: Failure,
    plan: &Plan,
    streams: &mut Streams<'_>,
) -> Result<StartResult, Stop> {
    if plan.options.files.is_some() {
        return start_temporarily("the service of these files is not managed by systemd", plan, streams)
            .await;
    }
    if !run.uses_default_sockets() {
        return Err(failure.into());
    }
    let machine = Machine::of_machine(Paths::of_machine().state);
    let querying = machine.clone();
    let enabled = match run_blocking(move || querying.unit()).await {
        Some(Unit::Known { active: false, enabled }) => enabled,
        Some(Unit::NoSystemd) => {
            return start_temporarily("systemd does not run on this machine", plan, streams).await;
        }
        Some(Unit::NotInstalled) => {
            return start_temporarily("the unit telarchd.service is not installed", plan, streams).await;
        }
        _ => return Err(failure.into()),
    };
    let to_do: &[&str] = if enabled { &[START] } else { &[START, ENABLE] };
    writeln!(streams.out, "{}", SERVICE.needed)?;
    writeln!(streams.out, "The following changes must be made:\n\n{}\n", to_do.join("\n"))?;
    if plan.intent == Intent::Preview {
        writeln!(streams.out, "Further changes can be determined only while the service is running.")?;
        return Ok(StartResult::NotRunning(Completion::Success));
    }
    if plan.confirmation == Confirmation::Ask && !ask_confirmation(streams)? {
        return Ok(StartResult::NotRunning(Completion::Success));
    }
    let starting = machine.clone();
    let started = run_blocking(move || starting.start()).await;
    let runs = !matches!(started, Some(Outcome::Failed(_)) | None);
    let mut lines = vec![line(started, STARTED, "start the WinRM service")];
    let mut all = runs;
    if !enabled {
        let outcome = match run_blocking(move || machine.execute(&MachineRequest::Enable)).await {
            Some(MachineResponse::Done(outcome)) => Some(outcome),
            _ => None,
        };
        all = all && !matches!(outcome, Some(Outcome::Failed(_)) | None);
        lines.push(line(outcome, ENABLED, "change the WinRM service type"));
    }
    if all {
        writeln!(streams.out, "{}", SERVICE.succeeded)?;
    } else {
        print_failure(streams)?;
    }
    writeln!(streams.out, "\n{}", lines.join("\n"))?;
    let completion = if all { Completion::Success } else { Completion::StepsFailed };
    Ok(if runs { StartResult::Running(completion) } else { StartResult::NotRunning(completion) })
}

/// Runs the service until the command ends, because `reason` prevents that it stays.
async fn start_temporarily(
    reason: &str,
    plan: &Plan,
    streams: &mut Streams<'_>,
) -> Result<StartResult, Stop> {
    writeln!(streams.out, "{}", SERVICE.needed)?;
    writeln!(streams.out, "The following changes must be made:\n\n{START}\n")?;
    writeln!(streams.out, "Note: {reason}, so the service runs only until quickconfig ends.")?;
    if plan.intent == Intent::Apply && plan.confirmation == Confirmation::Ask && !ask_confirmation(streams)? {
        return Ok(StartResult::NotRunning(Completion::Success));
    }
    let service = TemporaryService::start(plan.options.files.clone(), plan.intent).await?;
    if plan.intent == Intent::Apply {
        writeln!(streams.out, "{}\n\n{STARTED}", SERVICE.succeeded)?;
    }
    Ok(StartResult::Temporary(service))
}

/// Runs blocking work on another thread; returns `None` if it panics.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

fn line(outcome: Option<Outcome>, done: &str, what: &str) -> String {
    match outcome {
        Some(Outcome::Done(_) | Outcome::Already) => done.to_owned(),
        Some(Outcome::Failed(why)) => format!("Could not {what}: {why}"),
        None => format!("Could not {what}: the operation was interrupted"),
    }
}

const START: &str = "Start the WinRM service.";
const STARTED: &str = "WinRM service started.";
const ENABLE: &str = "Set the WinRM service type to delayed auto start.";
pub(super) const ENABLED: &str = "WinRM service type changed to delayed auto start.";
