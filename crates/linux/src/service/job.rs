//! Jobs of systemd: starting, stopping and reloading units.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream as _;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, message};

use super::unit::MANAGER;
use crate::Machine;
use crate::bus::BusError;

/// Job for a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Starts the unit.
    Start,
    /// Stops the unit.
    Stop,
    /// Lets the unit load its configuration again, or restarts it if it cannot.
    ReloadOrRestart,
}

/// Result of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobResult {
    /// The job has succeeded.
    Done,
    /// A required unit has failed.
    Dependency,
    /// The job has failed.
    Failed,
    /// The job did not end within 30 seconds.
    Late,
}

impl Job {
    fn method(self) -> &'static str {
        match self {
            Self::Start => "StartUnit",
            Self::Stop => "StopUnit",
            Self::ReloadOrRestart => "ReloadOrRestartUnit",
        }
    }

    /// Performs the job for a unit, named with the suffix of its kind, and waits until it has ended.
    ///
    /// # Errors
    /// [`BusError`] if systemd refuses the job or does not answer.
    pub fn run(self, machine: &Machine, unit: &str) -> Result<JobResult, BusError> {
        machine.bus().wait(async |bus| {
            let job = perform(&bus, self.method(), unit);
            tokio::time::timeout(PATIENCE, job).await.unwrap_or(Ok(JobResult::Late))
        })
    }
}

/// Starts a job and waits for the signal of its end.
async fn perform(bus: &Connection, method: &str, unit: &str) -> Result<JobResult, BusError> {
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
                "done" => JobResult::Done,
                "dependency" => JobResult::Dependency,
                "timeout" => JobResult::Late,
                _ => JobResult::Failed,
            });
        }
    }
    Err(BusError::Absent(MANAGER.service.to_owned()))
}

fn unintelligible() -> BusError {
    BusError::Unintelligible(MANAGER.service.to_owned())
}

/// Time limit of a job.
const PATIENCE: Duration = Duration::from_secs(30);
