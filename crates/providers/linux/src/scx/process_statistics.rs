//! `SCX_UnixProcessStatisticalInformation`: resource use of processes between two samples.

use std::io;

use linux::process::stat::{named, ticks_to_100ns};
use linux::process::{Process, all, page_size};
use linux::system::memory::Memory;

use crate::Machine;
use crate::performance::counter::{Counter, Kind, Read};
use crate::performance::object::{Common, Flavor, Instance, Object};
use crate::performance::process::identity;

pub(super) struct ProcessStatistics;

/// Readings of a process; times in units of 100 ns, sizes in KiB.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Number of processors, by which CPU times are divided.
    processors: u64,
    user: u64,
    kernel: u64,
    children: u64,
    kernel_of_children: u64,
    major_faults: u64,
    resident: u64,
    memory: Option<u64>,
    /// In blocks of 512 bytes, as in getrusage(2).
    blocks_read: Option<u64>,
    blocks_written: Option<u64>,
    shared: Option<u64>,
    text: Option<u64>,
    data: Option<u64>,
    stack: Option<u64>,
    files: Option<u64>,
}

impl Reading {
    fn share(&self, time: u64) -> Option<u64> {
        time.checked_div(self.processors)
    }
}

impl Object for ProcessStatistics {
    type Reading = Reading;

    const NAMESPACE: &'static str = super::NAMESPACE;
    const NAME: &'static str = "SCX_UnixProcessStatisticalInformation";
    const CLASSES: &'static [Flavor] = &[Flavor::Plain];
    const COMMON: &'static [(&'static str, Common)] = &[
        ("Caption", Common::Nothing),
        ("CSCreationClassName", Common::Text("SCX_ComputerSystem")),
        ("CSName", Common::HostName),
        ("Description", Common::Nothing),
        ("ElementName", Common::Nothing),
        ("Handle", Common::ProcessNumber),
        ("InstanceID", Common::Nothing),
        ("Name", Common::Name),
        ("OSCreationClassName", Common::Text("SCX_OperatingSystem")),
        ("OSName", Common::SystemName),
        ("ProcessCreationClassName", Common::Text("SCX_UnixProcessStatisticalInformation")),
    ];
    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::rate("BlockReadsPerSecond", |process| process.blocks_read),
        Counter::rate("BlockTransfersPerSecond", |process| {
            process.blocks_read?.checked_add(process.blocks_written?)
        }),
        Counter::rate("BlockWritesPerSecond", |process| process.blocks_written),
        // A share of all processors, as in Microsoft's agent.
        Counter::timer("CPUTime", |process| process.share(process.user.saturating_add(process.kernel))),
        // In milliseconds, as the times of `SCX_UnixProcess`.
        Counter::number("CpuTimeDeadChildren", |process| Some(process.children / 10_000)),
        Counter::rate("PagesReadPerSec", |process| Some(process.major_faults)),
        Counter::timer("PercentPrivilegedTime", |process| process.share(process.kernel)),
        Counter::fraction("PercentUsedMemory", |process| Some(process.resident), |process| process.memory),
        Counter::timer("PercentUserTime", |process| process.share(process.user)),
        // Linux could tell these only by counting every page.
        Counter::unknown("RealData", Kind::Number),
        Counter::unknown("RealStack", Kind::Number),
        Counter::unknown("RealText", Kind::Number),
        Counter::number("SystemTimeDeadChildren", |process| Some(process.kernel_of_children / 10_000)),
        Counter::number("UsedMemory", |process| Some(process.resident)),
        Counter::number("VirtualData", |process| process.data),
        Counter::number("VirtualMemoryMappedFileSize", |process| process.files),
        Counter::number("VirtualSharedMemory", |process| process.shared),
        Counter::number("VirtualStack", |process| process.stack),
        Counter::number("VirtualText", |process| process.text),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let memory = Memory::of(machine).kib("MemTotal");
        let processors = processors(machine);
        all(machine)?
            .map(|row| {
                row.map(|row| Instance {
                    name: Some(row.stat().name.clone()),
                    identity: identity(&row),
                    reading: Reading { processors, memory, ..reading(&row) },
                })
            })
            .collect()
    }
}

fn processors(machine: &Machine) -> u64 {
    let text = machine.text("proc/stat").unwrap_or_default();
    u64::try_from(
        text.lines()
            .filter(|line| {
                line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            })
            .count(),
    )
    .unwrap_or(1)
    .max(1)
}

fn reading(row: &Process) -> Reading {
    // Reads both files again, because their parsed forms leave out fields needed here.
    let memory = row.text("status").unwrap_or_default();
    let counters = row.text("io").unwrap_or_default();
    Reading {
        user: ticks_to_100ns(row.stat().user_time),
        kernel: ticks_to_100ns(row.stat().kernel_time),
        children: ticks_to_100ns(
            row.stat().user_time_of_children.saturating_add(row.stat().kernel_time_of_children),
        ),
        kernel_of_children: ticks_to_100ns(row.stat().kernel_time_of_children),
        major_faults: row.stat().major_faults,
        resident: row.stat().resident.saturating_mul(page_size()) / 1024,
        blocks_read: blocks_in(&counters, "read_bytes"),
        blocks_written: blocks_in(&counters, "write_bytes"),
        shared: number_of(&memory, "RssFile")
            .zip(number_of(&memory, "RssShmem"))
            .map(|(files, memory)| files.saturating_add(memory)),
        text: number_of(&memory, "VmExe"),
        data: number_of(&memory, "VmData"),
        stack: number_of(&memory, "VmStk"),
        files: number_of(&memory, "RssFile"),
        ..Reading::default()
    }
}

/// Returns a count of bytes in blocks of 512 bytes.
fn blocks_in(counters: &str, name: &str) -> Option<u64> {
    number_of(counters, name).map(|octets| octets / 512)
}

/// Returns the number after a name in the lines of a file.
fn number_of(text: &str, name: &str) -> Option<u64> {
    let (_, value) = named(text.as_bytes()).find(|(own, _)| *own == name.as_bytes())?;
    std::str::from_utf8(value).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

/// Resources for `TopResourceConsumers`.
const RESOURCES: [(&str, Read<Reading>); 9] = [
    // Times and transfers are totals since the start of the process: a rate would need a second sample.
    ("CPUTime", |process| Some(process.user.saturating_add(process.kernel) / 10_000)),
    ("PercentUserTime", |process| Some(process.user / 10_000)),
    ("PercentPrivilegedTime", |process| Some(process.kernel / 10_000)),
    ("BlockReadsPerSecond", |process| process.blocks_read),
    ("BlockWritesPerSecond", |process| process.blocks_written),
    ("BlockTransfersPerSecond", |process| process.blocks_read?.checked_add(process.blocks_written?)),
    ("PagesReadPerSec", |process| Some(process.major_faults)),
    ("UsedMemory", |process| Some(process.resident)),
    ("PercentUsedMemory", |process| {
        Some(process.resident.saturating_mul(100) / process.memory.filter(|memory| *memory > 0)?)
    }),
];

/// Returns the processes that use most of a resource, as lines of text; `None` if the resource is unknown.
pub(super) fn top(machine: &Machine, resource: &str, count: usize) -> Option<io::Result<String>> {
    let (name, of) = RESOURCES.iter().find(|(name, _)| name.eq_ignore_ascii_case(resource))?;
    let reported = ProcessStatistics::read(machine).map(|processes| {
        let mut used: Vec<(u64, Instance<Reading>)> =
            processes.into_iter().filter_map(|process| Some((of(&process.reading)?, process))).collect();
        used.sort_by_key(|(used, process)| (std::cmp::Reverse(*used), process.identity));
        let mut text = format!("{:>8}  {:<16}  {name}\n", "PID", "Name");
        for (used, process) in used.into_iter().take(count) {
            let number = crate::performance::process::number_in(process.identity);
            let line = format!("{number:>8}  {:<16}  {used}\n", process.name.unwrap_or_default());
            text.push_str(&line);
        }
        text
    });
    Some(reported)
}
