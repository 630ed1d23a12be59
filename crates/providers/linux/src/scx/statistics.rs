//! Statistics classes of `root/scx`: the counters of [`crate::performance`] under other names.

use std::io;

use crate::Machine;
use crate::performance::counter::Counter;
use crate::performance::disk::{LogicalDisk, PhysicalDisk, Traffic, Volume};
use crate::performance::object::{Common, Flavor, Instance, Object};
use crate::performance::{memory, processor};

/// Properties of `SCX_StatisticalInformation` that are not counters.
const COMMON: &[(&str, Common)] = &[
    ("Caption", Common::Nothing),
    ("Description", Common::Nothing),
    ("ElementName", Common::Nothing),
    ("InstanceID", Common::Nothing),
    ("IsAggregate", Common::IsAggregate),
    ("Name", Common::Name),
];

/// Common properties, and `IsOnline` for devices that can be removed.
const COMMON_OF_DISKS: &[(&str, Common)] = &[
    ("Caption", Common::Nothing),
    ("Description", Common::Nothing),
    ("ElementName", Common::Nothing),
    ("InstanceID", Common::Nothing),
    ("IsAggregate", Common::IsAggregate),
    // Removed devices are not counted.
    ("IsOnline", Common::True),
    ("Name", Common::Name),
];

pub(super) struct Processor;
pub(super) struct RealTimeProcessor;
pub(super) struct Memory;
pub(super) struct DiskDrive;
pub(super) struct FileSystem;

const PROCESSOR: &[Counter<processor::Reading>] = &[
    Counter::timer("PercentDPCTime", |reading| Some(reading.soft_interrupt)),
    Counter::timer("PercentIdleTime", |reading| Some(reading.idle - reading.waiting)),
    Counter::timer("PercentInterruptTime", |reading| Some(reading.interrupt)),
    Counter::timer("PercentIOWaitTime", |reading| Some(reading.waiting)),
    Counter::timer("PercentNiceTime", |reading| Some(reading.nice)),
    Counter::timer("PercentPrivilegedTime", |reading| Some(reading.privileged)),
    Counter::inverse_timer("PercentProcessorTime", |reading| Some(reading.idle)),
    Counter::timer("PercentUserTime", |reading| Some(reading.user - reading.nice)),
];

impl Object for Processor {
    type Reading = processor::Reading;

    const NAMESPACE: &'static str = super::NAMESPACE;
    const NAME: &'static str = "SCX_ProcessorStatisticalInformation";
    const CLASSES: &'static [Flavor] = &[Flavor::Plain];
    const COMMON: &'static [(&'static str, Common)] = COMMON;
    const COUNTERS: &'static [Counter<processor::Reading>] = PROCESSOR;

    fn read(machine: &Machine) -> io::Result<Vec<Instance<processor::Reading>>> {
        processor::Processor::read(machine)
    }
}

impl Object for RealTimeProcessor {
    type Reading = processor::Reading;

    const NAMESPACE: &'static str = super::NAMESPACE;
    const NAME: &'static str = "SCX_RTProcessorStatisticalInformation";
    const CLASSES: &'static [Flavor] = &[Flavor::Plain];
    const COMMON: &'static [(&'static str, Common)] = COMMON;
    const COUNTERS: &'static [Counter<processor::Reading>] = PROCESSOR;

    fn read(machine: &Machine) -> io::Result<Vec<Instance<processor::Reading>>> {
        processor::Processor::read(machine)
    }
}

/// Converts KiB to MiB.
fn mib(kib: Option<u64>) -> Option<u64> {
    Some(kib? / 1024)
}

fn difference(reading: &memory::Reading, all: &str, rest: &str) -> Option<u64> {
    reading.kib(all)?.checked_sub(reading.kib(rest)?)
}

impl Object for Memory {
    type Reading = memory::Reading;

    const NAMESPACE: &'static str = super::NAMESPACE;
    const NAME: &'static str = "SCX_MemoryStatisticalInformation";
    const CLASSES: &'static [Flavor] = &[Flavor::Plain];
    const COMMON: &'static [(&'static str, Common)] = &[
        ("Caption", Common::Nothing),
        ("Description", Common::Nothing),
        ("ElementName", Common::Nothing),
        ("InstanceID", Common::Nothing),
        ("IsAggregate", Common::True),
        ("Name", Common::Text("Memory")),
    ];
    const COUNTERS: &'static [Counter<memory::Reading>] = &[
        Counter::number("AvailableMemory", |reading| mib(reading.kib("MemAvailable"))),
        Counter::number("AvailableSwap", |reading| mib(reading.kib("SwapFree"))),
        Counter::rate("PagesPerSec", |reading| {
            Some(reading.pages_in()?.saturating_add(reading.pages_out()?))
        }),
        Counter::rate("PagesReadPerSec", memory::Reading::pages_in),
        Counter::rate("PagesWrittenPerSec", memory::Reading::pages_out),
        Counter::fraction(
            "PercentAvailableMemory",
            |reading| reading.kib("MemAvailable"),
            |reading| reading.kib("MemTotal"),
        ),
        Counter::fraction(
            "PercentAvailableSwap",
            |reading| reading.kib("SwapFree"),
            |reading| reading.kib("SwapTotal"),
        ),
        Counter::fraction(
            "PercentUsedByCache",
            |reading| Some(reading.kib("Cached")?.saturating_add(reading.kib("Buffers")?)),
            |reading| reading.kib("MemTotal"),
        ),
        Counter::fraction(
            "PercentUsedMemory",
            |reading| difference(reading, "MemTotal", "MemAvailable"),
            |reading| reading.kib("MemTotal"),
        ),
        Counter::fraction(
            "PercentUsedSwap",
            |reading| difference(reading, "SwapTotal", "SwapFree"),
            |reading| reading.kib("SwapTotal"),
        ),
        Counter::number("UsedMemory", |reading| mib(difference(reading, "MemTotal", "MemAvailable"))),
        Counter::number("UsedSwap", |reading| mib(difference(reading, "SwapTotal", "SwapFree"))),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<memory::Reading>>> {
        memory::Memory::read(machine)
    }
}

impl Object for DiskDrive {
    type Reading = Traffic;

    const NAMESPACE: &'static str = super::NAMESPACE;
    const NAME: &'static str = "SCX_DiskDriveStatisticalInformation";
    const CLASSES: &'static [Flavor] = &[Flavor::Plain];
    const COMMON: &'static [(&'static str, Common)] = COMMON_OF_DISKS;
    const COUNTERS: &'static [Counter<Traffic>] = &[
        Counter::queue_length("AverageDiskQueueLength", |disk| Some(disk.waiting)),
        Counter::average_time("AverageReadTime", |disk| Some(disk.reading), |disk| Some(disk.reads)),
        Counter::average_time(
            "AverageTransferTime",
            |disk| Some(disk.reading.saturating_add(disk.writing)),
            |disk| Some(disk.reads.saturating_add(disk.writes)),
        ),
        Counter::average_time("AverageWriteTime", |disk| Some(disk.writing), |disk| Some(disk.writes)),
        Counter::rate("BytesPerSecond", |disk| Some(disk.bytes_read.saturating_add(disk.bytes_written))),
        Counter::timer("PercentBusyTime", |disk| Some(disk.busy)),
        Counter::timer("PercentIdleTime", |disk| Some(disk.idle)),
        Counter::rate("ReadBytesPerSecond", |disk| Some(disk.bytes_read)),
        Counter::rate("ReadsPerSecond", |disk| Some(disk.reads)),
        Counter::rate("TransfersPerSecond", |disk| Some(disk.reads.saturating_add(disk.writes))),
        Counter::rate("WriteBytesPerSecond", |disk| Some(disk.bytes_written)),
        Counter::rate("WritesPerSecond", |disk| Some(disk.writes)),
    ];

    /// Reads the disks with their names in `/dev`, without the number that Windows puts first.
    fn read(machine: &Machine) -> io::Result<Vec<Instance<Traffic>>> {
        let mut disks = PhysicalDisk::read(machine)?;
        for disk in &mut disks {
            let device =
                disk.name.as_deref().and_then(|name| name.split_once(' ')).map(|(_, name)| name.to_owned());
            disk.name = device.or(disk.name.take());
        }
        Ok(disks)
    }
}

/// Returns the space that `df` calculates percentages of: without the part that is reserved for root.
fn usable(volume: &Volume) -> Option<u64> {
    volume.used.checked_add(volume.free)
}

impl Object for FileSystem {
    type Reading = Volume;

    const NAMESPACE: &'static str = super::NAMESPACE;
    const NAME: &'static str = "SCX_FileSystemStatisticalInformation";
    const CLASSES: &'static [Flavor] = &[Flavor::Plain];
    const COMMON: &'static [(&'static str, Common)] = COMMON_OF_DISKS;
    const COUNTERS: &'static [Counter<Volume>] = &[
        Counter::queue_length("AverageDiskQueueLength", |volume| Some(volume.traffic.waiting)),
        Counter::average_time(
            "AverageTransferTime",
            |volume| Some(volume.traffic.reading.saturating_add(volume.traffic.writing)),
            |volume| Some(volume.traffic.reads.saturating_add(volume.traffic.writes)),
        ),
        Counter::rate("BytesPerSecond", |volume| {
            Some(volume.traffic.bytes_read.saturating_add(volume.traffic.bytes_written))
        }),
        Counter::number("FreeMegabytes", |volume| Some(volume.free)),
        Counter::timer("PercentBusyTime", |volume| Some(volume.traffic.busy)),
        Counter::fraction(
            "PercentFreeInodes",
            |volume| Some(volume.free_inodes),
            |volume| Some(volume.inodes),
        ),
        Counter::fraction("PercentFreeSpace", |volume| Some(volume.free), usable),
        Counter::timer("PercentIdleTime", |volume| Some(volume.traffic.idle)),
        Counter::fraction(
            "PercentUsedInodes",
            |volume| volume.inodes.checked_sub(volume.free_inodes),
            |volume| Some(volume.inodes),
        ),
        Counter::fraction("PercentUsedSpace", |volume| Some(volume.used), usable),
        Counter::rate("ReadBytesPerSecond", |volume| Some(volume.traffic.bytes_read)),
        Counter::rate("ReadsPerSecond", |volume| Some(volume.traffic.reads)),
        Counter::rate("TransfersPerSecond", |volume| {
            Some(volume.traffic.reads.saturating_add(volume.traffic.writes))
        }),
        Counter::number("UsedMegabytes", |volume| Some(volume.used)),
        Counter::rate("WriteBytesPerSecond", |volume| Some(volume.traffic.bytes_written)),
        Counter::rate("WritesPerSecond", |volume| Some(volume.traffic.writes)),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Volume>>> {
        LogicalDisk::read(machine)
    }
}
