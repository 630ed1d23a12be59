//! `Counters_ProcessorInformation`: the counters of `PerfOS_Processor` by NUMA node, with frequencies.
//!
//! Instances are named by node and processor, such as `0,3`; `0,_Total` is a node, and `_Total` the machine.

use std::collections::{BTreeMap, HashMap};
use std::io;

use super::counter::{Counter, Kind};
use super::object::{Instance, Object, TOTAL};
use super::processor::{self, Processor, all_of, average_of, entered, lasted};
use crate::Machine;

pub(super) struct ProcessorInformation;

/// Readings of a processor, a node or the machine.
#[derive(Debug, Default)]
pub(super) struct Reading {
    times: processor::Reading,
    frequency: Frequency,
    /// Number of interrupts of the processor's own timer.
    clock_interrupts: Option<u64>,
}

/// Frequencies of a processor; averages for a node or the machine.
#[derive(Clone, Copy, Debug, Default)]
struct Frequency {
    /// Current frequency in MHz.
    current: Option<u64>,
    /// Current frequency in percent of the maximum.
    of_maximum: Option<u64>,
    /// Limit set by policy in percent of the maximum.
    limit: Option<u64>,
}

impl Object for ProcessorInformation {
    type Reading = Reading;

    const NAME: &'static str = "Counters_ProcessorInformation";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::unknown("AverageIdleTime", Kind::Average),
        Counter::rate("C1TransitionsPersec", |reading| entered(&reading.times, 0)),
        Counter::rate("C2TransitionsPersec", |reading| entered(&reading.times, 1)),
        Counter::rate("C3TransitionsPersec", |reading| entered(&reading.times, 2)),
        Counter::rate("ClockInterruptsPersec", |reading| reading.clock_interrupts),
        Counter::unknown("DPCRate", Kind::Number),
        Counter::rate("DPCsQueuedPersec", |reading| reading.times.soft_interrupts),
        Counter::unknown("IdleBreakEventsPersec", Kind::Rate),
        Counter::rate("InterruptsPersec", |reading| reading.times.interrupts),
        Counter::unknown("ParkingStatus", Kind::Number),
        Counter::timer("PercentC1Time", |reading| lasted(&reading.times, 0)),
        Counter::timer("PercentC2Time", |reading| lasted(&reading.times, 1)),
        Counter::timer("PercentC3Time", |reading| lasted(&reading.times, 2)),
        Counter::timer("PercentDPCTime", |reading| Some(reading.times.soft_interrupt)),
        Counter::timer("PercentIdleTime", |reading| Some(reading.times.idle)),
        Counter::timer("PercentInterruptTime", |reading| Some(reading.times.interrupt)),
        Counter::number("PercentofMaximumFrequency", |reading| reading.frequency.of_maximum),
        Counter::number("PercentPerformanceLimit", |reading| reading.frequency.limit),
        Counter::unknown("PercentPriorityTime", Kind::Timer),
        Counter::timer("PercentPrivilegedTime", |reading| Some(reading.times.privileged)),
        Counter::unknown("PercentPrivilegedUtility", Kind::Average),
        Counter::unknown("PercentProcessorPerformance", Kind::Average),
        // The counter holds the idle time, as its type INV requires.
        Counter::inverse_timer("PercentProcessorTime", |reading| Some(reading.times.idle)),
        Counter::unknown("PercentProcessorUtility", Kind::Average),
        Counter::timer("PercentUserTime", |reading| Some(reading.times.user)),
        Counter::unknown("PerformanceLimitFlags", Kind::Number),
        Counter::number("ProcessorFrequency", |reading| reading.frequency.current),
        Counter::unknown("ProcessorStateFlags", Kind::Number),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let clocks = clock_interrupts(machine);
        let speeds = speeds(machine);
        let mut nodes: BTreeMap<u32, Vec<(String, Reading)>> = BTreeMap::new();
        for Instance { name, reading: times, .. } in Processor::read(machine)? {
            let Some(name) = name.filter(|name| name != TOTAL) else { continue };
            let reading = Reading {
                times,
                frequency: frequency(machine, &name, &speeds),
                clock_interrupts: clocks.get(&name).copied(),
            };
            nodes.entry(node_of(machine, &name)).or_default().push((name, reading));
        }
        let all: Vec<&Reading> = nodes.values().flatten().map(|(_, reading)| reading).collect();
        let total = together(&all);
        let mut instances = Vec::new();
        for (node, processors) in nodes {
            let readings: Vec<&Reading> = processors.iter().map(|(_, reading)| reading).collect();
            let sum = together(&readings);
            let named = processors.into_iter();
            instances.extend(named.map(|(name, reading)| Instance::named(format!("{node},{name}"), reading)));
            instances.push(Instance::named(format!("{node},{TOTAL}"), sum));
        }
        instances.push(Instance::named(TOTAL, total));
        Ok(instances)
    }
}

/// Returns the average times and frequencies, and the total counts, of some processors.
fn together(readings: &[&Reading]) -> Reading {
    let times: Vec<&processor::Reading> = readings.iter().map(|reading| &reading.times).collect();
    let count = u64::try_from(readings.len()).unwrap_or(u64::MAX).max(1);
    let average = |number: fn(&Frequency) -> Option<u64>| {
        all_of(readings.iter().map(|reading| number(&reading.frequency))).map(|sum| sum / count)
    };
    Reading {
        times: average_of(&times),
        frequency: Frequency {
            current: average(|frequency| frequency.current),
            of_maximum: average(|frequency| frequency.of_maximum),
            limit: average(|frequency| frequency.limit),
        },
        clock_interrupts: all_of(readings.iter().map(|reading| reading.clock_interrupts)),
    }
}

/// Returns the NUMA node of a processor; 0 on machines without NUMA.
fn node_of(machine: &Machine, processor: &str) -> u32 {
    let names = machine.names(format!("sys/devices/system/cpu/cpu{processor}")).unwrap_or_default();
    let node = names.iter().find_map(|name| name.to_str()?.strip_prefix("node")?.parse().ok());
    node.unwrap_or_default()
}

/// Returns the frequencies in MHz that `/proc/cpuinfo` shows, by processor.
fn speeds(machine: &Machine) -> HashMap<String, u64> {
    let text = machine.text("proc/cpuinfo").unwrap_or_default();
    let field = |block: &str, name: &str| {
        let mut fields = block.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(own, _)| own.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    let blocks = text.split("\n\n");
    let pairs = blocks.filter_map(|block| {
        let mhz = field(block, "cpu MHz")?.split('.').next()?.parse().ok()?;
        Some((field(block, "processor")?, mhz))
    });
    pairs.collect()
}

fn frequency(machine: &Machine, processor: &str, speeds: &HashMap<String, u64>) -> Frequency {
    let khz =
        |file: &str| machine.number::<u64>(format!("sys/devices/system/cpu/cpu{processor}/cpufreq/{file}"));
    let (current, limit, maximum) =
        (khz("scaling_cur_freq"), khz("scaling_max_freq"), khz("cpuinfo_max_freq"));
    let percent = |part: Option<u64>| part?.saturating_mul(100).checked_div(maximum?);
    Frequency {
        current: current.map(|khz| khz / 1_000).or_else(|| speeds.get(processor).copied()),
        of_maximum: percent(current),
        limit: percent(limit),
    }
}

/// Returns the number of interrupts of each processor's own timer (`LOC` of x86 in `/proc/interrupts`).
fn clock_interrupts(machine: &Machine) -> HashMap<String, u64> {
    let text = machine.text("proc/interrupts").unwrap_or_default();
    let names = text.lines().next().unwrap_or_default().split_ascii_whitespace();
    let names = names.filter_map(|name| name.strip_prefix("CPU"));
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("LOC:"));
    let counts = line.unwrap_or_default().split_ascii_whitespace().map_while(|count| count.parse().ok());
    names.map(str::to_owned).zip(counts).collect()
}
