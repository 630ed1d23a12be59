//! Units of systemd that run the servers of pools.

use linux::Machine;
use linux::bus::BusError;
use linux::service::job::{Job, JobResult};
use linux::service::unit::Unit;
use serde::Serialize;
use webserver::{PoolOperation, PoolState, UnitName};

/// State of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolUnit {
    /// Name of the unit.
    pub unit: UnitName,
    /// State; [`PoolState::Unknown`] if the unit does not exist, or systemd does not run.
    pub state: PoolState,
    /// Main process of the unit while it runs.
    pub process: Option<u64>,
    /// Memory of the unit in bytes, if systemd accounts for it.
    pub memory: Option<u64>,
}

/// Reason why a unit was not started, stopped or recycled.
#[derive(Debug, thiserror::Error)]
pub enum PoolUnitError {
    /// The unit does not exist.
    #[error(
        "the unit {0} does not exist, or systemd does not run\n  name another unit: telarch web pool POOL unit UNIT"
    )]
    NotFound(UnitName),
    /// A stopped unit cannot be recycled.
    #[error("the unit {0} does not run\n  start it first")]
    NotRunning(UnitName),
    /// The job did not succeed.
    #[error("the unit {unit} was not {done}: {reason}\n  see journalctl -u {unit}")]
    Failed {
        /// The unit.
        unit: UnitName,
        /// Participle of the operation.
        done: &'static str,
        /// Result of the job.
        reason: &'static str,
    },
    /// systemd refused the request, or does not answer.
    #[error("cannot control the unit {unit}: {source}")]
    Bus {
        /// The unit.
        unit: UnitName,
        /// Answer of systemd.
        source: BusError,
    },
}

impl PoolUnit {
    /// Reads the state of a unit. Must be called on a thread that may block, within a runtime.
    #[must_use]
    pub fn of(machine: &Machine, unit: &UnitName) -> Self {
        let found = find(machine, unit).unwrap_or_else(|error| {
            tracing::debug!(%unit, %error, "Cannot read the state of a unit");
            None
        });
        match found {
            Some(found) => Self::read(machine, unit, &found),
            None => Self { unit: unit.clone(), state: PoolState::Unknown, process: None, memory: None },
        }
    }

    fn read(machine: &Machine, unit: &UnitName, found: &Unit) -> Self {
        let state = match found.active(machine) {
            "active" | "reloading" | "refreshing" => PoolState::Started,
            "activating" => PoolState::Starting,
            "deactivating" => PoolState::Stopping,
            "inactive" | "failed" => PoolState::Stopped,
            _ => PoolState::Unknown,
        };
        let details = found.details(machine);
        let process = details.and_then(|details| details.number("MainPID"));
        let memory = details.and_then(|details| details.number("MemoryCurrent"));
        Self {
            unit: unit.clone(),
            state,
            process: process.filter(|process| *process > 0),
            // The greatest number stands for an unknown one.
            memory: memory.filter(|memory| *memory < u64::MAX),
        }
    }

    /// Starts, stops or recycles a unit, waits until the operation has ended, and returns the new state. A unit is
    /// recycled by loading its configuration again, or by a restart if it cannot. Must be called on a thread that may
    /// block, within a runtime.
    ///
    /// # Errors
    /// [`PoolUnitError`] if the unit does not exist, does not reach the state, or systemd does not answer.
    pub fn control(
        machine: &Machine,
        unit: &UnitName,
        operation: PoolOperation,
    ) -> Result<Self, PoolUnitError> {
        let before = find(machine, unit).map_err(|source| bus_error(unit, source))?;
        let before = before.ok_or_else(|| PoolUnitError::NotFound(unit.clone()))?;
        let is_running = Self::read(machine, unit, &before).state == PoolState::Started;
        let (job, done) = match operation {
            PoolOperation::Start => (Job::Start, "started"),
            PoolOperation::Stop => (Job::Stop, "stopped"),
            PoolOperation::Recycle if !is_running => return Err(PoolUnitError::NotRunning(unit.clone())),
            PoolOperation::Recycle => (Job::ReloadOrRestart, "recycled"),
        };
        let reason = match job.run(machine, unit.as_str()).map_err(|source| bus_error(unit, source))? {
            JobResult::Done => return Ok(Self::of(machine, unit)),
            JobResult::Dependency => "a unit that it requires has failed",
            JobResult::Failed => "the job of systemd has failed",
            JobResult::Late => "the job of systemd takes longer than 30 seconds",
        };
        Err(PoolUnitError::Failed { unit: unit.clone(), done, reason })
    }
}

fn bus_error(unit: &UnitName, source: BusError) -> PoolUnitError {
    PoolUnitError::Bus { unit: unit.clone(), source }
}

fn find(machine: &Machine, unit: &UnitName) -> Result<Option<Unit>, BusError> {
    let name = unit.as_str();
    Unit::find(machine, name.strip_suffix(".service").unwrap_or(name))
}
