//! A service of this machine that does not run: it is started, by the service manager.

use ::quickconfig::{Answer, Machine, Outcome, Unit, Wish};
use config::Paths;

use super::super::run::{Done, Streams};
use super::super::{Asking, Intent};
use super::{Plan, SERVICE, agreed, tell_failed};
use crate::failure::Failure;
use crate::program::Stop;

/// How the first stage ended where no service answered.
pub(super) enum Started {
    /// It runs now.
    Runs(Done),
    /// It does not, because nobody wanted that, or because it cannot be started.
    Stays(Done),
}

/// The first stage without the service that would do it; `failure` is what came of asking that one.
pub(super) async fn start(failure: Failure, plan: &Plan, streams: &mut Streams<'_>) -> Result<Started, Stop> {
    let machine = Machine::of_machine(Paths::of_machine().state);
    let enabled = match waited({
        let machine = machine.clone();
        move || machine.unit()
    })
    .await
    {
        Some(Unit::Known { active: false, enabled }) => enabled,
        Some(Unit::NoSystemd) => {
            return Err(failure
                .advise("there is no systemd here to start the service: start telarchd as root, and then do this again")
                .into());
        }
        Some(Unit::NotInstalled) => {
            return Err(failure
                .advise("systemd does not know telarchd.service: install its unit, or start telarchd")
                .into());
        }
        _ => return Err(failure.into()),
    };
    let start = (START, STARTED);
    let enable = (!enabled).then_some((ENABLE, ENABLED));
    let to_do: Vec<&str> = [Some(start), enable].into_iter().flatten().map(|(to_do, _)| to_do).collect();
    writeln!(streams.out, "{}", SERVICE.needed)?;
    writeln!(streams.out, "The following changes must be made:\n\n{}\n", to_do.join("\n"))?;
    if plan.intent == Intent::Show {
        writeln!(streams.out, "What else there is to do is known once the service runs.")?;
        return Ok(Started::Stays(Done::Whole));
    }
    if plan.asking == Asking::Before && !agreed(streams)? {
        return Ok(Started::Stays(Done::Whole));
    }
    let starting = machine.clone();
    let started = waited(move || starting.start()).await;
    let runs = !matches!(started, Some(Outcome::Failed(_)) | None);
    let mut lines = vec![line(started, STARTED, "start the WinRM service")];
    let mut all = runs;
    if !enabled {
        let outcome = match waited(move || machine.grant(&Wish::Enable)).await {
            Some(Answer::Done(outcome)) => Some(outcome),
            _ => None,
        };
        all = all && !matches!(outcome, Some(Outcome::Failed(_)) | None);
        lines.push(line(outcome, ENABLED, "change the WinRM service type"));
    }
    if all {
        writeln!(streams.out, "{}", SERVICE.succeeded)?;
    } else {
        tell_failed(streams)?;
    }
    writeln!(streams.out, "\n{}", lines.join("\n"))?;
    let done = if all { Done::Whole } else { Done::StepsFailed };
    Ok(if runs { Started::Runs(done) } else { Started::Stays(done) })
}

/// What takes a while is done on a thread that may wait.
async fn waited<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

fn line(outcome: Option<Outcome>, done: &str, what: &str) -> String {
    match outcome {
        Some(Outcome::Done(_) | Outcome::Already) => done.to_owned(),
        Some(Outcome::Failed(why)) => format!("Could not {what}: {why}"),
        None => format!("Could not {what}: it was interrupted"),
    }
}

const START: &str = "Start the WinRM service.";
const STARTED: &str = "WinRM service started.";
const ENABLE: &str = "Set the WinRM service type to delayed auto start.";
const ENABLED: &str = "WinRM service type changed successfully.";
