//! The forwarder with the collector of `telarchd`, and journals that `systemd-journal-remote` has written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)] // A test that panics has failed.

mod files;
mod machine;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::time::Duration;

use eventlog::export::{ExportedEntry, read_entry};
use machine::{ACCOUNT, Machine, Proof};
use serde_json::Value;
use telarch_peers::{Keys, in_realm};

/// Returns the entries as `journalctl -o export` writes them.
fn exported(machine: &Machine) -> Vec<ExportedEntry> {
    let mut command = std::process::Command::new("journalctl");
    let output = command.arg("--directory").arg(machine.journal()).args(["-o", "export"]).output().unwrap();
    assert!(output.status.success());
    let mut reader = BufReader::new(output.stdout.as_slice());
    std::iter::from_fn(|| read_entry(&mut reader).unwrap()).collect()
}

/// Returns the values of each field, binary ones as hexadecimal digits.
fn expected(entry: &ExportedEntry) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in entry {
        // Newer versions add the position of the entry in its sequence.
        if name.starts_with("__SEQNUM") {
            continue;
        }
        let (name, value) = match std::str::from_utf8(value) {
            Ok(text) if !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') => {
                (name.clone(), text.to_owned())
            }
            _ => (format!("{name}.hex"), value.iter().map(|byte| format!("{byte:02x}")).collect()),
        };
        fields.entry(name).or_default().push(value);
    }
    fields
}

/// Returns the values of each field of a stored event.
fn stored(event: &Value) -> BTreeMap<String, Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let values = |value: &Value| match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    };
    event["EventData"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), values(value)))
        .collect()
}

fn record_ids(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["System"]["EventRecordID"].as_u64().unwrap()).collect()
}

#[test]
fn every_field_of_the_journal_arrives() {
    let Some(mut machine) = Machine::with_journal(500, 100, Proof::Certificate) else { return };
    machine.collect();
    machine.forward();
    let events = machine.wait_for_events(500);
    let journal = exported(&machine);
    assert_eq!(journal.len(), events.len());
    for (event, entry) in events.iter().zip(&journal) {
        assert_eq!(stored(event), expected(entry));
        assert_eq!(event["System"]["Computer"], "web1.example");
        assert!(event["Collector"].get("IdentityMismatch").is_none(), "{event}");
    }
    assert_eq!(record_ids(&events), (1..=500).collect::<Vec<_>>());
    let first = &events[0]["System"];
    assert_eq!(first["Provider"]["Name"], "program1");
    assert_eq!(first["Channel"], "Linux-Syslog/user");
    assert_eq!(first["UserID"], "S-1-22-1-0");
}

#[test]
fn new_entries_arrive_also_after_rotation_and_a_restart_continues() {
    let Some(mut machine) = Machine::with_journal(20, 7, Proof::Certificate) else { return };
    machine.collect();
    machine.forward();
    machine.wait_for_events(20);
    machine.append(21..31);
    machine.wait_for_events(30);
    machine.rotate();
    machine.append(31..61);
    machine.wait_for_events(60);
    machine.stop_forwarder();
    let log = machine.forwarder_log();
    assert!(log.contains("Subscription ended"), "{log}");
    assert!(machine.collector_log().contains("SourceShuttingDown"));
    machine.append(61..71);
    machine.forward();
    let events = machine.wait_for_events(70);
    let messages: Vec<&str> =
        events.iter().map(|event| event["EventData"]["MESSAGE"].as_str().unwrap()).collect();
    let wanted: Vec<String> = (1..71).map(|number| format!("message {number} <&> ä")).collect();
    assert_eq!(messages, wanted);
}

#[test]
fn a_changed_policy_takes_effect_at_once_and_is_reported_as_event_106() {
    let Some(mut machine) = Machine::with_journal(20, 7, Proof::Certificate) else { return };
    machine.collect();
    // No collector listens on the discard port.
    let elsewhere = machine.manager(9);
    machine.set_policy(std::slice::from_ref(&elsewhere));
    machine.forward_by_policy();
    let log = machine.wait_for_forwarder_log("event_id=105");
    assert!(!log.contains("event_id=106"), "the first policy is no change: {log}");
    let here = machine.manager(machine.port());
    machine.set_policy(&[elsewhere, here.clone()]);
    machine.wait_for_events(20);
    let log = machine.forwarder_log();
    assert!(log.contains("Policy SubscriptionManager changed event_id=106 managers=2"), "{log}");

    // An invalid value is ignored and changes nothing.
    machine.set_policy(&[here.clone(), "Server=wec".to_owned()]);
    machine.wait_for_forwarder_log("event_id=107");
    machine.wait_for_forwarder_log("event_id=106 managers=1");
    machine.append(21..31);
    machine.wait_for_events(30);
    assert!(!machine.forwarder_log().contains("Subscription ended"), "{}", machine.forwarder_log());

    machine.set_policy(&[]);
    machine.wait_for_forwarder_log("event_id=106 managers=0");
    machine.wait_for_forwarder_log("event_id=103");
    machine.stop_forwarder();
    assert_eq!(machine.forwarder_log().matches("event_id=106").count(), 3, "{}", machine.forwarder_log());
}

#[test]
fn no_entry_is_lost_when_the_forwarder_or_the_collector_is_killed() {
    const ENTRIES: u64 = 1_500;
    let Some(mut machine) = Machine::with_journal(ENTRIES, 10, Proof::Certificate) else { return };
    machine.collect();
    let mut killed_on_the_way = 0;
    for number in 0..12 {
        machine.forward();
        std::thread::sleep(Duration::from_millis(60 + 25 * number));
        machine.kill_forwarder();
        killed_on_the_way += u32::from(machine.event_count() < 1_500);
        if number % 4 == 3 {
            machine.kill_collector();
            machine.collect();
        }
    }
    machine.forward();
    let mut records = record_ids(&machine.wait_for(|events| {
        let mut records = record_ids(events);
        records.sort_unstable();
        records.dedup();
        records.len() == 1_500
    }));
    assert!(killed_on_the_way > 0, "the forwarder had always sent everything");
    let all = records.len();
    records.sort_unstable();
    records.dedup();
    assert_eq!(records, (1..=ENTRIES).collect::<Vec<_>>());
    // A batch is stored twice only if the collector was killed between storing it and its bookmark. The store of an
    // ephemeral collector ends with it, so that everything before is sent again.
    assert!(all as u64 <= ENTRIES * 4, "{all} events for {ENTRIES} entries");
}

/// The test is skipped without MIT Kerberos' KDC.
#[test]
fn events_arrive_with_kerberos_over_http() {
    in_realm("events_arrive_with_kerberos_over_http", Keys::AesSha2, |realm| {
        realm.kadmin(&format!("addprinc -pw \"{}\" {ACCOUNT}", telarch_peers::PASSWORD));
        realm.kinit_as(ACCOUNT, &[]);
        let Some(mut machine) = Machine::with_journal(50, 20, Proof::Kerberos) else { return };
        machine.collect();
        machine.forward();
        let events = machine.wait_for_events(50);
        assert_eq!(record_ids(&events), (1..=50).collect::<Vec<_>>());
        assert_eq!(events[0]["Collector"]["Source"], "web1");
    });
}
