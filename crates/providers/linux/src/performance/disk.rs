//! `PerfDisk_PhysicalDisk` and `PerfDisk_LogicalDisk`, from `/proc/diskstats` (kernel admin-guide, iostats).

use std::collections::HashMap;
use std::io;

use linux::mounts::{Mount, mounts};

use super::counter::{Counter, Kind, Read};
use super::object::{Instance, Object, Sum, with_total};
use super::sampler::now;
use crate::Machine;

pub(crate) struct PhysicalDisk;
pub(crate) struct LogicalDisk;

/// Traffic of a block device; times in units of 100 ns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    /// Total time of all reads; the next field is that of all writes.
    pub(crate) reading: u64,
    pub(crate) writing: u64,
    /// Total waiting time of all requests.
    pub(crate) waiting: u64,
    /// Time during which requests were in progress.
    pub(crate) busy: u64,
    /// Time without requests.
    pub(crate) idle: u64,
    pending: u64,
}

impl Sum for Traffic {
    fn add(&mut self, other: &Self) {
        self.reads = self.reads.saturating_add(other.reads);
        self.writes = self.writes.saturating_add(other.writes);
        self.bytes_read = self.bytes_read.saturating_add(other.bytes_read);
        self.bytes_written = self.bytes_written.saturating_add(other.bytes_written);
        self.reading = self.reading.saturating_add(other.reading);
        self.writing = self.writing.saturating_add(other.writing);
        self.waiting = self.waiting.saturating_add(other.waiting);
        self.busy = self.busy.saturating_add(other.busy);
        self.idle = self.idle.saturating_add(other.idle);
        self.pending = self.pending.saturating_add(other.pending);
    }
}

/// Counters common to disks and file systems, followed by additional ones.
macro_rules! counters {
    ($traffic:expr; $($more:expr),*) => {
        &[
            Counter::average("AvgDiskBytesPerRead", |r| Some($traffic(r).bytes_read), |r| Some($traffic(r).reads)),
            Counter::average(
                "AvgDiskBytesPerTransfer",
                |r| Some($traffic(r).bytes_read.saturating_add($traffic(r).bytes_written)),
                |r| Some($traffic(r).reads.saturating_add($traffic(r).writes)),
            ),
            Counter::average("AvgDiskBytesPerWrite", |r| Some($traffic(r).bytes_written), |r| Some($traffic(r).writes)),
            Counter::queue_length("AvgDiskQueueLength", |r| Some($traffic(r).waiting)),
            Counter::queue_length("AvgDiskReadQueueLength", |r| Some($traffic(r).reading)),
            Counter::average_time("AvgDisksecPerRead", |r| Some($traffic(r).reading), |r| Some($traffic(r).reads)),
            Counter::average_time(
                "AvgDisksecPerTransfer",
                |r| Some($traffic(r).reading.saturating_add($traffic(r).writing)),
                |r| Some($traffic(r).reads.saturating_add($traffic(r).writes)),
            ),
            Counter::average_time("AvgDisksecPerWrite", |r| Some($traffic(r).writing), |r| Some($traffic(r).writes)),
            Counter::queue_length("AvgDiskWriteQueueLength", |r| Some($traffic(r).writing)),
            Counter::number("CurrentDiskQueueLength", |r| Some($traffic(r).pending)),
            Counter::rate("DiskBytesPersec", |r| Some($traffic(r).bytes_read.saturating_add($traffic(r).bytes_written))),
            Counter::rate("DiskReadBytesPersec", |r| Some($traffic(r).bytes_read)),
            Counter::rate("DiskReadsPersec", |r| Some($traffic(r).reads)),
            Counter::rate("DiskTransfersPersec", |r| Some($traffic(r).reads.saturating_add($traffic(r).writes))),
            Counter::rate("DiskWriteBytesPersec", |r| Some($traffic(r).bytes_written)),
            Counter::rate("DiskWritesPersec", |r| Some($traffic(r).writes)),
            Counter::precision_timer("PercentDiskReadTime", |r| Some($traffic(r).reading)),
            Counter::precision_timer("PercentDiskTime", |r| Some($traffic(r).busy)),
            Counter::precision_timer("PercentDiskWriteTime", |r| Some($traffic(r).writing)),
            Counter::precision_timer("PercentIdleTime", |r| Some($traffic(r).idle)),
            Counter::unknown("SplitIOPerSec", Kind::Rate),
            $($more),*
        ]
    };
}

fn itself(traffic: &Traffic) -> &Traffic {
    traffic
}

impl Object for PhysicalDisk {
    type Reading = Traffic;

    const NAME: &'static str = "PerfDisk_PhysicalDisk";

    const COUNTERS: &'static [Counter<Traffic>] = counters!(itself;);

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Traffic>>> {
        Ok(with_total(physical(machine)?))
    }
}

/// Traffic of a file system, and its size, space available to unprivileged users, and used space in MiB. The space that
/// is reserved for root is neither available nor used.
#[derive(Debug, Default)]
pub(crate) struct Volume {
    pub(crate) traffic: Traffic,
    pub(crate) size: u64,
    pub(crate) free: u64,
    pub(crate) used: u64,
    /// Total inodes; the next field is the number of free inodes.
    pub(crate) inodes: u64,
    pub(crate) free_inodes: u64,
}

impl Volume {
    const SIZE: Read<Self> = |volume| Some(volume.size);
    const FREE: Read<Self> = |volume| Some(volume.free);
}

impl Sum for Volume {
    fn add(&mut self, other: &Self) {
        self.traffic.add(&other.traffic);
        self.size = self.size.saturating_add(other.size);
        self.free = self.free.saturating_add(other.free);
        self.used = self.used.saturating_add(other.used);
        self.inodes = self.inodes.saturating_add(other.inodes);
        self.free_inodes = self.free_inodes.saturating_add(other.free_inodes);
    }
}

fn traffic(volume: &Volume) -> &Traffic {
    &volume.traffic
}

impl Object for LogicalDisk {
    type Reading = Volume;

    const NAME: &'static str = "PerfDisk_LogicalDisk";

    const COUNTERS: &'static [Counter<Volume>] = counters!(
        traffic;
        Counter::number("FreeMegabytes", Volume::FREE),
        Counter::fraction("PercentFreeSpace", Volume::FREE, Volume::SIZE)
    );

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Volume>>> {
        let mut devices: HashMap<String, Traffic> = statistics(machine)?
            .into_iter()
            .flat_map(|device| [(device.number, device.traffic.clone()), (device.name, device.traffic)])
            .collect();
        let mut volumes = Vec::new();
        for mount in mounts(machine)? {
            // Shows each device once, at its first mount point. File systems that are not on block devices,
            // such as network file systems, are not asked: the call may block indefinitely.
            let name = mount.source.rsplit('/').next().unwrap_or_default().to_owned();
            let number = format!("{}:{}", mount.device.0, mount.device.1);
            let Some(traffic) = devices.remove(&number).or_else(|| devices.remove(&name)) else {
                continue;
            };
            let volume = space(machine, &mount).unwrap_or_default();
            volumes.push(Instance::named(mount.place, Volume { traffic, ..volume }));
        }
        Ok(with_total(volumes))
    }
}

/// Returns the size, the used space, and the space available to unprivileged users, in MiB; `None` if the file system cannot
/// be read.
fn space(machine: &Machine, mount: &Mount) -> Option<Volume> {
    let space = rustix::fs::statvfs(machine.path(mount.place.trim_start_matches('/'))).ok()?;
    Some(Volume {
        size: mib(space.f_blocks, space.f_frsize),
        free: mib(space.f_bavail, space.f_frsize),
        used: mib(space.f_blocks.saturating_sub(space.f_bfree), space.f_frsize),
        inodes: space.f_files,
        free_inodes: space.f_ffree,
        ..Volume::default()
    })
}

fn mib(blocks: u64, block_size: u64) -> u64 {
    blocks.saturating_mul(block_size) >> 20
}

/// Returns the disks that have a device, with names such as `0 sda`.
pub(crate) fn physical(machine: &Machine) -> io::Result<Vec<Instance<Traffic>>> {
    let disks = statistics(machine)?
        .into_iter()
        .filter(|device| machine.path(format!("sys/block/{}/device", device.name)).exists());
    Ok(disks
        .map(|device| {
            let name = match number(&device.name) {
                Some(number) => format!("{number} {}", device.name),
                None => device.name,
            };
            Instance::named(name, device.traffic)
        })
        .collect())
}

/// Returns the number of a disk among those of its kind: 1 for `sdb`, 0 for `nvme0n1` and `mmcblk0`.
fn number(name: &str) -> Option<u32> {
    if let Some(digits) = name.find(|character: char| character.is_ascii_digit()) {
        let rest = name.get(digits..)?;
        let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        return rest.get(..end)?.parse().ok();
    }
    let letters =
        name.strip_prefix("sd").or_else(|| name.strip_prefix("xvd")).or_else(|| name.strip_prefix("vd"))?;
    let ordinal = letters.bytes().try_fold(0_u32, |sum, letter| {
        let digit = letter.checked_sub(b'a').filter(|digit| *digit < 26)?;
        sum.checked_mul(26)?.checked_add(u32::from(digit) + 1)
    })?;
    ordinal.checked_sub(1)
}

/// A line of `/proc/diskstats`.
struct Device {
    /// Device number, such as `8:0`.
    number: String,
    name: String,
    traffic: Traffic,
}

fn statistics(machine: &Machine) -> io::Result<Vec<Device>> {
    let up = now().since_boot;
    let text = machine.text("proc/diskstats")?;
    Ok(text.lines().filter_map(|line| device(line, up)).collect())
}

fn device(line: &str, up: u64) -> Option<Device> {
    /// Size of a sector in bytes; the kernel counts in this unit for every device.
    const SECTOR: u64 = 512;
    let mut fields = line.split_ascii_whitespace();
    let number = format!("{}:{}", fields.next()?, fields.next()?);
    let name = fields.next()?.to_owned();
    let numbers: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    let [reads, _, sectors_read, reading, writes, _, sectors_written, writing, pending, busy, waiting, ..] =
        *numbers.as_slice()
    else {
        return None;
    };
    let traffic = Traffic {
        reads,
        writes,
        bytes_read: sectors_read.saturating_mul(SECTOR),
        bytes_written: sectors_written.saturating_mul(SECTOR),
        reading: ticks(reading),
        writing: ticks(writing),
        waiting: ticks(waiting),
        busy: ticks(busy),
        idle: up.saturating_sub(ticks(busy)),
        pending,
    };
    Some(Device { number, name, traffic })
}

/// Returns a time in units of 100 ns.
fn ticks(milliseconds: u64) -> u64 {
    milliseconds.saturating_mul(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_have_the_numbers_of_their_names() {
        let of = |name| number(name);
        assert_eq!(
            [of("sda"), of("vdb"), of("sdaa"), of("nvme3n1"), of("mmcblk0")].map(Option::unwrap),
            [0, 1, 26, 3, 0]
        );
        assert_eq!(of("pmem"), None);
    }
}
