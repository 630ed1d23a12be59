//! `PerfOS_Memory`, from `/proc/meminfo` and `/proc/vmstat`.

use std::collections::HashMap;
use std::io;

use super::counter::{Counter, Kind};
use super::object::{Instance, Object};
use crate::Machine;

pub(crate) struct Memory;

/// Values of the two files: sizes in KiB, and counts of events since boot.
#[derive(Debug)]
pub(crate) struct Reading {
    kib: HashMap<String, u64>,
    events: HashMap<String, u64>,
}

impl Reading {
    pub(crate) fn kib(&self, name: &str) -> Option<u64> {
        self.kib.get(name).copied()
    }

    fn bytes(&self, name: &str) -> Option<u64> {
        self.kib(name)?.checked_mul(1024)
    }

    pub(super) fn event(&self, name: &str) -> Option<u64> {
        self.events.get(name).copied()
    }

    /// Returns the number of pages read from disks, including those read from swap space.
    pub(crate) fn pages_in(&self) -> Option<u64> {
        let page = u64::try_from(rustix::param::page_size()).ok()?.max(1);
        let read = self.event("pgpgin")?.checked_mul(1024)? / page;
        Some(read.saturating_add(self.event("pswpin").unwrap_or_default()))
    }

    /// Returns the number of pages written to swap space.
    pub(crate) fn pages_out(&self) -> Option<u64> {
        self.event("pswpout")
    }
}

impl Object for Memory {
    type Reading = Reading;

    const NAME: &'static str = "PerfOS_Memory";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::number("AvailableBytes", |reading| reading.bytes("MemAvailable")),
        Counter::number("AvailableKBytes", |reading| reading.kib("MemAvailable")),
        Counter::number("AvailableMBytes", |reading| Some(reading.kib("MemAvailable")? / 1024)),
        Counter::number("CacheBytes", |reading| {
            Some(reading.bytes("Cached")?.saturating_add(reading.bytes("Buffers")?))
        }),
        Counter::unknown("CacheBytesPeak", Kind::Number),
        Counter::unknown("CacheFaultsPersec", Kind::Rate),
        Counter::number("CommitLimit", |reading| reading.bytes("CommitLimit")),
        Counter::number("CommittedBytes", |reading| reading.bytes("Committed_AS")),
        Counter::unknown("DemandZeroFaultsPersec", Kind::Rate),
        Counter::number("FreeAndZeroPageListBytes", |reading| reading.bytes("MemFree")),
        Counter::unknown("FreeSystemPageTableEntries", Kind::Number),
        Counter::unknown("LongTermAverageStandbyCacheLifetimes", Kind::Number),
        Counter::number("ModifiedPageListBytes", |reading| reading.bytes("Dirty")),
        Counter::rate("PageFaultsPersec", |reading| reading.event("pgfault")),
        Counter::rate("PageReadsPersec", |reading| reading.event("pgmajfault")),
        Counter::rate("PagesInputPersec", Reading::pages_in),
        Counter::rate("PagesOutputPersec", Reading::pages_out),
        Counter::rate("PagesPersec", |reading| {
            Some(reading.pages_in()?.saturating_add(reading.pages_out()?))
        }),
        Counter::rate("PageWritesPersec", Reading::pages_out),
        // In KiB, so that the raw numbers fit their 32-bit type up to 4 TiB.
        Counter::fraction(
            "PercentCommittedBytesInUse",
            |reading| reading.kib("Committed_AS"),
            |reading| reading.kib("CommitLimit"),
        ),
        Counter::unknown("PoolNonpagedAllocs", Kind::Number),
        Counter::number("PoolNonpagedBytes", |reading| reading.bytes("SUnreclaim")),
        Counter::unknown("PoolPagedAllocs", Kind::Number),
        Counter::number("PoolPagedBytes", |reading| reading.bytes("SReclaimable")),
        Counter::number("PoolPagedResidentBytes", |reading| reading.bytes("SReclaimable")),
        Counter::unknown("StandbyCacheCoreBytes", Kind::Number),
        Counter::number("StandbyCacheNormalPriorityBytes", |reading| reading.bytes("Inactive(file)")),
        Counter::unknown("StandbyCacheReserveBytes", Kind::Number),
        Counter::number("SystemCacheResidentBytes", |reading| reading.bytes("Cached")),
        Counter::unknown("SystemCodeResidentBytes", Kind::Number),
        Counter::unknown("SystemCodeTotalBytes", Kind::Number),
        Counter::unknown("SystemDriverResidentBytes", Kind::Number),
        Counter::unknown("SystemDriverTotalBytes", Kind::Number),
        Counter::rate("TransitionFaultsPersec", |reading| reading.event("pgreuse")),
        Counter::rate("TransitionPagesRePurposedPersec", |reading| {
            Some(reading.event("pgsteal_kswapd")?.saturating_add(reading.event("pgsteal_direct")?))
        }),
        Counter::unknown("WriteCopiesPersec", Kind::Rate),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let (kib, events) = (numbers(&machine.text("proc/meminfo")?), numbers(&machine.text("proc/vmstat")?));
        Ok(Instance::only(Reading { kib, events }))
    }
}

/// Parses lines that consist of a name, an optional colon and a number.
fn numbers(text: &str) -> HashMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            Some((fields.next()?.trim_end_matches(':').to_owned(), fields.next()?.parse().ok()?))
        })
        .collect()
}
