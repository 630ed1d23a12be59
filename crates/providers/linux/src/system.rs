//! The machine as a whole.

mod boot;
mod computer_system;
mod desktop;
pub(crate) mod domain;
mod environment;
mod feature;
mod membership;
pub(crate) mod operating_system;
mod page_file;
mod power;
mod setting;
pub(crate) mod time;

use std::sync::Arc;

use cim::DateTime;
pub(crate) use linux::now;

use crate::Machine;
use crate::table::association::relate;
use crate::table::{Binding, bind};

/// Returns the tables of system classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, operating_system::OperatingSystem),
        bind(machine, computer_system::ComputerSystem),
        bind(machine, boot::BootConfiguration),
        bind(machine, desktop::Desktop),
        bind(machine, environment::Environment),
        bind(machine, feature::OptionalFeature),
        bind(machine, feature::ServerFeature),
        relate(machine, &membership::SYSTEM_OPERATING_SYSTEM),
        relate(machine, &membership::SYSTEM_USERS),
        bind(machine, page_file::PageFileSetting),
        bind(machine, page_file::PageFileUsage),
        bind(machine, setting::Registry),
        bind(machine, setting::WmiSetting),
        bind(machine, time::LocalTime),
        bind(machine, time::UtcTime),
        bind(machine, time::Zone),
    ]
}

/// Returns the kernel release without the suffix of the distribution.
pub(crate) fn release_of_kernel(machine: &Machine) -> Option<String> {
    machine.kernel_version()
}

/// Returns the boot time.
pub(crate) fn booted(machine: &Machine) -> Option<DateTime> {
    machine.timestamp(machine.boot_time()?.checked_mul(1_000_000)?)
}

/// Returns the current offset of local time from UTC in minutes.
pub(crate) fn offset(machine: &Machine) -> Option<i16> {
    match machine.timestamp(now())? {
        DateTime::Timestamp(local) => Some(local.offset()),
        _ => None,
    }
}
