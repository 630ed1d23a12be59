//! Services, which are systemd units (org.freedesktop.systemd1(5)), and drivers, which are kernel modules.

mod change;
mod control;
mod driver;
mod membership;
mod table;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, DataSource, bind};

/// Returns the tables of service classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, table::Service),
        bind(machine, driver::SystemDriver),
        bind(machine, membership::SystemServices),
        bind(machine, membership::DependentService),
    ]
}

/// The service manager (sd_booted(3)).
const SYSTEMD: DataSource =
    DataSource { name: "systemd", is_present: |machine| machine.path("run/systemd/system").is_dir() };

/// Return values of service methods.
mod code {
    pub(super) const DONE: u32 = 0;
    pub(super) const NOT_SUPPORTED: u32 = 1;
    pub(super) const ACCESS_DENIED: u32 = 2;
    pub(super) const DEPENDENTS_RUN: u32 = 3;
    pub(super) const INVALID_CONTROL: u32 = 4;
    pub(super) const NOT_ACCEPTED: u32 = 5;
    pub(super) const TIMED_OUT: u32 = 7;
    pub(super) const UNKNOWN_FAILURE: u32 = 8;
    pub(super) const PATH_NOT_FOUND: u32 = 9;
    pub(super) const ALREADY_RUNNING: u32 = 10;
    pub(super) const DEPENDENCY_DELETED: u32 = 12;
    pub(super) const DEPENDENCY_FAILED: u32 = 13;
    pub(super) const DISABLED: u32 = 14;
    pub(super) const LOGON_FAILED: u32 = 15;
    pub(super) const INVALID_NAME: u32 = 20;
    pub(super) const INVALID_PARAMETER: u32 = 21;
    pub(super) const BAD_ACCOUNT: u32 = 22;
    pub(super) const ALREADY_EXISTS: u32 = 23;
}
