//! `PerfOS_System`, from `/proc/stat` and `/proc/loadavg`.
//!
//! The kernel does not count operations of files that the cache serves, so these counters are unknown; those
//! of disks are in `PerfDisk_PhysicalDisk`.

use std::io;

use super::counter::{Counter, Kind};
use super::object::{Instance, Object};
use crate::Machine;

pub(super) struct System;

/// Readings of the whole machine.
#[derive(Debug, Default)]
pub(super) struct Reading {
    context_switches: Option<u64>,
    running: Option<u64>,
    processors: u64,
    processes: Option<u64>,
    threads: Option<u64>,
}

impl Object for System {
    type Reading = Reading;

    const NAME: &'static str = "PerfOS_System";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::unknown("AlignmentFixupsPersec", Kind::Rate),
        Counter::rate("ContextSwitchesPersec", |reading| reading.context_switches),
        Counter::unknown("ExceptionDispatchesPersec", Kind::Rate),
        Counter::unknown("FileControlBytesPersec", Kind::Rate),
        Counter::unknown("FileControlOperationsPersec", Kind::Rate),
        Counter::unknown("FileDataOperationsPersec", Kind::Rate),
        Counter::unknown("FileReadBytesPersec", Kind::Rate),
        Counter::unknown("FileReadOperationsPersec", Kind::Rate),
        Counter::unknown("FileWriteBytesPersec", Kind::Rate),
        Counter::unknown("FileWriteOperationsPersec", Kind::Rate),
        Counter::unknown("FloatingEmulationsPersec", Kind::Rate),
        Counter::unknown("PercentRegistryQuotaInUse", Kind::Fraction),
        Counter::number("Processes", |reading| reading.processes),
        Counter::number("ProcessorQueueLength", |reading| {
            Some(reading.running?.saturating_sub(reading.processors))
        }),
        Counter::unknown("SystemCallsPersec", Kind::Rate),
        Counter::elapsed("SystemUpTime", |_| Some(0)),
        Counter::number("Threads", |reading| reading.threads),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let text = machine.text("proc/stat")?;
        Ok(Instance::only(Reading {
            context_switches: number(&text, "ctxt"),
            running: number(&text, "procs_running"),
            processors: u64::try_from(
                text.lines()
                    .filter(|line| {
                        line.strip_prefix("cpu")
                            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                    })
                    .count(),
            )
            .unwrap_or_default(),
            processes: linux::system::count_of_processes(machine).map(u64::from),
            threads: threads(machine),
        }))
    }
}

/// Returns the number of threads, including those of the kernel.
pub(super) fn threads(machine: &Machine) -> Option<u64> {
    machine.line("proc/loadavg")?.split(' ').nth(3)?.split_once('/')?.1.parse().ok()
}

/// Returns the number after a name in `/proc/stat`.
fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line?.trim().parse().ok()
}
