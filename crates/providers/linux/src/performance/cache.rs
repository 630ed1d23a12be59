//! `PerfOS_Cache`, from `/proc/vmstat`: pages of files that wait to be written.
//!
//! The kernel does not count reads that the cache serves, so most counters are unknown.

use std::io;

use super::counter::{Counter, Kind};
use super::memory;
use super::object::{Instance, Object};
use crate::Machine;

pub(super) struct Cache;

fn event(reading: &memory::Reading, name: &str) -> Option<u64> {
    reading.event(name)
}

impl Object for Cache {
    type Reading = memory::Reading;

    const NAME: &'static str = "PerfOS_Cache";

    const COUNTERS: &'static [Counter<memory::Reading>] = &[
        Counter::unknown("AsyncCopyReadsPersec", Kind::Rate),
        Counter::unknown("AsyncDataMapsPersec", Kind::Rate),
        Counter::unknown("AsyncFastReadsPersec", Kind::Rate),
        Counter::unknown("AsyncMDLReadsPersec", Kind::Rate),
        Counter::unknown("AsyncPinReadsPersec", Kind::Rate),
        Counter::unknown("CopyReadHitsPercent", Kind::Fraction),
        Counter::unknown("CopyReadsPersec", Kind::Rate),
        Counter::unknown("DataFlushesPersec", Kind::Rate),
        Counter::rate("DataFlushPagesPersec", |reading| event(reading, "nr_written")),
        Counter::unknown("DataMapHitsPercent", Kind::Fraction),
        Counter::unknown("DataMapPinsPersec", Kind::Rate),
        Counter::unknown("DataMapsPersec", Kind::Rate),
        Counter::number("DirtyPages", |reading| event(reading, "nr_dirty")),
        Counter::number("DirtyPageThreshold", |reading| event(reading, "nr_dirty_threshold")),
        Counter::unknown("FastReadNotPossiblesPersec", Kind::Rate),
        Counter::unknown("FastReadResourceMissesPersec", Kind::Rate),
        Counter::unknown("FastReadsPersec", Kind::Rate),
        Counter::unknown("LazyWriteFlushesPersec", Kind::Rate),
        Counter::unknown("LazyWritePagesPersec", Kind::Rate),
        Counter::unknown("MDLReadHitsPercent", Kind::Fraction),
        Counter::unknown("MDLReadsPersec", Kind::Rate),
        Counter::unknown("PinReadHitsPercent", Kind::Fraction),
        Counter::unknown("PinReadsPersec", Kind::Rate),
        Counter::unknown("ReadAheadsPersec", Kind::Rate),
        Counter::unknown("SyncCopyReadsPersec", Kind::Rate),
        Counter::unknown("SyncDataMapsPersec", Kind::Rate),
        Counter::unknown("SyncFastReadsPersec", Kind::Rate),
        Counter::unknown("SyncMDLReadsPersec", Kind::Rate),
        Counter::unknown("SyncPinReadsPersec", Kind::Rate),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<memory::Reading>>> {
        memory::Memory::read(machine)
    }
}
