//! `telarch wmi --watch` as a program: what it prints, and what it leaves behind when somebody types Ctrl and C.

use serde_json::Value;
use telarch_peers::{PASSWORD, Running, Telarchd, USER, start_telarch, telarch};

/// The clock is told of every second, so nothing has to be made to happen.
const CLOCK: &str =
    "SELECT TargetInstance FROM __InstanceModificationEvent WHERE TargetInstance ISA 'Win32_UTCTime'";

/// Waits for so many lines, interrupts it, and gives what it has printed.
fn interrupted_after(watch: Running, lines: usize) -> String {
    watch.wait_for_lines(lines);
    watch.interrupt();
    let ended = watch.end();
    let (printed, complaints, code) = ended.text();
    assert_eq!((complaints, code), ("", 0), "{ended:?}");
    printed.to_owned()
}

/// Lines of JSON, one for each second that passes.
fn tells_of_seconds(lines: &str) {
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
    tells_of_seconds(&interrupted_after(watch, 2));
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
fn an_interrupted_remote_watch_leaves_no_subscription() {
    // With room for one, whatever is left keeps everybody else out.
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
        tells_of_seconds(&interrupted_after(watch, 3));
        assert_eq!(count().code, 0, "{:?}", count());
    }
}
