//! Settings and state of the system as a whole.

pub mod chassis;
pub mod dconf;
pub mod hostname;
pub mod locale;
pub mod memory;
pub mod os_release;
pub mod swap;

use crate::Machine;
use crate::folder::numbers;
use crate::mounts::device_of;
use os_release::OsRelease;

/// Name of the running operating system, and the device from which it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatingSystem {
    /// Name with version (`PRETTY_NAME` of os-release(5)).
    pub name: String,
    /// Device of the root file system; `None` if it has none.
    pub device: Option<String>,
}

impl OperatingSystem {
    /// Returns the running system.
    pub fn of(machine: &Machine) -> Self {
        Self {
            name: OsRelease::of(machine).pretty_name().to_owned(),
            device: machine.mounts().ok().and_then(|mounts| device_of(&mounts, &["/"])),
        }
    }
}

/// Returns the number of processes.
pub fn count_of_processes(machine: &Machine) -> Option<u32> {
    let numbers = numbers(&machine.folder("proc").ok()?, ".").ok()?;
    u32::try_from(numbers.len()).ok()
}
