//! Services, which are systemd units (org.freedesktop.systemd1(5)).

pub mod job;
pub mod unit;
pub mod unit_file;

use std::collections::BTreeSet;

use crate::{Error, Machine};
use unit::{FileStates, MANAGER, Unit};

/// Returns the names of all services; empty if systemd is not running.
///
/// # Errors
/// Errors of systemd.
pub fn names(machine: &Machine) -> Result<BTreeSet<String>, Error> {
    let units = Unit::all(machine, FileStates::Unwanted)?;
    Ok(units.into_iter().map(|unit| unit.name).collect())
}

/// Returns whether units have failed, as `systemctl is-system-running` reports; `None` if systemd is not
/// running.
pub fn is_degraded(machine: &Machine) -> Option<bool> {
    let state = machine.bus().wait(async |bus| MANAGER.property(&bus, "SystemState").await).ok()?;
    Some(state == "degraded")
}
