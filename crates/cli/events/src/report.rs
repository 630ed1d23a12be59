//! Texts about sources.

use std::fmt::Write as _;

use cli_command::{Failure, date};
use eventing::{SourceState, StoredSource};
use serde_json::json;

use crate::Collected;
use crate::health::Health;
use crate::source_name::{is_named, printable};

/// Returns a table with a line for each source and subscription.
pub(crate) fn text(collected: &Collected) -> String {
    let mut rows =
        vec![["SOURCE", "SUBSCRIPTION", "STATE", "LAST CONTACT", "LAST EVENTS"].map(str::to_owned)];
    rows.extend(entries(collected).map(|entry| {
        [
            printable(&entry.source.name),
            entry.name.clone(),
            entry.health.word().to_owned(),
            age(entry.state.last_heartbeat, collected.now),
            age(entry.state.last_event, collected.now),
        ]
    }));
    if rows.len() == 1 {
        return "no source has sent a message yet, and the collector has connected to none\n".to_owned();
    }
    let widths: Vec<usize> = (0..5).map(|column| width(&rows, column)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// Returns the width of a column in characters.
fn width(rows: &[[String; 5]], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
}

/// Returns the sources as a JSON array.
pub(crate) fn json(collected: &Collected) -> String {
    let entries = entries(collected).map(|entry| {
        json!({
            "source": entry.source.name, "proof": entry.source.proof, "machineId": entry.source.machine_id,
            "subscription": entry.name, "state": entry.health.word(), "address": entry.state.remote_ip,
            "firstSeen": entry.source.first_seen, "lastContact": entry.state.last_heartbeat,
            "lastEvents": entry.state.last_event, "batches": entry.state.batches, "lastFault": entry.state.last_fault,
            "faultCode": entry.state.fault_code, "faultTime": entry.state.fault_time,
            "nextAttempt": entry.state.retry_time,
        })
    });
    format!("{:#}\n", serde_json::Value::from_iter(entries))
}

/// Returns the sources as metrics.
pub(crate) fn prometheus(collected: &Collected) -> String {
    type Metric = (&'static str, &'static str, &'static str, fn(&Entry<'_>) -> Option<i64>);
    const METRICS: [Metric; 4] = [
        ("last_contact_timestamp_seconds", "gauge", "Time of the last message.", |one| {
            one.state.last_heartbeat
        }),
        ("last_event_timestamp_seconds", "gauge", "Time of the last events.", |one| one.state.last_event),
        ("batches_total", "counter", "Number of acknowledged batches.", |one| Some(one.state.batches)),
        ("healthy", "gauge", "Whether events or heartbeats arrive.", |one| {
            Some(i64::from(matches!(one.health, Health::Active | Health::NoEvents)))
        }),
    ];
    let mut text = String::new();
    for (name, kind, help, value) in METRICS {
        let _ = writeln!(text, "# HELP telarch_event_source_{name} {help}");
        let _ = writeln!(text, "# TYPE telarch_event_source_{name} {kind}");
        for entry in entries(collected) {
            if let Some(value) = value(&entry) {
                let (source, subscription) = (label(&entry.source.id), label(&entry.name));
                let labels = format!("source=\"{source}\",subscription=\"{subscription}\"");
                let _ = writeln!(text, "telarch_event_source_{name}{{{labels}}} {value}");
            }
        }
    }
    text
}

/// Returns the explanation of the state of a source.
pub(crate) fn explain(collected: &Collected, name: &str) -> Result<String, Failure> {
    let found = sources_named(collected, name)?;
    let mut text = String::new();
    for source in found {
        let _ = writeln!(text, "{} ({})", printable(&source.name), source.proof);
        let _ = writeln!(text, "  first contact: {}", time(Some(source.first_seen)));
        if let Some(machine_id) =
            source.machine_id.as_deref().filter(|id| !id.eq_ignore_ascii_case(&source.name))
        {
            let _ = writeln!(text, "  name in messages: {}", printable(machine_id));
        }
        for entry in entries_of(collected, source) {
            write_entry(&mut text, collected, &entry);
        }
        let quarantine = collected.folder.join("quarantine");
        let _ = writeln!(text, "  events that could not be stored: {}", quarantine.display());
    }
    Ok(text)
}

/// Returns the sources with a name; an error if there are none.
pub(crate) fn sources_named<'c>(
    collected: &'c Collected,
    name: &str,
) -> Result<Vec<&'c StoredSource>, Failure> {
    let found: Vec<_> = collected.sources.iter().filter(|source| is_named(source, name)).collect();
    if found.is_empty() { Err(unknown(collected, name)) } else { Ok(found) }
}

fn write_entry(text: &mut String, collected: &Collected, entry: &Entry<'_>) {
    let (state, now) = (entry.state, collected.now);
    let _ = writeln!(text, "  subscription {}: {}", entry.name, entry.health.word());
    let address = state.remote_ip.as_deref().unwrap_or("an unknown address");
    let contact = (time(state.last_heartbeat), age(state.last_heartbeat, now));
    let _ = writeln!(text, "    last contact: {} ({}), from {}", contact.0, contact.1, printable(address));
    let events = (time(state.last_event), age(state.last_event, now));
    let _ = writeln!(text, "    last events: {} ({}), {} batches in all", events.0, events.1, state.batches);
    if let Some(node) = &state.node {
        let _ = writeln!(text, "    collector: {}", printable(node));
    }
    if let Some(fault) = &state.last_fault {
        let _ = writeln!(text, "    last fault: {}", printable(fault));
        if state.fault_time.is_some() {
            let _ = writeln!(
                text,
                "    time of the fault: {} ({})",
                time(state.fault_time),
                age(state.fault_time, now)
            );
        }
        if state.retry_time.is_some() {
            let _ = writeln!(text, "    next attempt: {}", time(state.retry_time));
        }
    }
    let advice = match entry.source.proof == PULLED {
        true => entry.health.advice_for_pulled(),
        false => entry.health.advice(),
    };
    let _ = writeln!(text, "    {advice}");
}

/// Proof of a source to which the collector connects.
const PULLED: &str = "address";

fn unknown(collected: &Collected, name: &str) -> Failure {
    let names: Vec<String> = collected.sources.iter().take(5).map(|source| printable(&source.name)).collect();
    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Failure::failed(
        format!("the collector has received no message from {}; known sources: {known}", printable(name)),
        "check on the source: the policy \"Configure target Subscription Manager\" with URL and IssuerCA, the log \
         Microsoft-Windows-Forwarding/Operational, and that it reaches the collector; the log of telarchd names \
         rejected sources",
    )
}

/// Source with its state in one subscription.
struct Entry<'c> {
    source: &'c StoredSource,
    /// Name of the subscription, or its identifier if it is unknown.
    name: String,
    state: &'c SourceState,
    health: Health,
}

fn entries(collected: &Collected) -> impl Iterator<Item = Entry<'_>> {
    collected.sources.iter().flat_map(|source| entries_of(collected, source))
}

fn entries_of<'c>(collected: &'c Collected, source: &'c StoredSource) -> impl Iterator<Item = Entry<'c>> {
    source.states.iter().map(|(id, state)| {
        let subscription = collected.subscription(id);
        let name = printable(subscription.map_or(id.as_str(), |one| one.name.as_str()));
        Entry { source, name, state, health: Health::of(state, subscription, collected.now) }
    })
}

/// Returns a time, or `never`.
fn time(seconds: Option<i64>) -> String {
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or_else(|| "never".to_owned(), date::minute)
}

/// Returns the time that has passed, such as `3 min ago`.
fn age(seconds: Option<i64>, now: i64) -> String {
    let Some(then) = seconds else { return "never".to_owned() };
    match now.saturating_sub(then).max(0) {
        passed @ 0..120 => format!("{passed} s ago"),
        passed @ 120..7_200 => format!("{} min ago", passed / 60),
        passed @ 7_200..172_800 => format!("{} h ago", passed / 3_600),
        passed => format!("{} days ago", passed / 86_400),
    }
}

/// Returns the value of a label of Prometheus.
fn label(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}
