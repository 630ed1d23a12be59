//! Load of the machine, sampled once per second and kept for ten minutes.

use std::collections::VecDeque;
use std::sync::Arc;

use linux::Machine;
use locks::Mutex;
use management::Timestamp;
use serde_json::{Value, json};

use crate::event_stream::EventStream;

/// Samples of the last ten minutes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    last: Option<Counters>,
    samples: VecDeque<Sample>,
}

/// Counters since boot.
#[derive(Clone, Copy, Debug)]
struct Counters {
    busy: u64,
    all: u64,
    received: u64,
    sent: u64,
}

/// Load during one second.
#[derive(Clone, Copy, Debug)]
struct Sample {
    time: Timestamp,
    /// Processor use, 0 to 100.
    cpu: f64,
    /// Used memory in bytes.
    memory: u64,
    /// Received and sent bytes.
    received: u64,
    sent: u64,
}

impl Metrics {
    /// Reads the counters of the machine and adds a sample.
    pub(crate) fn sample(&self, machine: &Machine, now: Timestamp) {
        let Some(counters) = counters(machine) else { return };
        let (total, available) = memory(machine).unwrap_or_default();
        let mut ring = self.0.lock();
        if let Some(last) = ring.last {
            let (busy, all) =
                (counters.busy.saturating_sub(last.busy), counters.all.saturating_sub(last.all));
            #[expect(clippy::cast_precision_loss, reason = "a second has few ticks")]
            let cpu = if all == 0 { 0.0 } else { (busy as f64 * 1_000.0 / all as f64).round() / 10.0 };
            let sample = Sample {
                time: now,
                cpu,
                memory: total.saturating_sub(available),
                received: counters.received.saturating_sub(last.received),
                sent: counters.sent.saturating_sub(last.sent),
            };
            if ring.samples.len() >= MAX_SAMPLES {
                ring.samples.pop_front();
            }
            ring.samples.push_back(sample);
        }
        ring.last = Some(counters);
    }

    /// Returns the samples after a time.
    pub(crate) fn since(&self, time: Timestamp) -> Vec<Value> {
        let ring = self.0.lock();
        let samples = ring.samples.iter().filter(|sample| sample.time > time);
        samples
            .map(|sample| {
                json!({
                    "time": sample.time.seconds(),
                    "cpu_percent": sample.cpu,
                    "memory_used": sample.memory,
                    "network_received": sample.received,
                    "network_sent": sample.sent,
                })
            })
            .collect()
    }
}

/// Samples as server-sent events.
#[derive(Debug)]
pub(crate) struct SampleStream {
    metrics: Metrics,
    /// Time of the last sample that was returned.
    last: Timestamp,
}

impl SampleStream {
    /// Begins with the samples after a time.
    pub(crate) fn new(metrics: Metrics, since: Timestamp) -> Self {
        Self { metrics, last: since }
    }
}

impl EventStream for SampleStream {
    /// Returns an event with an array of samples. Its identifier is the time of the last one.
    fn next_events(&mut self) -> Result<String, String> {
        let samples = self.metrics.since(self.last);
        let time = samples.last().and_then(|sample| sample.get("time")).and_then(Value::as_u64);
        let Some(time) = time else { return Ok(String::new()) };
        self.last = Timestamp::from_seconds(time);
        Ok(format!("id: {time}\ndata: {}\n\n", Value::Array(samples)))
    }
}

/// Returns total and available memory in bytes.
pub(crate) fn memory(machine: &Machine) -> Option<(u64, u64)> {
    let text = machine.text("/proc/meminfo").ok()?;
    Some((kibibytes(&text, "MemTotal:")?, kibibytes(&text, "MemAvailable:")?))
}

/// Returns a value of `/proc/meminfo` in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

fn counters(machine: &Machine) -> Option<Counters> {
    let stat = machine.text("/proc/stat").ok()?;
    let first = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = first.split_whitespace().take(8).filter_map(|field| field.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    // Idle and waiting for I/O.
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    let (mut received, mut sent) = (0, 0);
    let net = machine.text("/proc/net/dev").unwrap_or_default();
    for line in net.lines() {
        let Some((name, fields)) = line.split_once(':') else { continue };
        if name.trim() == "lo" {
            continue;
        }
        let mut fields = fields.split_whitespace().map(|field| field.parse::<u64>().unwrap_or(0));
        received += fields.next().unwrap_or(0);
        sent += fields.nth(7).unwrap_or(0);
    }
    Some(Counters { busy: all.saturating_sub(idle), all, received, sent })
}

const MAX_SAMPLES: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_differences_of_counters() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/net")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\n");
        write("proc/stat", "cpu  10 0 10 70 10 0 0 0 0 0\n");
        write("proc/net/dev", "  eth0: 100 0 0 0 0 0 0 0 200 0\n    lo: 9 0 0 0 0 0 0 0 9 0\n");
        let (machine, metrics) = (Machine::at(folder.path()), Metrics::default());
        metrics.sample(&machine, Timestamp::from_seconds(1));
        write("proc/stat", "cpu  40 0 30 120 10 0 0 0 0 0\n");
        write("proc/net/dev", "  eth0: 150 0 0 0 0 0 0 0 260 0\n");
        metrics.sample(&machine, Timestamp::from_seconds(2));
        let expected = json!([{
            "time": 2, "cpu_percent": 50.0, "memory_used": 614_400, "network_received": 50, "network_sent": 60,
        }]);
        assert_eq!(Value::Array(metrics.since(Timestamp::from_seconds(0))), expected);
        assert!(metrics.since(Timestamp::from_seconds(2)).is_empty());
        let mut stream = SampleStream::new(metrics, Timestamp::from_seconds(0));
        assert_eq!(stream.next_events().unwrap(), format!("id: 2\ndata: {expected}\n\n"));
        assert_eq!(stream.next_events().unwrap(), "");
    }
}
