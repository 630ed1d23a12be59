//! `Linux_RaidArray`: software RAID arrays (kernel admin-guide, md).

use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// All arrays.
pub(super) struct RaidArray;

/// An array, by its name in `/sys/block`.
pub(super) struct Row(String);

impl Row {
    fn line(&self, machine: &Machine, file: &str) -> Option<String> {
        machine.line(format!("sys/block/{}/md/{file}", self.0))
    }

    fn number<N: std::str::FromStr>(&self, machine: &Machine, file: &str) -> Option<N> {
        self.line(machine, file)?.parse().ok()
    }

    /// Returns its component devices.
    fn devices(&self, machine: &Machine) -> Vec<String> {
        let names = machine.names(format!("sys/block/{}/md", self.0)).unwrap_or_default();
        let names = names.into_iter().filter_map(|name| name.into_string().ok());
        let mut devices: Vec<String> = names
            .filter_map(|name| Some(format!("/dev/{}", name.strip_prefix("dev-")?.replace('!', "/"))))
            .collect();
        devices.sort_unstable();
        devices
    }

    fn devices_in_sync(&self, machine: &Machine) -> Option<u32> {
        let names = machine.names(format!("sys/block/{}/md", self.0)).ok()?;
        let states = names.iter().filter_map(|name| {
            let name = name.to_str().filter(|name| name.starts_with("dev-"))?;
            self.line(machine, &format!("{name}/state"))
        });
        u32::try_from(states.filter(|state| state.split(',').any(|word| word == "in_sync")).count()).ok()
    }
}

impl Table for RaidArray {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_RaidArray";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("ActiveDisks", |machine, row| row.devices_in_sync(machine).into()),
        ("ChunkSize", |machine, row| row.number::<u64>(machine, "chunk_size").into()),
        ("DegradedDisks", |machine, row| row.number::<u32>(machine, "degraded").into()),
        ("Devices", |machine, row| row.devices(machine).into()),
        ("Disks", |machine, row| row.number::<u32>(machine, "raid_disks").into()),
        ("Level", |machine, row| row.line(machine, "level").into()),
        ("MetadataVersion", |machine, row| row.line(machine, "metadata_version").into()),
        ("MismatchCount", |machine, row| row.number::<u64>(machine, "mismatch_cnt").into()),
        ("Name", |_, row| row.0.clone().into()),
        // The kernel counts sectors of 512 bytes, whatever the sector size of the disks.
        ("Size", |machine, row| {
            machine
                .number::<u64>(format!("sys/block/{}/size", row.0))
                .and_then(|size| size.checked_mul(512))
                .into()
        }),
        ("State", |machine, row| row.line(machine, "array_state").into()),
        ("SyncAction", |machine, row| row.line(machine, "sync_action").into()),
        ("SyncPercentComplete", |machine, row| {
            // Format: "done / all", or "none" if no operation is running.
            let done = row.line(machine, "sync_completed").and_then(|text| {
                let (done, all) = text.split_once(" / ")?;
                let (done, all) = (done.parse::<u64>().ok()?, all.parse::<u64>().ok()?);
                u8::try_from(done.checked_mul(100)?.checked_div(all)?).ok()
            });
            done.into()
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let names = machine.names("sys/block").unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| machine.path(format!("sys/block/{name}/md/level")).exists());
        names.sort_unstable();
        Ok(names.into_iter().map(|name| Row(name)))
    }
}
