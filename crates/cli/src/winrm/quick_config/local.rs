//! Start of the local service by systemd, if it does not run.

use ::quickconfig::{Answer, Machine, Outcome, Unit, Wish};
use config::Paths;

use super::super::run::{Completion, Streams};
use super::super::{Confirmation, Intent};
use super::{Plan, SERVICE, ask_confirmation, print_failure};
use crate::failure::Failure;
use crate::program::Stop;

/// Result of the first stage without a running service.
pub(super) enum StartResult {
    /// The service was started.
    Running(Completion),
    /// The service does not run: the user declined, or it cannot be started.
    NotRunning(Completion),
}

/// Runs the first stage without a running service. `failure` is the connection failure, which is returned if the
/// service cannot be started either.
pub(super) async fn start(
    failure: Failure,
    plan: &Plan,
    streams: &mut Streams<'_>,
) -> Result<StartResult, Stop> {
    let machine = Machine::of_machine(Paths::of_machine().state);
    let querying = machine.clone();
    let enabled = match run_blocking(move || querying.unit()).await {
        Some(Unit::Known { active: false, enabled }) => enabled,
        Some(Unit::NoSystemd) => {
            return Err(failure
                .advise("systemd is not available to start the service; start telarchd as root and retry")
                .into());
        }
        Some(Unit::NotInstalled) => {
            return Err(failure
                .advise("telarchd.service is not installed; install the systemd unit, or start telarchd")
                .into());
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
        let outcome = match run_blocking(move || machine.grant(&Wish::Enable)).await {
            Some(Answer::Done(outcome)) => Some(outcome),
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
const ENABLED: &str = "WinRM service type changed successfully.";
