//! `telarch wmi --watch` as a program: its output, and the end of its subscription after Ctrl-C.

use serde_json::Value;
use telarch_peers::{PASSWORD, Running, Telarchd, USER, start_telarch, telarch};

/// Events of the clock, which need no cause: one every second.
const CLOCK: &str =
    "SELECT TargetInstance FROM __InstanceModificationEvent WHERE TargetInstance ISA 'Win32_UTCTime'";

/// Waits for this many lines, interrupts the program, and returns its output.
fn interrupted_after(watch: Running, lines: usize) -> String {
    watch.wait_for_lines(lines);
    watch.interrupt();
    let ended = watch.end();
    let (printed, complaints, code) = ended.text();
    assert_eq!((complaints, code), ("", 0), "{ended:?}");
    printed.to_owned()
}

/// Checks lines of JSON with one event for each second.
fn check_seconds(lines: &str) {
    let second = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        event["TargetInstance"]["Second"].as_u64().unwrap_or_else(|| panic!("{line}"))
    };
    let seconds: Vec<u64> = lines.lines().map(second).collect();
    // A busy machine may skip seconds, but reports none twice.
    assert!(seconds.len() >= 2 && seconds.windows(2).all(|pair| pair[0] != pair[1]), "{seconds:?}");
}

#[test]
fn events_of_this_machine_are_lines_of_json_until_it_is_interrupted() {
    let watch = start_telarch(&["wmi", "--watch", CLOCK, "--format", "json"]);
    check_seconds(&interrupted_after(watch, 2));
}

#[test]
fn events_as_csv_have_one_header_line() {
    let watch = start_telarch(&[
        "wmi",
        "--watch",
        &CLOCK.replace("TargetInstance FROM", "* FROM"),
        "--format",
        "csv",
    ]);
    let printed = interrupted_after(watch, 3);
    let mut lines = printed.lines();
    assert_eq!(lines.next(), Some("PreviousInstance,SECURITY_DESCRIPTOR,TargetInstance,TIME_CREATED"));
    for line in lines {
        let (_, time) = line.rsplit_once(',').unwrap_or_else(|| panic!("{line}"));
        assert!(time.parse::<u64>().is_ok_and(|time| time > 133_000_000_000_000_000), "{line}");
    }
}

#[test]
fn events_of_a_superclass_begin_with_their_class() {
    let every_kind =
        CLOCK.replace("TargetInstance FROM __InstanceModificationEvent", "* FROM __InstanceOperationEvent");
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    let password = format!("-p:{PASSWORD}");
    let there = ["-r", service.http(), "-u", USER, &password, "-auth:basic", "-unencrypted"];
    for host in [&[][..], &there] {
        let watch = [&["wmi", "--watch", &every_kind, "--count", "1", "--format", "json"][..], host].concat();
        let watched = telarch(&watch, "");
        let (printed, errors, code) = watched.text();
        assert_eq!((errors, code), ("", 0));
        assert!(printed.starts_with("{\"__CLASS\": \"__InstanceModificationEvent\""), "{printed}");
    }
}

#[test]
fn an_interrupted_remote_watch_leaves_no_subscription() {
    // The limit is one operation, so a remaining subscription causes the next one to be refused.
    let settings = [("Service.AllowUnencrypted", "true"), ("Service.MaxConcurrentOperationsPerUser", "1")];
    let service = Telarchd::start(&settings);
    let password = format!("-p:{PASSWORD}");
    let there = ["-r", service.http(), "-u", USER, &password, "-auth:basic", "-unencrypted"];
    let count = || {
        telarch(&[&["wmi", "SELECT Second FROM Win32_UTCTime", "--format", "csv"][..], &there].concat(), "")
    };
    assert_eq!(count().code, 0, "{:?}", count());
    for _ in 0..2 {
        let watch = start_telarch(&[&["wmi", "--watch", CLOCK, "--format", "json"][..], &there].concat());
        watch.wait_for_lines(2);
        assert_ne!(count().code, 0, "{:?}", count());
        check_seconds(&interrupted_after(watch, 3));
        assert_eq!(count().code, 0, "{:?}", count());
    }
}
