//! The machine as a whole.

mod memory;
pub(crate) mod mounts;
mod operating_system;
mod os_release;

pub(crate) use operating_system::OperatingSystem;

use crate::Machine;

/// How many processes there are.
pub(crate) fn count_of_processes(machine: &Machine) -> Option<u32> {
    let names = machine.names("proc").ok()?;
    let is_process =
        |name: &&std::ffi::OsString| name.to_str().is_some_and(|name| name.parse::<u32>().is_ok());
    u32::try_from(names.iter().filter(is_process).count()).ok()
}
