//! Compares the logs of a separate journal with `journalctl`.

use std::process::Command;
use std::time::Duration;

use cim::Namespace;
use telarch_peers::{JOURNALD, Journald};
use tokio::time::timeout;
use wmi::{Context, Events, Occurrence};

use crate::world::{in_world, run};
use crate::{engine, machine, rows_of, text};

fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const SEND: &str = "logger --socket /run/systemd/journal/dev-log";

#[test]
fn records_of_the_journal_are_events_of_three_logs() {
    in_world(
        "log::records_of_the_journal_are_events_of_three_logs",
        &["journalctl", "logger", JOURNALD],
        || {
            let _journal = Journald::start();
            // The time of a record is that at which journald reads it.
            shell(&format!(
                "{SEND} -t first -p user.err 'it broke' && {SEND} -t second -p authpriv.info 'she came' && \
                 journalctl --sync"
            ));
            let between = shell("date +%s.%N");
            shell(&format!("{SEND} -t third -p daemon.warning 'it is late' && journalctl --sync"));

            run(async {
                let machine = machine();
                let of = async |condition: &str| {
                    let query = format!("SELECT * FROM Win32_NTLogEvent WHERE {condition}");
                    rows_of(&machine, &query).await
                };
                for (source, log, kind, number, message) in [
                    ("first", "Application", "Error", "1", "it broke"),
                    ("second", "Security", "Audit Success", "4", "she came"),
                    ("third", "System", "Warning", "2", "it is late"),
                ] {
                    let found = of(&format!("SourceName = '{source}'")).await;
                    let [row] = found.as_slice() else { panic!("{source}: {} rows", found.len()) };
                    let values =
                        ["Logfile", "Type", "EventType", "Message", "User"].map(|name| text(row, name));
                    assert_eq!(values, [log, kind, number, message, "root"]);
                    let written = shell(&format!(
                        "journalctl -t {source} -o json | tr , '\\n' | grep -o '__REALTIME_TIMESTAMP\" *: *\"[0-9]*' | grep -o '[0-9]*$'"
                    ));
                    let micros = match row.value("TimeGenerated") {
                        Some(cim::Value::DateTime(cim::DateTime::Timestamp(time))) => time.unix_micros(),
                        other => panic!("{other:?}"),
                    };
                    assert_eq!(micros.to_string(), written.trim());
                }
                // Only later records are read at all.
                let moment: f64 = between.trim().parse().unwrap();
                let moment = cim::Timestamp::from_unix_micros((moment * 1e6) as i64, 0).unwrap();
                let found = of(&format!("TimeGenerated >= '{}'", cim::DateTime::Timestamp(moment))).await;
                assert!(found.iter().any(|row| text(row, "SourceName") == "third"));
                assert!(found.iter().all(|row| text(row, "SourceName") != "first"));

                // The host's kernel may log something meanwhile.
                let there_are = || shell("journalctl -o json | wc -l").trim().parse::<u64>().unwrap();
                let before = there_are();
                let files = rows_of(
                    &machine,
                    "SELECT LogfileName, NumberOfRecords, FileSize FROM Win32_NTEventlogFile",
                )
                .await;
                let count: u64 =
                    files.iter().map(|row| text(row, "NumberOfRecords").parse::<u64>().unwrap()).sum();
                let after = there_are();
                assert!((before..=after).contains(&count), "{before} <= {count} <= {after}");
            });
        },
    );
}

async fn records(events: &mut Events, count: usize) -> Vec<String> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let event = timeout(Duration::from_secs(60), events.next()).await.expect("an event in time");
        let Some(Ok(Occurrence::Event(event))) = event else { panic!("{event:?}") };
        assert_eq!(event.class().name().as_str(), "__InstanceCreationEvent");
        let Some(cim::Value::Object(record)) = event.value("TargetInstance") else { panic!("{event:?}") };
        assert_eq!([text(record, "Logfile"), text(record, "User")], ["Application", "root"]);
        messages.push(text(record, "Message"));
    }
    messages
}

/// Returns the process number of the journalctl started by this process.
fn follower() -> u32 {
    let children = shell(&format!("cat /proc/{0}/task/*/children", std::process::id()));
    let is_it = |child: &&str| {
        std::fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name.trim() == "journalctl")
    };
    children.split_whitespace().find(is_it).expect("somebody follows the journal").parse().unwrap()
}

#[test]
fn new_journal_records_are_reported_exactly_once() {
    in_world(
        "log::new_journal_records_are_reported_exactly_once",
        &["journalctl", "logger", JOURNALD],
        || {
            let _journal = Journald::start();
            let write = |numbers: std::ops::Range<u32>| {
                let lines: Vec<String> = numbers.map(|number| format!("line {number}")).collect();
                // Separated by line breaks, each text is a record.
                shell(&format!("{SEND} -t site -p user.info <<'END'\n{}\nEND", lines.join("\n")));
                lines
            };
            write(0..50);
            run(async {
                // Without WITHIN, so the log is not polled.
                let query = "SELECT * FROM __InstanceCreationEvent WHERE TargetInstance ISA 'Win32_NTLogEvent' \
                             AND TargetInstance.SourceName = 'site'";
                let context = Context::of_this_process("test");
                let mut events =
                    engine(&machine()).subscribe(&context, &Namespace::cimv2(), query).await.unwrap();
                let written = write(50..350);
                assert_eq!(records(&mut events, written.len()).await, written);
                // The following journalctl may be killed.
                shell(&format!("kill -9 {}", follower()));
                let written = write(350..400);
                assert_eq!(records(&mut events, written.len()).await, written);
                shell("journalctl --rotate");
                let written = write(400..450);
                assert_eq!(records(&mut events, written.len()).await, written);
                // A repeated record would come before the next one.
                let written = write(450..451);
                assert_eq!(records(&mut events, 1).await, written);
                let follower = follower();
                drop(events);
                timeout(Duration::from_secs(60), async {
                    while std::path::Path::new(&format!("/proc/{follower}/exe")).exists() {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                })
                .await
                .expect("nobody follows the journal any more");
            });
        },
    );
}
