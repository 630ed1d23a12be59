//! `Linux_RaidArray`: software RAID arrays (kernel admin-guide, md).

use linux::storage::raid::Array;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// All arrays.
pub(super) struct RaidArray;

impl Table for RaidArray {
    type Row = Array;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_RaidArray";

    const COLUMNS: &'static [(&'static str, Fill<Array>)] = &[
        ("ActiveDisks", |machine, row| row.devices_in_sync(machine).into()),
        ("ChunkSize", |machine, row| row.number::<u64>(machine, "chunk_size").into()),
        ("DegradedDisks", |machine, row| row.number::<u32>(machine, "degraded").into()),
        ("Devices", |machine, row| row.devices(machine).into()),
        ("Disks", |machine, row| row.number::<u32>(machine, "raid_disks").into()),
        ("Level", |machine, row| row.line(machine, "level").into()),
        ("MetadataVersion", |machine, row| row.line(machine, "metadata_version").into()),
        ("MismatchCount", |machine, row| row.number::<u64>(machine, "mismatch_cnt").into()),
        ("Name", |_, row| row.0.clone().into()),
        ("Size", |machine, row| row.size(machine).into()),
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

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Array>, ProviderError> {
        Ok(Array::all(machine).into_iter())
    }
}
