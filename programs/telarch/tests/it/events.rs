//! `telarch events query` and `tail` with files of forwarded events, and with a journal.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Ran, run, telarch};

fn event(number: u64, level: u8) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Service'/>\
         <EventID>{number}</EventID><Level>{level}</Level><TimeCreated SystemTime='2024-05-31T08:15:30.1234567Z'/>\
         <Channel>System</Channel><Computer>win10</Computer></System><EventData><Data Name='Name'>value {number}\
         </Data></EventData></Event>\n"
    )
}

/// The JSON of an event, as the collector writes it.
fn json(number: u64, level: u8) -> String {
    format!(
        "{{\"Collector\":{{\"Source\":\"win10\"}},\"System\":{{\"Provider\":{{\"Name\":\"Service\"}},\
         \"EventID\":{number},\"Level\":{level},\"TimeCreated\":\"2024-05-31T08:15:30.1234567Z\",\
         \"Channel\":\"System\",\"Computer\":\"win10\"}},\"EventData\":{{\"Name\":\"value {number}\"}}}}\n"
    )
}

fn append(path: &Path, text: &str) {
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Runs `telarch events query` with a file.
fn query(path: &Path, arguments: &[&str]) -> Ran {
    let mut command = telarch(&["events", "query", "--file", path.to_str().unwrap()]);
    run(command.args(arguments), "")
}

#[test]
fn a_query_selects_events_of_a_file_in_either_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    append(&path, &[event(1, 2), json(2, 3), "nonsense\n".to_owned(), json(3, 2)].concat());
    let errors = query(&path, &["-q", "*[System[Level=2]]"]);
    assert_eq!(
        errors.out,
        "2024-05-31T08:15:30.1234567Z Error win10 System Service 1: Name=value 1\n\
         2024-05-31T08:15:30.1234567Z Error win10 System Service 3: Name=value 3\n"
    );
    assert!(errors.code == 0 && errors.errors.contains("events.jsonl, line 3: "), "{}", errors.errors);
    // The line of the collector is unchanged.
    assert_eq!(query(&path, &["-q", "*[System[EventID=2]]", "--format", "json"]).out, json(2, 3));
    assert_eq!(query(&path, &["--count", "1"]).out.lines().count(), 1);
    assert!(query(&path, &["--last", "1"]).out.contains(" 3: "));
    let list = folder.path().join("query.xml");
    for (log, count) in [("System", 1), ("ForwardedEvents", 1), ("Security", 0)] {
        let text = format!(
            "<QueryList><Query Id='0' Path='{log}'><Select>*[System[Level=2]]</Select>\
             <Suppress>*[EventData[Data[@Name='Name']='value 1']]</Suppress></Query></QueryList>"
        );
        fs::write(&list, text).unwrap();
        let found = query(&path, &["-q", &format!("@{}", list.display())]);
        assert_eq!(found.out.lines().count(), count, "{log}: {}", found.out);
    }
    assert_eq!(query(&path, &["--log", "system"]).out.lines().count(), 3);
}

#[test]
fn an_explanation_names_the_parts_of_the_query_that_match() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.xml");
    append(&path, &[event(1, 2), event(2, 4)].concat());
    let expression = "*[System[Level=2 and EventID=1]]";
    let explained = query(&path, &["-q", expression, "--explain"]);
    let blocks: Vec<&str> = explained.out.split("2024-05-31").skip(1).collect();
    assert!(blocks[0].contains("\n    selected\n") && blocks[0].contains("true: Level=2\n"), "{}", blocks[0]);
    assert!(blocks[1].contains("\n    not selected\n"), "{}", blocks[1]);
    assert!(blocks[1].contains("false: Level=2\n"), "{}", blocks[1]);
    let text = query(&path, &["-q", expression, "--explain", "--format", "json"]).out;
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["Event"]["System"]["EventID"], 1);
    assert_eq!(lines[0]["Explanation"]["Selected"], true);
    assert_eq!(lines[1]["Explanation"]["Rules"][0]["Matches"], false);
}

#[test]
fn wrong_queries_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.xml");
    append(&path, &event(1, 2));
    for (arguments, code, part) in [
        (&["-q", "*[not(System)]"][..], 2, "the query is invalid"),
        (&["-q", "<QueryList/>"], 2, "the query is invalid"),
        (&["-q", "@/nonexistent"], 1, "cannot read the query /nonexistent"),
        (&["--last", "0"], 2, "--last"),
        (&["--format", "prometheus"], 2, "only valid with sources"),
        (
            &[
                "--log",
                "System",
                "-q",
                "<QueryList><Query Path='System'><Select>*</Select></Query></QueryList>",
            ],
            2,
            "a QueryList names its logs",
        ),
    ] {
        let ran = query(&path, arguments);
        assert!(ran.code == code && ran.errors.contains(part), "{arguments:?}: {} {}", ran.code, ran.errors);
    }
    let missing = query(&folder.path().join("none.xml"), &[]);
    assert!(missing.code == 1 && missing.errors.contains("none.xml"), "{}", missing.errors);
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Calls a function that adds an event until the program has printed enough of them and ends; returns its output. The
/// program does not report when it has begun to wait.
fn output_while(mut child: Child, mut add: impl FnMut(u64)) -> String {
    for number in 1.. {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        add(number);
        std::thread::sleep(Duration::from_millis(20));
    }
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn events_are_printed_as_a_file_grows_and_rotates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    append(&path, &json(1_000_000, 2));
    let mut command = telarch(&["events", "tail", "--count", "40", "-q", "*[System[Level=2]]", "--file"]);
    let child = start(command.arg(&path));
    let text = output_while(child, |number| {
        append(&path, &(json(number, 2) + &json(number, 3)));
        if number % 16 == 0 {
            fs::rename(&path, folder.path().join("events.jsonl.1")).unwrap();
            fs::write(&path, "").unwrap();
        }
    });
    let value = |line: &str| -> u64 { line.rsplit(' ').next().unwrap().parse().unwrap() };
    let values: Vec<u64> = text.lines().map(value).collect();
    let expected: Vec<u64> = (values[0]..).take(40).collect();
    assert_eq!(values, expected, "events are missing or out of order");
}

/// Writes an entry into a journal. Returns whether `systemd-journal-remote` exists.
fn write_entry(path: &Path, number: u64) -> bool {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&search).chain(["/lib/systemd".into()]);
    let mut programs = folders.map(|folder| folder.join("systemd-journal-remote"));
    let Some(program) = programs.find(|program| program.exists()) else { return false };
    let mut command = Command::new(program);
    command.arg("-o").arg(path).arg("-").stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let text = format!(
        "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={number}\n_BOOT_ID={}\nPRIORITY={}\n\
         SYSLOG_IDENTIFIER=sshd\nSYSLOG_FACILITY=10\n_TRANSPORT=syslog\n_HOSTNAME=web1\nMESSAGE=message {number}\n\n",
        1_700_000_000_000_000 + number * 1_000_000,
        "a".repeat(32),
        3 + number % 2,
    );
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    true
}

#[test]
fn events_of_a_journal_are_queried_and_printed_as_they_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    for number in 1..=4 {
        if !write_entry(&path, number) {
            return skips::skip!("there is no systemd-journal-remote");
        }
    }
    let command = |arguments: &[&str]| {
        let mut command = telarch(&["events"]);
        command.args(arguments).env("TELARCH_JOURNAL", folder.path());
        command
    };
    let found = run(&mut command(&["query", "--log", "Security", "-q", "*[System[Level=2]]"]), "");
    assert_eq!(
        found.out,
        "2023-11-14T22:13:22.0000000Z Error web1 Linux-Syslog/authpriv sshd 1: message 2\n\
         2023-11-14T22:13:24.0000000Z Error web1 Linux-Syslog/authpriv sshd 1: message 4\n"
    );
    let by_file =
        run(&mut telarch(&["events", "query", "--last", "1", "--file", path.to_str().unwrap()]), "");
    assert!(by_file.out.ends_with("message 4\n"), "{}", by_file.out);
    let unknown = run(&mut command(&["query", "--log", "Nothing"]), "");
    assert!(unknown.code == 2 && unknown.errors.contains("no log \"Nothing\""), "{}", unknown.errors);
    let child = start(&mut command(&["tail", "--count", "3", "-q", "*[System[Level=2]]"]));
    let text = output_while(child, |number| _ = write_entry(&path, 4 + number));
    let numbers: Vec<u64> =
        text.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers.len(), 3, "{text}");
    assert!(numbers[0] > 4 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 2), "{numbers:?}");
}
