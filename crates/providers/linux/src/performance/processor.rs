//! `PerfOS_Processor`, from `/proc/stat`, `/proc/interrupts`, `/proc/softirqs` and cpuidle.

use std::collections::HashMap;
use std::io;

use linux::process::stat::ticks_to_100ns;

use super::counter::{Counter, Kind};
use super::object::{Instance, Object, TOTAL};
use crate::Machine;

pub(crate) struct Processor;

/// Readings of a processor; times in units of 100 ns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) user: u64,
    pub(crate) nice: u64,
    pub(crate) privileged: u64,
    /// Idle time, including the time spent waiting for disks.
    pub(crate) idle: u64,
    pub(crate) waiting: u64,
    pub(crate) interrupt: u64,
    pub(crate) soft_interrupt: u64,
    pub(super) interrupts: Option<u64>,
    pub(super) soft_interrupts: Option<u64>,
    /// Number of entries and total duration of the idle states C1, C2, and C3 with all deeper ones.
    states: [Option<(u64, u64)>; 3],
}

pub(super) fn entered(reading: &Reading, state: usize) -> Option<u64> {
    reading.states.get(state).copied().flatten().map(|(times, _)| times)
}

pub(super) fn lasted(reading: &Reading, state: usize) -> Option<u64> {
    reading.states.get(state).copied().flatten().map(|(_, time)| time)
}

impl Object for Processor {
    type Reading = Reading;

    const NAME: &'static str = "PerfOS_Processor";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::rate("C1TransitionsPersec", |reading| entered(reading, 0)),
        Counter::rate("C2TransitionsPersec", |reading| entered(reading, 1)),
        Counter::rate("C3TransitionsPersec", |reading| entered(reading, 2)),
        Counter::unknown("DPCRate", Kind::Number),
        Counter::rate("DPCsQueuedPersec", |reading| reading.soft_interrupts),
        Counter::rate("InterruptsPersec", |reading| reading.interrupts),
        Counter::timer("PercentC1Time", |reading| lasted(reading, 0)),
        Counter::timer("PercentC2Time", |reading| lasted(reading, 1)),
        Counter::timer("PercentC3Time", |reading| lasted(reading, 2)),
        Counter::timer("PercentDPCTime", |reading| Some(reading.soft_interrupt)),
        Counter::timer("PercentIdleTime", |reading| Some(reading.idle)),
        Counter::timer("PercentInterruptTime", |reading| Some(reading.interrupt)),
        Counter::timer("PercentPrivilegedTime", |reading| Some(reading.privileged)),
        // The counter holds the idle time, as its type INV requires.
        Counter::inverse_timer("PercentProcessorTime", |reading| Some(reading.idle)),
        Counter::timer("PercentUserTime", |reading| Some(reading.user)),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let text = machine.text("proc/stat")?;
        let interrupts = counts(machine, "proc/interrupts");
        let soft_interrupts = counts(machine, "proc/softirqs");
        let processors = text.lines().filter_map(times_of).map(|(number, times)| {
            let reading = Reading {
                interrupts: interrupts.get(number).copied(),
                soft_interrupts: soft_interrupts.get(number).copied(),
                states: idle_states(machine, number),
                ..times
            };
            Instance::named(number.to_owned(), reading)
        });
        Ok(with_average(processors.collect()))
    }
}

/// Parses the line of a processor in `/proc/stat` to its number and times.
fn times_of(line: &str) -> Option<(&str, Reading)> {
    // The first line, with the sums of all processors, has no number.
    let line = line.strip_prefix("cpu").filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut fields = line.split_ascii_whitespace();
    let number = fields.next()?;
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).map(ticks_to_100ns).collect();
    let [user, nice, system, idle, waiting, interrupt, soft_interrupt, ..] = *ticks.as_slice() else {
        return None;
    };
    let times = Reading {
        user: user.saturating_add(nice),
        nice,
        privileged: system.saturating_add(interrupt).saturating_add(soft_interrupt),
        idle: idle.saturating_add(waiting),
        waiting,
        interrupt,
        soft_interrupt,
        ..Reading::default()
    };
    Some((number, times))
}

/// Appends an instance with the average times and the total counts of all processors.
fn with_average(mut processors: Vec<Instance<Reading>>) -> Vec<Instance<Reading>> {
    let readings: Vec<&Reading> = processors.iter().map(|processor| &processor.reading).collect();
    let total = average_of(&readings);
    processors.push(Instance::named(TOTAL, total));
    processors
}

/// Returns the average times and the total counts of some processors.
pub(super) fn average_of(readings: &[&Reading]) -> Reading {
    let count = u64::try_from(readings.len()).unwrap_or(u64::MAX).max(1);
    let readings = || readings.iter().copied();
    let average = |time: fn(&Reading) -> u64| readings().map(time).fold(0, u64::saturating_add) / count;
    let sum = |number: fn(&Reading) -> Option<u64>| all_of(readings().map(number));
    let state = |index: usize| {
        let times = all_of(readings().map(|reading| entered(reading, index)));
        let time = all_of(readings().map(|reading| lasted(reading, index)));
        times.zip(time.map(|time| time / count))
    };
    Reading {
        user: average(|reading| reading.user),
        nice: average(|reading| reading.nice),
        privileged: average(|reading| reading.privileged),
        idle: average(|reading| reading.idle),
        waiting: average(|reading| reading.waiting),
        interrupt: average(|reading| reading.interrupt),
        soft_interrupt: average(|reading| reading.soft_interrupt),
        interrupts: sum(|reading| reading.interrupts),
        soft_interrupts: sum(|reading| reading.soft_interrupts),
        states: [state(0), state(1), state(2)],
    }
}

/// Returns the sum of the numbers; `None` if one of them is unknown.
pub(super) fn all_of(mut numbers: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    numbers.try_fold(0_u64, |sum, number| Some(sum.saturating_add(number?)))
}

/// Returns the sum of each processor's column in a table whose first line names the processors.
fn counts(machine: &Machine, path: &str) -> HashMap<String, u64> {
    let text = machine.text(path).unwrap_or_default();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
    let names = names.into_iter().map(|name| name.trim_start_matches("CPU").to_owned());
    let mut sums: Vec<(String, u64)> = names.map(|name| (name, 0)).collect();
    for line in lines {
        // Lines with fewer columns are counts of the whole machine.
        let numbers = line.split_ascii_whitespace().skip(1).map_while(|field| field.parse::<u64>().ok());
        let numbers: Vec<u64> = numbers.take(sums.len()).collect();
        if numbers.len() == sums.len() {
            sums.iter_mut().zip(numbers).for_each(|((_, sum), number)| *sum = sum.saturating_add(number));
        }
    }
    sums.into_iter().collect()
}

fn idle_states(machine: &Machine, number: &str) -> [Option<(u64, u64)>; 3] {
    let folder = format!("sys/devices/system/cpu/cpu{number}/cpuidle");
    let mut states = [None; 3];
    for state in machine.names(&folder).unwrap_or_default() {
        let Some(state) = state.to_str() else { continue };
        let state = format!("{folder}/{state}");
        let name = machine.line(format!("{state}/name")).unwrap_or_default();
        let depth = name.strip_prefix('C').and_then(|rest| rest.chars().next()?.to_digit(10));
        let slot = depth
            .filter(|depth| *depth > 0)
            .and_then(|depth| usize::try_from(depth.min(3) - 1).ok().and_then(|index| states.get_mut(index)));
        let times = machine.line(format!("{state}/usage")).and_then(|times| times.parse::<u64>().ok());
        let micros = machine.line(format!("{state}/time")).and_then(|micros| micros.parse::<u64>().ok());
        if let (Some(slot), Some(times), Some(micros)) = (slot, times, micros) {
            let (before, lasted): (u64, u64) = slot.unwrap_or_default();
            *slot = Some((before.saturating_add(times), lasted.saturating_add(micros.saturating_mul(10))));
        }
    }
    states
}
