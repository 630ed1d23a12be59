//! Software RAID arrays (kernel admin-guide, md).

use crate::Machine;

/// An array, by its name in `/sys/block`.
pub struct Array(pub String);

impl Array {
    /// Returns all arrays, by name.
    pub fn all(machine: &Machine) -> Vec<Self> {
        let names = machine.names("sys/block").unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| machine.path(format!("sys/block/{name}/md/level")).exists());
        names.sort_unstable();
        names.into_iter().map(Self).collect()
    }

    /// Returns the size in bytes. The kernel counts sectors of 512 bytes, whatever the sector size of the disks.
    pub fn size(&self, machine: &Machine) -> Option<u64> {
        machine.number::<u64>(format!("sys/block/{}/size", self.0))?.checked_mul(512)
    }

    /// Returns the line in a file of the array.
    pub fn line(&self, machine: &Machine, file: &str) -> Option<String> {
        machine.line(format!("sys/block/{}/md/{file}", self.0))
    }

    /// Returns the number in a file of the array.
    pub fn number<N: std::str::FromStr>(&self, machine: &Machine, file: &str) -> Option<N> {
        self.line(machine, file)?.parse().ok()
    }

    /// Returns its component devices.
    pub fn devices(&self, machine: &Machine) -> Vec<String> {
        let names = machine.names(format!("sys/block/{}/md", self.0)).unwrap_or_default();
        let names = names.into_iter().filter_map(|name| name.into_string().ok());
        let mut devices: Vec<String> = names
            .filter_map(|name| Some(format!("/dev/{}", name.strip_prefix("dev-")?.replace('!', "/"))))
            .collect();
        devices.sort_unstable();
        devices
    }

    /// Returns the number of component devices that are in sync.
    pub fn devices_in_sync(&self, machine: &Machine) -> Option<u32> {
        let names = machine.names(format!("sys/block/{}/md", self.0)).ok()?;
        let states = names.iter().filter_map(|name| {
            let name = name.to_str().filter(|name| name.starts_with("dev-"))?;
            self.line(machine, &format!("{name}/state"))
        });
        u32::try_from(states.filter(|state| state.split(',').any(|word| word == "in_sync")).count()).ok()
    }
}
