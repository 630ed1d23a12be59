//! Collectors in processes of their own with one database.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use postgres_server::PostgresServer;
use tempfile::TempDir;

use crate::collector_process::{CollectorProcess, wait_for_log};

/// Returns a folder of a collector with the database.
fn node(server: &PostgresServer) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("event-store.toml");
    fs::write(&file, server.settings()).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    folder
}

fn start(folder: &Path) -> CollectorProcess {
    let mut process = CollectorProcess::start(folder);
    process.wait_until_ready();
    process
}

/// Returns the record numbers in the file of a collector.
fn records(folder: &Path) -> Vec<u64> {
    let text = fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    let record = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["System"]["EventRecordID"].as_u64().unwrap()
    };
    text.lines().map(record).collect()
}

#[test]
fn a_collector_continues_after_a_crash_and_another_one_knows_its_batches() {
    let Some(server) = PostgresServer::start() else { return };
    let (one, other) = (node(&server), node(&server));
    let mut process = start(one.path());
    process.deliver(1, 10);
    process.begin(11, 10);
    process.kill();
    // What was not committed is removed from the file, and the source sends it again.
    let mut process = start(one.path());
    process.deliver(11, 10);
    process.deliver(21, 5);
    assert_eq!(records(one.path()), (1..=25).collect::<Vec<_>>());
    // The source missed the acknowledgement, and repeats the batch at another collector.
    let mut second = start(other.path());
    second.deliver(21, 5);
    assert!(records(other.path()).is_empty());
    second.deliver(26, 1);
    assert_eq!(records(other.path()), [26]);
    let state = server.execute(
        "SELECT s.source, s.seq, s.bookmark LIKE '%\"26\"%', n.address <> '' FROM source_state s \
                                JOIN node n ON n.id = s.node",
    );
    assert_eq!(state, "certificate:win10.example.com|4|t|t");
}

#[test]
fn no_event_is_lost_or_doubled_when_the_database_is_killed() {
    let Some(mut server) = PostgresServer::start() else { return };
    let folder = node(&server);
    let mut process = start(folder.path());
    for round in 0..4u64 {
        let first = round * 20 + 1;
        // A batch may also be rejected while the collector connects again, and the source repeats it.
        process.deliver_again(first, 10);
        // The server is killed during the first commit, and about the time of the other ones, so that their outcome is
        // unknown.
        let lock = (round == 0).then(|| server.lock_table("source_state"));
        process.begin(first + 10, 10);
        match lock {
            Some(_) => server.wait_for_blocked_change("source_state"),
            None => std::thread::sleep(std::time::Duration::from_millis(round * 4)),
        }
        server.kill();
        server.run();
        process.deliver_again(first + 10, 10);
    }
    assert_eq!(records(folder.path()), (1..=80).collect::<Vec<_>>());
    let log = wait_for_log(folder.path(), "Connection to the event database failed");
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(server.execute("SELECT seq FROM source_state"), "8");
}
