//! `PerfProc_Process`, from `/proc/PID`.

use std::collections::HashMap;
use std::io;

use linux::process::stat::{priority, ticks_to_100ns};
use linux::process::{self, page_size};

use super::counter::{Counter, Kind};
use super::object::{Instance, Object, Sum, with_total};
use super::processor::{self, Processor};
use crate::Machine;

pub(crate) struct Process;

/// Readings of a process; times in units of 100 ns, sizes in bytes.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) number: u32,
    parent: u32,
    pub(crate) user: u64,
    pub(crate) kernel: u64,
    /// Start time since boot; `None` for instances that are not processes.
    started: Option<u64>,
    faults: u64,
    pub(crate) major_faults: u64,
    threads: u64,
    priority: u64,
    virtual_size: u64,
    virtual_size_peak: Option<u64>,
    pub(crate) resident: u64,
    resident_peak: Option<u64>,
    private: Option<u64>,
    swapped: Option<u64>,
    descriptors: Option<u64>,
    /// Bytes and number of calls of all reads, then of all writes; `None` if this user may not read them.
    pub(crate) read: Option<(u64, u64)>,
    pub(crate) written: Option<(u64, u64)>,
}

impl Sum for Reading {
    fn add(&mut self, other: &Self) {
        self.user = self.user.saturating_add(other.user);
        self.kernel = self.kernel.saturating_add(other.kernel);
        self.faults = self.faults.saturating_add(other.faults);
        self.major_faults = self.major_faults.saturating_add(other.major_faults);
        self.threads = self.threads.saturating_add(other.threads);
        self.virtual_size = self.virtual_size.saturating_add(other.virtual_size);
        self.resident = self.resident.saturating_add(other.resident);
        add_known(&mut self.virtual_size_peak, other.virtual_size_peak);
        add_known(&mut self.resident_peak, other.resident_peak);
        add_known(&mut self.private, other.private);
        add_known(&mut self.swapped, other.swapped);
        add_known(&mut self.descriptors, other.descriptors);
        add_transfers(&mut self.read, other.read);
        add_transfers(&mut self.written, other.written);
    }
}

fn add_known(own: &mut Option<u64>, other: Option<u64>) {
    *own = Some(own.unwrap_or_default().saturating_add(other.unwrap_or_default()));
}

fn add_transfers(own: &mut Option<(u64, u64)>, other: Option<(u64, u64)>) {
    let ((octets, times), (more, often)) = (own.unwrap_or_default(), other.unwrap_or_default());
    *own = Some((octets.saturating_add(more), times.saturating_add(often)));
}

impl Reading {
    fn octets(counted: Option<(u64, u64)>) -> Option<u64> {
        counted.map(|(octets, _)| octets)
    }

    fn times(counted: Option<(u64, u64)>) -> Option<u64> {
        counted.map(|(_, times)| times)
    }

    fn both(&self, of: fn(Option<(u64, u64)>) -> Option<u64>) -> Option<u64> {
        of(self.read)?.checked_add(of(self.written)?)
    }
}

impl Object for Process {
    type Reading = Reading;

    const NAME: &'static str = "PerfProc_Process";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::number("CreatingProcessID", |process| Some(process.parent.into())),
        Counter::elapsed("ElapsedTime", |process| process.started),
        Counter::number("HandleCount", |process| process.descriptors),
        Counter::number("IDProcess", |process| Some(process.number.into())),
        Counter::rate("IODataBytesPersec", |process| process.both(Reading::octets)),
        Counter::rate("IODataOperationsPersec", |process| process.both(Reading::times)),
        Counter::unknown("IOOtherBytesPersec", Kind::Rate),
        Counter::unknown("IOOtherOperationsPersec", Kind::Rate),
        Counter::rate("IOReadBytesPersec", |process| Reading::octets(process.read)),
        Counter::rate("IOReadOperationsPersec", |process| Reading::times(process.read)),
        Counter::rate("IOWriteBytesPersec", |process| Reading::octets(process.written)),
        Counter::rate("IOWriteOperationsPersec", |process| Reading::times(process.written)),
        Counter::rate("PageFaultsPersec", |process| Some(process.faults)),
        Counter::number("PageFileBytes", |process| process.private?.checked_add(process.swapped?)),
        Counter::unknown("PageFileBytesPeak", Kind::Number),
        Counter::timer("PercentPrivilegedTime", |process| Some(process.kernel)),
        Counter::timer("PercentProcessorTime", |process| Some(process.user.saturating_add(process.kernel))),
        Counter::timer("PercentUserTime", |process| Some(process.user)),
        Counter::unknown("PoolNonpagedBytes", Kind::Number),
        Counter::unknown("PoolPagedBytes", Kind::Number),
        Counter::number("PriorityBase", |process| Some(process.priority)),
        Counter::number("PrivateBytes", |process| process.private),
        Counter::number("ThreadCount", |process| Some(process.threads)),
        Counter::number("VirtualBytes", |process| Some(process.virtual_size)),
        Counter::number("VirtualBytesPeak", |process| process.virtual_size_peak),
        Counter::number("WorkingSet", |process| Some(process.resident)),
        Counter::number("WorkingSetPeak", |process| process.resident_peak),
        Counter::number("WorkingSetPrivate", |process| process.private),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let mut seen = HashMap::<String, u32>::new();
        let mut instances = vec![idle(machine)?];
        for (mut name, identity, reading) in processes(machine)? {
            // The second process of a name is the first with a number.
            let before = seen.entry(name.clone()).or_default();
            if *before > 0 {
                name = format!("{name}#{before}");
            }
            *before += 1;
            instances.push(Instance { name: Some(name), identity, reading });
        }
        Ok(with_total(instances))
    }
}

/// Returns the name, the identity (see [`identity`]) and the readings of every process.
pub(crate) fn processes(machine: &Machine) -> io::Result<Vec<(String, u64, Reading)>> {
    process::all(machine)?.map(|row| row.map(|row| (row.name(), identity(&row), reading(&row)))).collect()
}

/// Returns the identity of a process: its ID, which has at most 22 bits, above the low 42 bits of its start
/// time.
pub(crate) fn identity(row: &process::Process) -> u64 {
    u64::from(row.number) << 42 | row.stat().start & ((1 << 42) - 1)
}

/// Returns the process ID from an identity.
pub(crate) fn number_in(identity: u64) -> u64 {
    identity >> 42
}

fn reading(row: &process::Process) -> Reading {
    let (memory, counters) = (row.memory().cloned().unwrap_or_default(), row.counters());
    Reading {
        number: row.number,
        parent: row.stat().parent,
        user: ticks_to_100ns(row.stat().user_time),
        kernel: ticks_to_100ns(row.stat().kernel_time),
        started: Some(ticks_to_100ns(row.stat().start)),
        faults: row.stat().minor_faults.saturating_add(row.stat().major_faults),
        major_faults: row.stat().major_faults,
        threads: row.stat().threads.into(),
        priority: priority(row.stat().nice, row.stat().real_time_priority).into(),
        virtual_size: row.stat().virtual_size,
        virtual_size_peak: memory.virtual_peak,
        resident: row.stat().resident.saturating_mul(page_size()),
        resident_peak: memory.resident_peak,
        private: row.private_memory(),
        swapped: memory.swapped,
        descriptors: row.descriptors().map(u64::from),
        read: counters.read.zip(counters.reads),
        written: counters.written.zip(counters.writes),
    }
}

/// Returns the idle time of all processors as an instance; Windows shows it as process 0.
fn idle(machine: &Machine) -> io::Result<Instance<Reading>> {
    let processors = Processor::read(machine)?;
    let each = processors.iter().filter(|processor| processor.name.as_deref() != Some(super::object::TOTAL));
    let readings: Vec<&processor::Reading> = each.map(|processor| &processor.reading).collect();
    let threads = u64::try_from(readings.len()).unwrap_or_default();
    let kernel = readings.iter().map(|reading| reading.idle).fold(0, u64::saturating_add);
    Ok(Instance::named("Idle", Reading { kernel, threads, started: Some(0), ..Reading::default() }))
}
