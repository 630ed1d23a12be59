//! Memory, descriptors, threads and files of the service, sampled every second.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::service_process::{Telarchd, children, command_line};

/// Permitted increase of a process's memory in bytes, in addition to half of the initial value.
const ALLOWANCE: f64 = 16.0 * MEGABYTE;
const MEGABYTE: f64 = 1_048_576.0;

/// Measured values, in the order of the columns of a sample.
const ROWS: [Row; 14] = [
    Row::new("broker", "memory", MEGABYTE, Kind::Level),
    Row::new("broker", "descriptors", 1.0, Kind::Level),
    Row::new("broker", "threads", 1.0, Kind::Level),
    Row::new("gateway", "memory", MEGABYTE, Kind::Level),
    Row::new("gateway", "descriptors", 1.0, Kind::Level),
    Row::new("gateway", "threads", 1.0, Kind::Level),
    Row::new("hosts and sessions", "memory", MEGABYTE, Kind::Level),
    Row::new("hosts and sessions", "descriptors", 1.0, Kind::Level),
    Row::new("hosts and sessions", "threads", 1.0, Kind::Level),
    Row::new("hosts and sessions", "processes", 1.0, Kind::Level),
    Row::new("log", "bytes a second", 1.0, Kind::Growth),
    Row::new("audit records", "bytes a second", 1.0, Kind::Growth),
    Row::new("state directory", "bytes a second", 1.0, Kind::Growth),
    Row::new("all files", "bytes a second", 1.0, Kind::Growth),
];

#[derive(Clone, Copy)]
struct Row {
    of: &'static str,
    what: &'static str,
    /// Unit in which the value is printed.
    unit: f64,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Mean of the samples.
    Level,
    /// Difference of the last and the first sample per second.
    Growth,
}

impl Row {
    const fn new(of: &'static str, what: &'static str, unit: f64, kind: Kind) -> Self {
        Self { of, what, unit, kind }
    }
}

struct Sample {
    at: Instant,
    values: [f64; ROWS.len()],
}

pub(super) struct Sampler {
    broker: i32,
    state: PathBuf,
    log: PathBuf,
    samples: Vec<Sample>,
}

impl Sampler {
    pub(super) fn new(telarchd: &Telarchd, log: &Path) -> Self {
        let broker = telarchd.pid().as_raw_nonzero().get();
        Self { broker, state: telarchd.state(), log: log.to_owned(), samples: Vec::new() }
    }

    /// Takes a sample and returns it.
    pub(super) fn sample(&mut self) -> Quarter {
        let all = children(self.broker);
        let (gateways, sessions): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|child| command_line(*child).contains(": gateway"));
        let hosts: Vec<_> = sessions.iter().flat_map(|session| children(*session)).collect();
        let hosts = [sessions, hosts].concat();
        // An empty sum of floating-point numbers is -0.
        let [broker, gateway, hosted] = [&[self.broker][..], &gateways, &hosts]
            .map(|processes| [memory, descriptors, threads].map(|measure| sum(processes, measure)));
        let (log, state) = (size(&self.log), size_of_folder(&self.state));
        let audit = size(&self.state.join("audit.jsonl"));
        let mut values = [0.0; ROWS.len()];
        let count = [hosts.len() as f64];
        let all = [&broker[..], &gateway, &hosted, &count, &[log, audit, state, log + state]].concat();
        values.copy_from_slice(&all);
        self.samples.push(Sample { at: Instant::now(), values });
        Quarter { values }
    }

    /// Returns the four quarters of the time since the first sample.
    pub(super) fn table(&self) -> Table {
        let quarter = self.samples.len().div_ceil(4).max(2);
        Table(self.samples.chunks(quarter).map(Quarter::of).collect())
    }
}

/// Values of a quarter of the time, or of a moment.
#[derive(Clone, Copy)]
pub(super) struct Quarter {
    values: [f64; ROWS.len()],
}

impl Quarter {
    fn of(samples: &[Sample]) -> Self {
        let mut values = [0.0; ROWS.len()];
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Self { values } };
        let seconds = last.at.duration_since(first.at).max(Duration::from_secs(1)).as_secs_f64();
        for (column, (row, value)) in ROWS.iter().zip(&mut values).enumerate() {
            *value = match row.kind {
                Kind::Growth => (last.values[column] - first.values[column]) / seconds,
                Kind::Level => {
                    samples.iter().map(|sample| sample.values[column]).sum::<f64>() / samples.len() as f64
                }
            };
        }
        Self { values }
    }

    /// Describes processes with much more memory than before. Hosts are excluded, because users leave commands behind.
    pub(super) fn memory_beyond(&self, begin: &Self) -> Option<String> {
        let complaints =
            ROWS.iter().enumerate().filter(|(_, row)| row.what == "memory" && row.of != "hosts and sessions");
        let complaints: Vec<_> = complaints
            .filter(|(column, _)| self.values[*column] > begin.values[*column] * 1.5 + ALLOWANCE)
            .map(|(column, row)| {
                let [before, after] = [begin, self].map(|quarter| quarter.values[column] / row.unit);
                format!(
                    "the {} had {before:.0} MiB before the attack and has {after:.0} MiB after it",
                    row.of
                )
            })
            .collect();
        (!complaints.is_empty()).then(|| complaints.join("\n"))
    }
}

pub(super) struct Table(Vec<Quarter>);

impl Table {
    /// Describes values that have grown since the second quarter, and files that grow too fast.
    pub(super) fn unsteady(&self, growth: f64) -> Vec<String> {
        let (Some(second), Some(last)) = (self.0.get(1), self.0.last()) else { return Vec::new() };
        let mut complaints = Vec::new();
        for (column, row) in ROWS.iter().enumerate() {
            let (second, last) = (second.values[column], last.values[column]);
            let bound = match row.kind {
                Kind::Growth => growth,
                Kind::Level if row.what == "memory" => second * 1.25 + ALLOWANCE / 2.0,
                Kind::Level => second * 1.25 + 16.0,
            };
            if last > bound {
                let [second, last, bound] = [second, last, bound].map(|value| value / row.unit);
                complaints.push(format!(
                    "{}, {}: {last:.0} in the last quarter, {second:.0} in the second; at most {bound:.0} is accepted",
                    row.of, row.what
                ));
            }
        }
        complaints
    }

    /// Formats the table with the values before and after the attack.
    pub(super) fn with(&self, begin: &Quarter, end: &Quarter) -> String {
        let mut text = format!("{:<32}{:>10}", "", "before");
        for number in 1..=self.0.len() {
            text += &format!("{:>10}", format!("quarter {number}"));
        }
        text += &format!("{:>10}\n", "after");
        for (column, row) in ROWS.iter().enumerate() {
            let unit = if row.unit > 1.0 { ", MiB" } else { "" };
            text += &format!("{:<32}", format!("{}, {}{unit}", row.of, row.what));
            let all = [&[*begin][..], &self.0, &[*end]].concat();
            for (number, quarter) in all.iter().enumerate() {
                let is_moment = number == 0 || number + 1 == all.len();
                let shown = if is_moment && row.kind == Kind::Growth {
                    String::new()
                } else {
                    format!("{:.0}", quarter.values[column] / row.unit)
                };
                text += &format!("{shown:>10}");
            }
            text += "\n";
        }
        text
    }
}

fn sum(processes: &[i32], measure: fn(i32) -> f64) -> f64 {
    processes.iter().map(|process| measure(*process)).sum::<f64>() + 0.0
}

/// Returns resident memory in bytes; 0 if the process has ended.
fn memory(process: i32) -> f64 {
    status(process, "VmRSS:") * 1_024.0
}

fn threads(process: i32) -> f64 {
    status(process, "Threads:")
}

fn descriptors(process: i32) -> f64 {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count) as f64
}

fn status(process: i32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

fn size(path: &Path) -> f64 {
    fs::metadata(path).map_or(0, |found| found.len()) as f64
}

fn size_of_folder(path: &Path) -> f64 {
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size_of_folder(&entry.path()),
            Ok(kind) if kind.is_file() => size(&entry.path()),
            _ => 0.0,
        })
        .sum()
}
