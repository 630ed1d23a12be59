//! `wevtutil` with a journal that `systemd-journal-remote` has written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Journal in a directory of its own.
struct Journal(tempfile::TempDir);

impl Journal {
    /// Returns a journal with 40 entries, or `None` without the program that writes it.
    fn new() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/lib/systemd".into()]);
        let mut programs = folders.map(|folder| folder.join("systemd-journal-remote"));
        let Some(program) = programs.find(|program| Path::exists(program)) else {
            skips::skip!("there is no systemd-journal-remote");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::new();
        for number in 1..=40_u64 {
            let transport = ["syslog", "kernel"][usize::try_from(number % 2).unwrap()];
            text += &format!(
                "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={number}\n_BOOT_ID={}\nPRIORITY={}\n\
                 SYSLOG_FACILITY=10\nSYSLOG_IDENTIFIER=sshd\n_TRANSPORT={transport}\n_HOSTNAME=web1\n\
                 MESSAGE=message {number}\n\n",
                1_700_000_000_000_000 + number * 1_000_000,
                "a".repeat(32),
                number % 8,
            );
        }
        let mut child = Command::new(program)
            .arg("-o")
            .arg(folder.path().join("system.journal"))
            .arg("-")
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        Some(Self(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wevtutil"));
        command.args(arguments).env("TELARCH_JOURNAL", self.0.path()).output().unwrap()
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Returns the record numbers of events in XML.
fn numbers(text: &str) -> Vec<u64> {
    let parts = text.split("<EventRecordID>").skip(1);
    parts.map(|part| part.split('<').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn queries_select_events_of_channels_and_logs() {
    let Some(journal) = Journal::new() else { return };
    assert_eq!(numbers(&journal.text(&["qe", "Security"])), (1..=40).collect::<Vec<_>>());
    assert_eq!(numbers(&journal.text(&["qe", "linux-journal/kernel", "/c:3"])), [1, 3, 5]);
    assert_eq!(numbers(&journal.text(&["qe", "Linux-Syslog/authpriv", "/rd:true", "/c:2"])), [40, 38]);
    assert!(numbers(&journal.text(&["qe", "Application"])).is_empty());
    let errors = journal.text(&["qe", "Security", "/q:*[System[Level=2]]"]);
    assert_eq!(numbers(&errors), [3, 11, 19, 27, 35]);
    let query = journal.path("query.xml");
    fs::write(
        &query,
        "<QueryList><Query Id='0' Path='Security'><Select>*[System[Level=2]]</Select>\
         <Suppress>*[EventData[Data[@Name='MESSAGE']='message 11']]</Suppress></Query></QueryList>",
    )
    .unwrap();
    assert_eq!(numbers(&journal.text(&["qe", query.to_str().unwrap(), "/sq:true"])), [3, 19, 27, 35]);
}

#[test]
fn bookmarks_continue_a_query() {
    let Some(journal) = Journal::new() else { return };
    let bookmark = journal.path("bookmark.xml");
    let (save, read) = (format!("/sbm:{}", bookmark.display()), format!("/bm:{}", bookmark.display()));
    assert_eq!(numbers(&journal.text(&["qe", "Security", "/c:10", &save])), (1..=10).collect::<Vec<_>>());
    assert_eq!(numbers(&journal.text(&["qe", "Security", "/c:2", &read])), [11, 12]);
}

#[test]
fn events_are_printed_as_text_and_exported() {
    let Some(journal) = Journal::new() else { return };
    let text = journal.text(&["qe", "Security", "/c:1", "/f:text"]);
    for line in [
        "Event[0]:\n  Log Name: Linux-Journal/Kernel\n  Source: sshd\n  Date: 2023-11-14T22:13:21.0000000Z\n  \
         Event ID: 1\n  Task: authpriv\n  Level: Critical\n",
        "  Description: \nmessage 1\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let target = journal.path("out.xml");
    let target = target.to_str().unwrap();
    journal.text(&["epl", "Security", target, "/q:*[System[Level=5]]"]);
    let exported = fs::read_to_string(target).unwrap();
    assert_eq!(numbers(&exported), [7, 15, 23, 31, 39]);
    let file = journal.path("system.journal");
    let again = journal.run(&["epl", file.to_str().unwrap(), target, "/lf"]);
    assert_eq!(again.status.code(), Some(80), "{again:?}");
    journal.text(&["epl", file.to_str().unwrap(), target, "/lf", "/ow:true"]);
    let exported = fs::read_to_string(target).unwrap();
    assert_eq!(numbers(&exported).len(), 40);
    assert!(exported.starts_with("<Events>\n<Event ") && exported.ends_with("</Event>\n</Events>\n"));
    let wrapped = journal.text(&["qe", "Security", "/c:1", "/e:Root"]);
    assert!(wrapped.starts_with("<Root>\n<Event ") && wrapped.ends_with("</Event>\n</Root>\n"), "{wrapped}");
}

#[test]
fn logs_are_listed_with_their_status() {
    let Some(journal) = Journal::new() else { return };
    let names = journal.text(&["el"]);
    for name in ["Application", "Security", "System", "Linux-Audit/Security", "Linux-Syslog/authpriv"] {
        assert!(names.lines().any(|line| line == name), "{names}");
    }
    let status = journal.text(&["gli", "Linux-Syslog/authpriv"]);
    assert!(status.contains("numberOfLogRecords: 20\noldestRecordNumber: 2\n"), "{status}");
    assert!(journal.text(&["gl", "security"]).starts_with("name: Security\nenabled: true\ntype: Admin\n"));
    assert!(journal.text(&["gl", "Security", "/f:xml"]).contains("name=\"Security\""));
    for (arguments, status) in [
        (&["qe", "Nothing"][..], 1),
        (&["qe", "Security", "/q:*[not(System)]"], 1),
        (&["qe", "/nonexistent/x.journal", "/lf:true"], 2),
        (&["cl", "Security"], 50),
        (&["sl", "Security", "/e:false"], 50),
        (&["frobnicate"], 87),
    ] {
        let output = journal.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn text_files_of_the_settings_are_channels() {
    let Some(journal) = Journal::new() else { return };
    let (app, config) = (journal.path("app.log"), journal.path("config.toml"));
    fs::write(&app, "2026-01-02T03:04:05Z started\n\nsecond <line>\n").unwrap();
    fs::write(&config, format!("EventForwarding.TextFiles = \"{}\"\n", app.display())).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wevtutil"));
        command.env("TELARCH_JOURNAL", journal.0.path()).env("TELARCH_CONFIG", &config);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let channel = format!("Linux-File{}", app.display());
    assert!(run(&["el"]).lines().any(|line| line == channel), "{channel}");
    let events = run(&["qe", &channel.to_ascii_uppercase()]);
    assert!(events.contains("started<") && events.contains("second &lt;line&gt;<"), "{events}");
    assert_eq!(events.matches("<Event ").count(), 2, "{events}");
    assert!(events.contains("SystemTime='2026-01-02T03:04:05"), "{events}");
    // A bookmark continues behind the line.
    let bookmark = format!("/sbm:{}", journal.path("mark.xml").display());
    run(&["qe", &channel, "/c:1", &bookmark]);
    let rest = run(&["qe", &channel, &bookmark.replace("/sbm", "/bm")]);
    assert!(!rest.contains("started<") && rest.contains("second &lt;line&gt;<"), "{rest}");
    assert!(run(&["gli", &channel]).contains("numberOfLogRecords: 2\n"));
    // The log of Windows has the lines as well.
    assert_eq!(run(&["qe", "Application"]).matches("<Channel>Linux-File/").count(), 2);
}

#[test]
fn the_events_of_the_collector_are_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let event = |source: &str, second: u64| {
        format!(
            "{{\"System\":{{\"Provider\":{{\"Name\":\"p\"}},\"EventID\":1,\"Level\":{second},\"TimeCreated\":\
             \"2026-01-02T03:04:0{second}Z\",\"EventRecordID\":{second},\"Channel\":\"System\",\
             \"Computer\":\"{source}\"}}}}\n"
        )
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_wevtutil"));
    let missing =
        command.args(["qe", "ForwardedEvents"]).env("TELARCH_STATE", folder.path()).output().unwrap();
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
    for (source, seconds) in [("web1", [1, 4]), ("web2", [2, 3])] {
        let folder = folder.path().join(format!("events/sources/{source}.tls"));
        fs::create_dir_all(&folder).unwrap();
        let [older, newer] = seconds.map(|second| event(source, second));
        fs::write(folder.join("events.jsonl.1"), older).unwrap();
        fs::write(folder.join("events.jsonl"), newer + "no event\n").unwrap();
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wevtutil"));
        command.args(arguments).env("TELARCH_STATE", folder.path()).output().unwrap()
    };
    let text = |arguments: &[&str]| String::from_utf8(run(arguments).stdout).unwrap();
    assert!(text(&["el"]).lines().any(|line| line == "ForwardedEvents"));
    assert_eq!(numbers(&text(&["qe", "forwardedevents"])), [1, 4, 2, 3]);
    assert_eq!(numbers(&text(&["qe", "ForwardedEvents", "/rd:true", "/c:3"])), [4, 3, 2]);
    assert_eq!(numbers(&text(&["qe", "ForwardedEvents", "/q:*[System[Level=3]]"])), [3]);
    let query = folder.path().join("query.xml");
    let select = "<QueryList><Query Id='0'><Select Path='ForwardedEvents'>*[System[Level&lt;=2]]</Select></Query></QueryList>";
    fs::write(&query, select).unwrap();
    assert_eq!(numbers(&text(&["qe", query.to_str().unwrap(), "/sq:true"])), [1, 2]);
    let status = text(&["gli", "ForwardedEvents"]);
    assert!(status.contains("numberOfLogRecords: 4\n"), "{status}");
    assert!(status.contains("creationTime: 2026-01-02T03:04:01"), "{status}");
    assert!(text(&["gl", "ForwardedEvents"]).starts_with("name: ForwardedEvents\n"));
    assert_eq!(run(&["qe", "ForwardedEvents", "/bm:x"]).status.code(), Some(50));
}
