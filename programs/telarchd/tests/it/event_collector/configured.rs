//! The collector of a configured service: as root in a process of its own, otherwise in the service.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use ports::free_ports;
use rcgen::ExtendedKeyUsagePurpose;
use rustix::process::{Pid, Signal, kill_process};

use super::certificates::{Authority, Pair};
use super::collector::{Answer, SOURCE, SUBSCRIPTION, Sending, batch, envelope, event};
use crate::PATIENCE;
use crate::service_process::{Telarchd, children, command_line, is_root, listener, set_mode};

const ENABLED: &str = "EventCollector.Enabled = true\n";

/// A configured service with a collector, and a source.
pub(super) struct Configured {
    pub(super) telarchd: Telarchd,
    pub(super) port: u16,
    source: Pair,
    https: String,
}

/// Processes that a test kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    /// All processes of the service.
    Service,
    /// The process that collects; the service of an ordinary user has no other.
    Collector,
}

/// User of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunAs {
    /// The user of the test.
    This,
    /// The user `nobody`. The test must run as root.
    Nobody,
}

impl Configured {
    /// Starts a service with a subscription and an authority of sources.
    pub(super) fn start(settings: &str) -> Self {
        Self::start_with(settings, |_, _| {})
    }

    /// Starts a service after a function has written further files.
    pub(super) fn start_with(settings: &str, prepare: impl FnOnce(&Telarchd, &Authority)) -> Self {
        Self::start_as(RunAs::This, settings, prepare)
    }

    /// Starts a service of a user after a function has written further files.
    pub(super) fn start_as(user: RunAs, settings: &str, prepare: impl FnOnce(&Telarchd, &Authority)) -> Self {
        let service = Self::start_unopened(user, settings, prepare);
        service.telarchd.wait_for_log(&["Collecting forwarded events"]);
        service
    }

    /// Starts a service, and does not wait for its collector.
    pub(super) fn start_unopened(
        user: RunAs,
        settings: &str,
        prepare: impl FnOnce(&Telarchd, &Authority),
    ) -> Self {
        let [port] = free_ports();
        let https = listener("IP:127.0.0.1", "HTTPS", port, "");
        let mut telarchd = Telarchd::new(&[ENABLED, settings, &https].concat());
        // The collector's user must reach the state directory, as below /var/lib.
        set_mode(telarchd.folder.path(), 0o711);
        let authority = Authority::new(telarchd.folder.path(), "authority");
        let source = authority.issue(SOURCE, ExtendedKeyUsagePurpose::ClientAuth);
        let authorities = telarchd.file("certificates").join("event-authorities");
        fs::create_dir_all(&authorities).unwrap();
        fs::copy(&authority.file, authorities.join("authority.pem")).unwrap();
        fs::create_dir(telarchd.file("event-subscriptions")).unwrap();
        fs::write(telarchd.file("event-subscriptions").join("everything.xml"), SUBSCRIPTION).unwrap();
        prepare(&telarchd, &authority);
        match user {
            RunAs::This => telarchd.run(),
            RunAs::Nobody => telarchd.run_as_nobody(),
        }
        Self { telarchd, port, source, https }
    }

    /// Kills the service and starts it again, or its collector, which the service starts again.
    pub(super) fn kill(&mut self, victim: Victim) {
        if victim == Victim::Collector && is_root() {
            kill_process(Pid::from_raw(self.process()).unwrap(), Signal::KILL).unwrap();
        } else {
            self.telarchd.kill();
            self.telarchd.run();
        }
    }

    pub(super) fn sending(&self, path: &str, text: &str) -> Sending {
        let folder = tempfile::tempdir_in(self.telarchd.folder.path()).unwrap();
        let file = folder.path().join("body");
        fs::write(&file, text).unwrap();
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--insecure", "--max-time", "60"]);
        command.arg("--cert").arg(&self.source.certificate).arg("--key").arg(&self.source.key);
        command.args(["--header", "Content-Type: application/soap+xml;charset=UTF-8"]);
        // Identify then needs no sign-in; other messages ignore it.
        command.args(["--header", "WSMANIDENTIFY: unauthenticated"]);
        command.arg("--data-binary").arg(format!("@{}", file.display()));
        command.args(["--write-out", "\\n%{http_code}"]);
        command.arg(format!("https://127.0.0.1:{}/wsman{path}", self.port));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Sending { child: command.spawn().unwrap(), _folder: folder }
    }

    pub(super) fn send(&self, path: &str, text: &str) -> Answer {
        self.sending(path, text).wait()
    }

    /// Sends like a source, which repeats a message until it is acknowledged.
    pub(super) fn send_until_acknowledged(&self, path: &str, text: &str) -> Answer {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.send(path, text);
            if answer.status == 200 {
                return answer;
            }
            assert!(Instant::now() < until, "{} {}", answer.status, answer.text);
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    pub(super) fn enumerate(&self) -> Answer {
        self.send("/SubscriptionManager/WEC", &envelope(super::ENUMERATE, "", "<n:Enumerate/>"))
    }

    /// Returns the process that collects.
    fn process(&self) -> i32 {
        let own = self.telarchd.pid().as_raw_nonzero().get();
        if !is_root() {
            return own;
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let found = children(own).into_iter().find(|child| command_line(*child).contains(": events"));
            if let Some(found) = found {
                return found;
            }
            assert!(Instant::now() < until, "the collector does not run; the log:\n{}", self.telarchd.log());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Waits until an output has received all events of its spool.
    pub(super) fn wait_until_sent(&self, output: &str) {
        let spool = self.telarchd.state().join("events/spool").join(output);
        let until = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(spool.join("position")).unwrap_or_default();
            if let Some((number, offset)) = text.trim().split_once(' ') {
                let number: u64 = number.parse().unwrap();
                let file = fs::metadata(spool.join(format!("{number:012}.jsonl")));
                if file.is_ok_and(|file| offset.parse() == Ok(file.len())) {
                    return;
                }
            }
            assert!(Instant::now() < until, "{text}; the log:\n{}", self.telarchd.log());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    fn events(&self) -> PathBuf {
        self.events_of(SOURCE)
    }

    fn events_of(&self, source: &str) -> PathBuf {
        self.telarchd.state().join("events/sources").join(format!("{source}.tls")).join("events.jsonl")
    }

    pub(super) fn records(&self) -> Vec<u64> {
        self.records_of(SOURCE)
    }

    /// Returns the record numbers in the file of a source.
    pub(super) fn records_of(&self, source: &str) -> Vec<u64> {
        let text = fs::read_to_string(self.events_of(source)).unwrap_or_default();
        let record = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["System"]["EventRecordID"].as_u64().unwrap()
        };
        text.lines().map(record).collect()
    }
}

#[test]
fn the_configured_service_stores_events_below_its_state_directory() {
    let service = Configured::start("EventCollector.RawXml = true\n");
    let path = service.enumerate().delivery_path();
    assert_eq!(service.send(&path, &batch(2, &[event(1, "one"), event(2, "two")])).status, 200);
    assert_eq!(service.records(), [1, 2]);
    let xml = fs::read_to_string(service.events().with_file_name("events.xml")).unwrap();
    assert_eq!(xml.lines().collect::<Vec<_>>(), [event(1, "one"), event(2, "two")]);
    assert!(service.telarchd.state().join("events/events.sqlite").exists());
    // Other paths are not the collector's.
    assert_eq!(service.send("/SubscriptionManager/Other", "x").status, 404);
    if is_root() {
        let process = service.process();
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
        assert!(status.contains("Groups:\t \n") && status.contains("CapEff:\t0000000000000000"), "{status}");
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        assert_eq!(fs::metadata(service.events()).unwrap().uid(), 65_534);
    }
}

#[test]
fn subscriptions_follow_their_files_without_a_signal() {
    let service = Configured::start("");
    assert!(service.enumerate().text.contains("Everything"));
    let folder = service.telarchd.file("event-subscriptions");
    let wait_for = |condition: &dyn Fn(&str) -> bool| {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = service.enumerate().text;
            if condition(&text) {
                return;
            }
            assert!(Instant::now() < until, "{text}\n{}", service.telarchd.log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    fs::write(folder.join("other.xml"), SUBSCRIPTION.replace("Everything", "Other")).unwrap();
    wait_for(&|text| text.contains("Everything") && text.contains("Other"));
    fs::remove_file(folder.join("everything.xml")).unwrap();
    wait_for(&|text| !text.contains("Everything") && text.contains("Other"));
    // An invalid file does not replace the others.
    fs::write(folder.join("broken.xml"), "no subscription").unwrap();
    service.telarchd.wait_for_log(&["keeping the previous ones", "broken.xml"]);
    assert!(service.enumerate().text.contains("Other"));
}

#[test]
fn a_killed_collector_is_restarted_and_nothing_is_lost() {
    if !is_root() {
        skips::skip!("only root's service has a process for the collector");
        return;
    }
    let service = Configured::start("");
    let path = service.enumerate().delivery_path();
    for number in 0..6u64 {
        let body = batch(number, &[event(number, "x")]);
        let sending = service.sending(&path, &body);
        // The moment of the kill moves from before the request to after the answer.
        std::thread::sleep(std::time::Duration::from_millis(number * 8));
        let process = service.process();
        kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
        if sending.wait().status != 200 {
            service.send_until_acknowledged(&path, &body);
        }
    }
    let mut records = service.records();
    records.dedup();
    assert_eq!(records, [0, 1, 2, 3, 4, 5], "{}", service.telarchd.log());
    // The gateway's end of the collector survives the gateway.
    let gateway = service.telarchd.serving_pid();
    kill_process(Pid::from_raw(gateway).unwrap(), Signal::KILL).unwrap();
    service.send_until_acknowledged(&path, &batch(9, &[event(9, "x")]));
    assert_eq!(service.records().last(), Some(&9));
}

#[test]
fn the_collector_is_switched_off_and_on_by_a_reload_as_root() {
    if !is_root() {
        skips::skip!("only root's service starts the collector at a reload");
        return;
    }
    let service = Configured::start("");
    let path = service.enumerate().delivery_path();
    service.telarchd.reconfigure(&service.https);
    service.telarchd.wait_for_log(&["Ending the collector of events"]);
    assert_eq!(service.send(&path, &batch(1, &[event(1, "x")])).status, 404);
    service.telarchd.reconfigure(&[ENABLED, &service.https].concat());
    service.send_until_acknowledged(&path, &batch(1, &[event(1, "x")]));
    assert_eq!(service.records(), [1]);
}

#[test]
fn events_are_rejected_when_all_files_have_reached_their_limit() {
    let service = Configured::start("EventCollector.MaxTotalMB = 1\n");
    let path = service.enumerate().delivery_path();
    let large = "x".repeat(350_000);
    for number in 1..=2 {
        assert_eq!(service.send(&path, &batch(number, &[event(number, &large)])).status, 200);
    }
    assert_eq!(service.send(&path, &batch(3, &[event(3, &large)])).status, 503);
    service.telarchd.wait_for_log(&["have reached the limit of 1048576 bytes"]);
    assert_eq!(service.send(&path, &batch(4, &[event(4, "small")])).status, 200, "a small batch fits");
    assert_eq!(service.records(), [1, 2, 4]);
}
