//! `PerfOS_PagingFile`, from `/proc/swaps`.

use std::io;

use linux::system::swap::Swap;

use super::counter::{Counter, Kind};
use super::object::{Flavor, Instance, Object, Sum, with_total};
use crate::Machine;

pub(super) struct PagingFile;

/// Size and used part of a swap space, in KiB.
#[derive(Debug, Default)]
pub(super) struct Reading {
    size: u64,
    used: u64,
}

impl Sum for Reading {
    fn add(&mut self, other: &Self) {
        self.size = self.size.saturating_add(other.size);
        self.used = self.used.saturating_add(other.used);
    }
}

impl Object for PagingFile {
    type Reading = Reading;

    const NAME: &'static str = "PerfOS_PagingFile";

    const CLASSES: &'static [Flavor] = &[Flavor::Formatted];

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::fraction("PercentUsage", |reading| Some(reading.used), |reading| Some(reading.size)),
        Counter::unknown("PercentUsagePeak", Kind::Fraction),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let text = machine.text("proc/swaps")?;
        let areas = text.lines().skip(1).filter_map(Swap::parse);
        let instance = areas.map(|Swap { path, size, used }| Instance::named(path, Reading { size, used }));
        Ok(with_total(instance.collect()))
    }
}
