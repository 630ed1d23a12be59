//! The machine as a whole.

mod chassis;
mod computer_system;
mod desktop;
mod domain;
mod environment;
mod feature;
mod hostname;
mod locale;
mod membership;
pub(crate) mod memory;
pub(crate) mod operating_system;
pub(crate) mod os_release;
mod page_file;
mod power;
mod setting;
mod time;

use std::sync::Arc;

use cim::DateTime;

use crate::Machine;
pub(crate) use crate::machine::now;
use crate::process::rows::numbers;
use crate::table::{Binding, bind};

/// The classes of the machine as a whole.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, operating_system::OperatingSystem),
        bind(machine, computer_system::ComputerSystem),
        bind(machine, desktop::Desktop),
        bind(machine, environment::Environment),
        bind(machine, feature::OptionalFeature),
        bind(machine, feature::ServerFeature),
        bind(machine, membership::SystemOperatingSystem),
        bind(machine, membership::SystemUsers),
        bind(machine, page_file::PageFileSetting),
        bind(machine, page_file::PageFileUsage),
        bind(machine, setting::Registry),
        bind(machine, setting::WmiSetting),
        bind(machine, time::LocalTime),
        bind(machine, time::UtcTime),
        bind(machine, time::Zone),
    ]
}

/// The numbers of the kernel's release, without what a distribution has added.
pub(crate) fn release_of_kernel(machine: &Machine) -> Option<String> {
    machine.kernel_version()
}

/// How many processes there are.
pub(crate) fn count_of_processes(machine: &Machine) -> Option<u32> {
    let numbers = numbers(&machine.folder("proc").ok()?, ".").ok()?;
    u32::try_from(numbers.len()).ok()
}

/// When the machine was started.
pub(crate) fn booted(machine: &Machine) -> Option<DateTime> {
    machine.timestamp(machine.boot_time()?.checked_mul(1_000_000)?)
}

/// How many minutes east of Greenwich the machine is now.
pub(crate) fn offset(machine: &Machine) -> Option<i16> {
    match machine.timestamp(now())? {
        DateTime::Timestamp(local) => Some(local.offset()),
        _ => None,
    }
}
