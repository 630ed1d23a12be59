//! `MSFT_StorageReliabilityCounter`: counters in the health data of disks.

use std::sync::Arc;

use cim::Value;
use linux::storage::drive::Drive;
use linux::storage::smart::Smart;
use wmi::{Lookup, ProviderError};

use super::object_id;
use crate::Machine;
use crate::table::{Fill, Table, text_key};

/// Counters of the disks that report health data.
pub(super) struct ReliabilityCounter;

/// Returns the object identifier of a disk's counters.
pub(super) fn id(drive: &Drive) -> String {
    object_id("StorageReliabilityCounter", &drive.block.node())
}

/// Returns the disks that report health data.
pub(super) fn drives(machine: &Machine) -> impl Iterator<Item = Drive> {
    Drive::all(machine).filter(|drive| drive.smart(machine).is_some())
}

fn health<V: Into<Value>>(machine: &Machine, drive: &Drive, what: impl FnOnce(&Smart) -> Option<V>) -> Value {
    drive.smart(machine).and_then(what).into()
}

/// Limits a count to 32 bits; larger counts are reported as the maximum.
fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Table for ReliabilityCounter {
    type Row = Drive;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_StorageReliabilityCounter";

    const COLUMNS: &'static [(&'static str, Fill<Drive>)] = &[
        ("DeviceId", |_, drive| drive.index.to_string().into()),
        ("LoadUnloadCycleCount", |machine, drive| health(machine, drive, |smart| smart.loads.map(small))),
        ("LoadUnloadCycleCountMax", |machine, drive| {
            health(machine, drive, |smart| smart.most_loads.map(small))
        }),
        ("ObjectId", |_, drive| id(drive).into()),
        ("PowerOnHours", |machine, drive| health(machine, drive, |smart| smart.power_on_hours.map(small))),
        ("ReadErrorsCorrected", |machine, drive| health(machine, drive, |smart| smart.read_errors.corrected)),
        ("ReadErrorsTotal", |machine, drive| health(machine, drive, |smart| smart.read_errors.total())),
        ("ReadErrorsUncorrected", |machine, drive| {
            health(machine, drive, |smart| smart.read_errors.uncorrected)
        }),
        ("StartStopCycleCount", |machine, drive| health(machine, drive, |smart| smart.starts.map(small))),
        ("StartStopCycleCountMax", |machine, drive| {
            health(machine, drive, |smart| smart.most_starts.map(small))
        }),
        ("Temperature", |machine, drive| {
            health(machine, drive, |smart| smart.temperature.and_then(|degrees| u8::try_from(degrees).ok()))
        }),
        ("TemperatureMax", |machine, drive| {
            health(machine, drive, |smart| {
                smart.highest_temperature.and_then(|degrees| u8::try_from(degrees).ok())
            })
        }),
        ("UniqueId", |_, drive| id(drive).into()),
        ("Wear", |machine, drive| health(machine, drive, |smart| smart.wear)),
        ("WriteErrorsCorrected", |machine, drive| {
            health(machine, drive, |smart| smart.write_errors.corrected)
        }),
        ("WriteErrorsTotal", |machine, drive| health(machine, drive, |smart| smart.write_errors.total())),
        ("WriteErrorsUncorrected", |machine, drive| {
            health(machine, drive, |smart| smart.write_errors.uncorrected)
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Drive>, ProviderError> {
        Ok(drives(machine))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Drive>, ProviderError> {
        let wanted = text_key(lookup.keys);
        Ok(drives(machine).find(|drive| id(drive).eq_ignore_ascii_case(wanted)))
    }
}
