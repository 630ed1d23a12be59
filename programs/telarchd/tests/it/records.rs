//! Audit records and log under attack: bounded, complete, not forgeable, and inaccessible to the gateway.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use client::ShellOptions;
use ports::free_ports;
use serde_json::Value;

use crate::http_connection::Connection;
use crate::message;
use crate::service_process::{
    BASIC_OVER_HTTP, Telarchd, children, command_line, is_root, listener, loopback, wait_for_records_in,
    write_private,
};
use crate::test_user::TestUser;

/// Creates a service with Basic over HTTP, not started yet.
fn prepared() -> (Telarchd, u16) {
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    (Telarchd::new(&[BASIC_OVER_HTTP, &http].concat()), port)
}

#[test]
fn a_client_s_text_never_starts_a_line_of_the_log() {
    let (mut telarchd, port) = prepared();
    telarchd.run();
    let mut connection = Connection::open(loopback(port));
    let forged = "2026-11-22T22:00:00.000000Z  INFO telarchd: Settings changed account=root";
    for mark in ["&#10;", "&#13;", "&#x85;", "&#x2028;", "&#x9b;2K", "&#x202e;"] {
        let action = format!("urn:x{mark}{forged}{mark}z");
        let answer = connection.ask("/wsman", &message::custom(wsman::namespace::CONFIG, &action));
        assert_eq!(answer.status, 500, "{mark}");
        assert!(answer.body.contains("printable ASCII"), "{}", answer.body);
        let resource = format!("urn:x{mark}{forged}");
        let answer = connection.ask("/wsman", &message::custom(&resource, "urn:x/Stop"));
        assert_eq!(answer.status, 500, "{mark}");
    }
    // Account names are logged as well.
    connection.ask_as(&format!("x\u{202e}\u{2028}{forged}"), "/wsman", &message::settings());
    telarchd.wait_for_records(|all| all.iter().any(|record| record["outcome"] == "denied"));
    telarchd.end();
    let log = telarchd.log();
    let is_forged =
        log.lines().any(|line| line.trim_start_matches("[gateway] ").starts_with("2026-11-22T22"));
    assert!(!is_forged, "{log}");
    let is_harmful = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{2028}'..='\u{202e}');
    assert!(!log.contains(is_harmful), "{log:?}");
}

#[test]
fn thousands_of_refused_sign_ins_use_little_disk_and_are_counted() {
    const ATTEMPTS: u64 = 1_500;
    let (mut telarchd, port) = prepared();
    let mut command = telarchd.command();
    command.env("TELARCH_LOG", "info");
    telarchd.run_as(command);
    let began = Instant::now();
    let mut connection = Connection::open(loopback(port));
    for number in 0..ATTEMPTS {
        let name = format!("{number}{}", "x".repeat(1_500));
        assert_eq!(connection.ask_as(&name, "/wsman", &message::settings()).status, 401);
    }
    fn count(records: &[Value]) -> u64 {
        let refusals =
            records.iter().filter(|record| record["event"] == "sign-in" && record["outcome"] == "denied");
        refusals.map(|record| record["repeated"].as_u64().unwrap_or(1)).sum()
    }
    let records = telarchd.wait_for_records(|records| count(records) >= ATTEMPTS);
    assert_eq!(count(&records), ATTEMPTS);
    let names = records.iter().filter_map(|record| record["account"].as_str());
    assert!(names.into_iter().all(|name| name.chars().count() < 300 && name.ends_with("…[cut]")));
    let audit = fs::metadata(telarchd.state().join("audit.jsonl")).unwrap().len();
    let log = u64::try_from(telarchd.log().len()).unwrap();
    // The bound is per interval of ten seconds, because the attempts take longer on a busy machine.
    let intervals = began.elapsed().as_secs() / 10 + 2;
    assert!(audit <= intervals * (8 << 10), "{audit} bytes of audit records in {intervals} intervals");
    assert!(log <= intervals * (24 << 10), "{log} bytes of log in {intervals} intervals");
    telarchd.wait_for_log(&["Omitted repeated log lines", "Sign-in failed"]);
}

#[test]
fn the_audit_file_is_rotated_and_the_oldest_is_removed() {
    let (mut telarchd, port) = prepared();
    fs::create_dir(telarchd.state()).unwrap();
    let state = telarchd.state();
    let file = |name: &str| state.join(name);
    let record = |file: &str| format!("{{\"event\":\"{file}\"}}\n");
    write_private(&file("audit.jsonl"), &record("current").repeat(65_536 / record("current").len()));
    write_private(&file("audit.jsonl.1"), &record("first"));
    write_private(&file("audit.jsonl.2"), &record("second"));
    let mut command = telarchd.command();
    command.args(["--audit-size", "64K", "--audit-files", "3"]);
    telarchd.run_as(command);
    assert_eq!(Connection::open(loopback(port)).ask("/wsman", &message::settings()).status, 200);
    let records =
        telarchd.wait_for_records(|all| all.first().is_some_and(|record| record["event"] == "sign-in"));
    assert_eq!(records[0]["outcome"], "granted");
    let first = fs::read_to_string(file("audit.jsonl.1")).unwrap();
    assert!(first.starts_with(&record("current")));
    assert_eq!(fs::read_to_string(file("audit.jsonl.2")).unwrap(), record("first"));
    assert!(!telarchd.state().join("audit.jsonl.3").exists());
}

/// Returns a command that runs the service with a small disk mounted at a folder; `None` if that is not possible.
fn with_small_disk(telarchd: &Telarchd, disk: &Path) -> Option<Command> {
    let trial = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "tmpfs"]).arg(disk).output();
    if !is_root() || !trial.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: a small disk requires root, unshare and mount");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg("disk=$1; shift; mount -t tmpfs -o size=64k tmpfs \"$disk\" && exec \"$@\"");
    command.arg("sh").arg(disk).arg(env!("CARGO_BIN_EXE_telarchd"));
    telarchd.arguments(&mut command);
    command.arg("--audit").arg(disk.join("audit.jsonl"));
    Some(command)
}

#[test]
fn a_full_disk_neither_stops_the_service_nor_splits_a_record() {
    let (mut telarchd, port) = prepared();
    let disk = telarchd.file("disk");
    fs::create_dir(&disk).unwrap();
    let Some(command) = with_small_disk(&telarchd, &disk) else { return };
    telarchd.run_as(command);
    let seen = PathBuf::from(format!("/proc/{}/root", telarchd.pid().as_raw_nonzero()));
    let inside = |name: &str| seen.join(disk.strip_prefix("/").unwrap()).join(name);
    let sign_in = || Connection::open(loopback(port)).ask("/wsman", &message::settings()).status;
    assert_eq!(sign_in(), 200);
    wait_for_records_in(&inside("audit.jsonl"), |all| all.len() == 1);

    assert!(fs::write(inside("filler"), vec![0; 1 << 20]).is_err(), "the disk is full");
    // The last page has room for a few more records.
    let mut requested = 1;
    while !telarchd.log().contains("cannot write an audit record") {
        assert_eq!(sign_in(), 200, "the service continues");
        requested += 1;
        assert!(requested < 400, "no record was lost");
    }
    fs::remove_file(inside("filler")).unwrap();
    assert_eq!(sign_in(), 200);
    requested += 1;
    fn total(all: &[Value]) -> u64 {
        all.iter().map(|record| record["records"].as_u64().unwrap_or(1)).sum()
    }
    // A split record would fail to parse.
    let records = wait_for_records_in(&inside("audit.jsonl"), |all| total(all) >= requested);
    assert_eq!(total(&records), requested, "{records:#?}");
    assert!(records.iter().any(|record| record["outcome"] == "dropped"), "{records:#?}");
    telarchd.end();
}

/// Returns number and target of a process's descriptors.
fn descriptors(process: i32) -> Vec<(String, PathBuf)> {
    let all = fs::read_dir(format!("/proc/{process}/fd")).unwrap().map(Result::unwrap);
    all.filter_map(|entry| {
        Some((entry.file_name().to_string_lossy().into_owned(), fs::read_link(entry.path()).ok()?))
    })
    .collect()
}

#[test]
fn only_the_broker_has_the_audit_and_log_files_open() {
    let Some(ann) = TestUser::create() else { return };
    let [port] = free_ports();
    let https = listener("IP:127.0.0.1", "HTTPS", port, "");
    let settings = "Service.RootSDDL = \"D:P(A;;GA;;;AU)\"\nService.Auth.Basic = true\n";
    let mut telarchd = Telarchd::new(&[settings, &https].concat());
    let log = telarchd.file("log");
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" 2>>\"$LOG\"", "sh", env!("CARGO_BIN_EXE_telarchd")]);
    telarchd.arguments(&mut command);
    command.env("LOG", &log);
    telarchd.run_as(command);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = ann.session(port);
    let _shell = runtime.block_on(session.shell(ShellOptions::default())).unwrap();
    let broker = telarchd.pid().as_raw_nonzero().get();
    let mut processes = children(broker);
    processes.extend(processes.clone().into_iter().flat_map(children));
    assert!(processes.iter().any(|process| command_line(*process).contains("host of")), "{processes:?}");
    assert!(processes.contains(&telarchd.serving_pid()));
    let (audit, log_file) = (telarchd.state().join("audit.jsonl"), fs::metadata(&log).unwrap());
    for process in processes {
        let all = descriptors(process);
        let shown = command_line(process);
        assert!(!all.iter().any(|(_, target)| *target == audit || *target == log), "{shown}: {all:?}");
        let stderr = fs::metadata(format!("/proc/{process}/fd/2")).unwrap();
        assert_ne!((stderr.dev(), stderr.ino()), (log_file.dev(), log_file.ino()));
        let is_pipe = |(number, target): &(String, PathBuf)| {
            number == "2" && target.to_string_lossy().starts_with("pipe:")
        };
        assert!(all.iter().any(is_pipe), "{shown}: {all:?}");
    }
    telarchd.end();
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.lines().any(|line| line.starts_with("[gateway] ") && line.contains("Ready")), "{text}");
}
