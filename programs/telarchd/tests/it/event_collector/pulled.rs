//! Collector-initiated subscriptions: the collector pulls from another service, whose journal `systemd-journal-remote` has
//! written.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ports::free_ports;
use rustix::process::{Pid, Signal, kill_process};
use telarch_peers::{Holder, Keys, PASSWORD, REALM, USER, WayIn, in_realm, map_certificates};

use super::wecutil::wecutil;
use crate::PATIENCE;
use crate::event_log::{EventSource, append};
use crate::service_process::{Telarchd, children, command_line, is_root, listener, set_mode, write_private};

/// A service that collects, and its files.
pub(super) struct Pulling {
    pub(super) telarchd: Telarchd,
}

impl Pulling {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts the service with further settings.
    pub(super) fn with_settings(settings: &str) -> Self {
        Self::start_as(settings, |_| {})
    }

    /// Starts the service after a function has written further files.
    fn start_with(prepare: impl FnOnce(&Telarchd)) -> Self {
        Self::start_as("", prepare)
    }

    fn start_as(settings: &str, prepare: impl FnOnce(&Telarchd)) -> Self {
        let [port] = free_ports();
        let settings = format!(
            "EventCollector.Enabled = true\nEventCollector.DeliveryUrl = \"https://localhost:{port}/wsman\"\n{settings}"
        );
        let mut telarchd = Telarchd::new(&(settings + &listener("IP:127.0.0.1", "HTTPS", port, "")));
        // The collector's user must reach the state directory, as below /var/lib.
        set_mode(telarchd.folder.path(), 0o711);
        fs::create_dir(telarchd.file("event-subscriptions")).unwrap();
        prepare(&telarchd);
        telarchd.run();
        telarchd.wait_for_log(&["Collecting forwarded events"]);
        Self { telarchd }
    }

    pub(super) fn wecutil(&self, words: &[&str]) -> String {
        wecutil(&self.telarchd, words)
    }

    /// Creates a subscription for the events of the channels System, Application and Security, or of another one.
    fn subscribe(&self, id: &str, source: &EventSource, channel: Option<&str>, more: &[&str]) {
        let port = port_of(source.service.http());
        let file = self.telarchd.file("new.xml");
        fs::write(&file, subscription(id, port, channel)).unwrap();
        self.wecutil(&[&["cs", file.to_str().unwrap()], more].concat());
    }

    pub(super) fn events(&self) -> PathBuf {
        self.telarchd.state().join("events/sources/127.0.0.1.address/events.jsonl")
    }

    /// Returns the stored messages, in order.
    pub(super) fn messages(&self) -> Vec<String> {
        let text = fs::read_to_string(self.events()).unwrap_or_default();
        // A writer may be at work.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        let message = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["EventData"]["MESSAGE"].as_str().unwrap_or_else(|| panic!("{line}")).to_owned()
        };
        complete.lines().map(message).collect()
    }

    /// Waits until so many events are stored.
    pub(super) fn wait_for(&self, count: usize) {
        let until = Instant::now() + PATIENCE;
        while self.messages().len() < count {
            let stored = self.messages().len();
            assert!(Instant::now() < until, "{stored} of {count} events; the log:\n{}", self.telarchd.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills the process that collects; as root the broker starts it again.
    pub(super) fn kill_collector(&mut self) {
        let own = self.telarchd.pid();
        if !is_root() {
            kill_process(own, Signal::KILL).unwrap();
            self.telarchd.wait_for_exit();
            return self.telarchd.run();
        }
        let is_collector = |process: &i32| command_line(*process).contains(": events");
        let until = Instant::now() + PATIENCE;
        let process = loop {
            match children(own.as_raw_nonzero().get()).into_iter().find(is_collector) {
                Some(process) => break process,
                None => assert!(Instant::now() < until, "{}", self.telarchd.log()),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
    }

    /// Waits until the state of a subscription has these parts.
    pub(super) fn wait_for_status(&self, id: &str, parts: &[&str]) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = self.wecutil(&["gr", id]);
            if parts.iter().all(|part| text.contains(part)) {
                return text;
            }
            assert!(Instant::now() < until, "{parts:?}: {text}\n{}", self.telarchd.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub(super) fn port_of(url: &str) -> u16 {
    url.trim_end_matches("/wsman").rsplit(':').next().unwrap().parse().unwrap()
}

pub(super) fn subscription(id: &str, port: u16, channel: Option<&str>) -> String {
    let channels: &[&str] = match &channel {
        Some(channel) => &[channel],
        None => &["Application", "System", "Security"],
    };
    let selects: String = channels.iter().map(|one| format!("<Select Path=\"{one}\">*</Select>")).collect();
    format!(
        "<Subscription xmlns=\"http://schemas.microsoft.com/2006/03/windows/events/subscription\">\
         <SubscriptionId>{id}</SubscriptionId><SubscriptionType>CollectorInitiated</SubscriptionType>\
         <ConfigurationMode>Custom</ConfigurationMode><Delivery Mode=\"Pull\"><Batching><MaxItems>7</MaxItems>\
         <MaxLatencyTime>1000</MaxLatencyTime></Batching></Delivery><Query><![CDATA[<QueryList><Query Id=\"0\">\
         {selects}</Query></QueryList>]]></Query><ReadExistingEvents>true</ReadExistingEvents>\
         <TransportPort>{port}</TransportPort><ContentFormat>Events</ContentFormat>\
         <EventSources><EventSource><Address>127.0.0.1</Address></EventSource></EventSources></Subscription>"
    )
}

pub(super) fn common_credentials() -> [String; 2] {
    [format!("/cun:{USER}"), format!("/cup:{PASSWORD}")]
}

#[test]
fn no_pulled_event_is_lost_or_doubled_when_the_collector_is_killed() {
    let Some(source) = EventSource::with_journal(300) else { return };
    let mut pulling = Pulling::start();
    let [user, password] = common_credentials();
    pulling.subscribe("Pulled", &source, None, &[&user, &password]);
    for stored in [20, 90, 150, 210] {
        pulling.wait_for(stored);
        pulling.kill_collector();
    }
    append(source.folder.path(), 301..331);
    pulling.wait_for(330);
    let messages = pulling.messages();
    assert_eq!(messages.iter().collect::<BTreeSet<_>>().len(), 330, "a lost event");
    assert_eq!(messages, source.journal(), "a doubled event, or another order");
    let status = pulling
        .wait_for_status("Pulled", &["\t\t127.0.0.1\n\t\t\tRunTimeStatus: Active\n\t\t\tLastError: 0\n"]);
    assert!(status.contains("LastHeartbeatTime: 20"), "{status}");
    // The password is in no file that other users can read, and in no output.
    for words in [&["gs", "Pulled"][..], &["gs", "Pulled", "/f:xml"]] {
        let shown = pulling.wecutil(words);
        assert!(shown.contains(USER) && !shown.contains(PASSWORD), "{shown}");
    }
    let folder = pulling.telarchd.folder.path();
    for path in files_below(folder) {
        let content = fs::read(&path).unwrap_or_default();
        let is_found = content.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
        assert!(!is_found, "{} contains the password", path.display());
    }
    assert!(!pulling.telarchd.log().contains(PASSWORD));
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_below(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

#[test]
fn failures_of_sources_name_the_source_and_the_remedy() {
    let Some(source) = EventSource::with_journal(5) else { return };
    let pulling = Pulling::start();
    let [user, password] = common_credentials();
    pulling.subscribe("WrongPassword", &source, None, &[&user, "/cup:wr0ng"]);
    pulling.subscribe("UnknownChannel", &source, Some("Nothing"), &[&user, &password]);
    pulling.subscribe("Unreachable", &source, None, &[&user, &password]);
    let [closed] = free_ports();
    pulling.wecutil(&["ss", "Unreachable", &format!("/tp:{closed}")]);
    pulling.subscribe("NoPassword", &source, None, &[]);
    for (id, parts) in [
        ("WrongPassword", ["LastError: 1326", "check the account on the source"]),
        (
            "UnknownChannel",
            ["unknown or unreadable channels: nothing", "wecutil ss \"UnknownChannel\" /q:QUERY"],
        ),
        ("Unreachable", ["cannot connect to 127.0.0.1", "check the address"]),
        ("NoPassword", ["user name and password of the source are missing", "/esa:127.0.0.1 /un:USER /up:*"]),
    ] {
        let common =
            ["RunTimeStatus: Trying\n", "ErrorMessage: cannot pull from 127.0.0.1: ", "NextRetryTime: 20"];
        pulling.wait_for_status(id, &[&parts[..], &common].concat());
    }
    assert!(!pulling.telarchd.log().contains("wr0ng"));
    // The remedies help at once.
    pulling.wecutil(&[
        "ss",
        "NoPassword",
        "/esa:127.0.0.1",
        &format!("/un:{USER}"),
        &format!("/up:{PASSWORD}"),
    ]);
    pulling.wecutil(&["ss", "WrongPassword", &user, &password]);
    pulling.wecutil(&["ss", "Unreachable", &format!("/tp:{}", port_of(source.service.http()))]);
    for id in ["NoPassword", "WrongPassword", "Unreachable"] {
        pulling.wait_for_status(id, &["\t\t\tRunTimeStatus: Active\n\t\t\tLastError: 0\n"]);
    }
    pulling.wecutil(&["ss", "NoPassword", "/esa:127.0.0.1", "/ese:false"]);
    pulling.wait_for_status("NoPassword", &["\t\t127.0.0.1\n\t\t\tRunTimeStatus: Disabled\n"]);
}

#[test]
fn the_certificate_of_a_source_must_be_trusted() {
    let Some(source) = EventSource::with_journal(5) else { return };
    let [user, password] = common_credentials();
    let text = subscription("Secure", port_of(source.service.https()), None)
        .replace("<TransportPort>", "<TransportName>https</TransportName><TransportPort>");
    let pem = source.service.state_folder().join(format!("{}.pem", source.service.thumbprint()));
    for is_trusted in [false, true] {
        let pulling = Pulling::start_with(|telarchd| {
            let folder = telarchd.file("certificates").join("event-authorities");
            fs::create_dir_all(&folder).unwrap();
            if is_trusted {
                fs::copy(&pem, folder.join("source.pem")).unwrap();
            }
        });
        let file = pulling.telarchd.file("secure.xml");
        fs::write(&file, &text).unwrap();
        pulling.wecutil(&["cs", file.to_str().unwrap(), &user, &password]);
        match is_trusted {
            true => pulling.wait_for(5),
            false => {
                pulling.wait_for_status(
                    "Secure",
                    &["cannot establish a TLS connection", "certificates/event-authorities"],
                );
            }
        }
    }
}

/// Replaces the password of the collector at the sources by the credentials of the machine.
pub(super) fn of_machine(subscription: &str) -> String {
    subscription
        .replace("<EventSources>", "<CredentialsType>LocalMachine</CredentialsType><EventSources>")
        .replace("<Address>127.0.0.1<", "<Address>localhost<")
}

#[test]
fn a_source_is_pulled_with_the_certificate_of_the_machine() {
    let holder = Holder::self_signed("wec@corp.example");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("machine.pem");
    let both = [holder.certificate(), holder.key()].map(|path| fs::read_to_string(path).unwrap()).concat();
    write_private(&file, &both);
    let settings = WayIn::CertificateOverHttps.settings();
    let Some(source) = EventSource::with_settings(20, settings) else { return };
    map_certificates(&source.service, &holder.thumbprint(), "wec@corp.example");
    let pem = source.service.state_folder().join(format!("{}.pem", source.service.thumbprint()));
    let setting = format!("EventCollector.MachineCertificate = \"{}\"\n", file.display());
    for settings in ["", &setting] {
        let pulling = Pulling::start_as(settings, |telarchd| {
            let folder = telarchd.file("certificates").join("event-authorities");
            fs::create_dir_all(&folder).unwrap();
            fs::copy(&pem, folder.join("source.pem")).unwrap();
        });
        let text = of_machine(&subscription("Machine", port_of(source.service.https()), None))
            .replace("<TransportPort>", "<TransportName>https</TransportName><TransportPort>");
        let file = pulling.telarchd.file("machine.xml");
        fs::write(&file, text).unwrap();
        pulling.wecutil(&["cs", file.to_str().unwrap()]);
        if settings.is_empty() {
            pulling.wait_for_status("Machine", &["LastError: 1326", "set EventCollector.MachineKeytab, or"]);
            continue;
        }
        let events = pulling.telarchd.state().join("events/sources/localhost.address/events.jsonl");
        let until = Instant::now() + PATIENCE;
        while fs::read_to_string(&events).unwrap_or_default().lines().count() < 20 {
            assert!(Instant::now() < until, "{}", pulling.telarchd.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Kerberos is the only scheme of the collector, because Negotiate would choose NTLM for `localhost`.
#[test]
fn a_source_with_http_is_pulled_with_kerberos() {
    let name = "event_collector::pulled::a_source_with_http_is_pulled_with_kerberos";
    in_realm(name, Keys::AesSha2, |_| {
        let Some(source) = EventSource::with_journal(40) else { return };
        let folder = tempfile::tempdir().unwrap();
        let [file, events] = ["subscription.xml", "events.jsonl"].map(|name| folder.path().join(name));
        let password = PASSWORD.replace('&', "&amp;").replace('<', "&lt;");
        let credentials = format!("<UserName>{USER}@{REALM}</UserName><Password>{password}</Password>");
        let text = subscription("Kerberos", port_of(source.service.http()), None)
            .replace("<Address>127.0.0.1</Address>", &format!("<Address>localhost</Address>{credentials}"));
        fs::write(&file, text).unwrap();
        let script = format!(
            "exec \"$@\" --subscription '{}' --forwarded-events '{}'",
            file.display(),
            events.display()
        );
        let settings = [("Client.Auth.Negotiate", "false")];
        let collector = telarch_peers::Telarchd::start_through(&["sh", "-c", &script, "sh"], &settings);
        let until = Instant::now() + PATIENCE;
        while fs::read_to_string(&events).unwrap_or_default().lines().count() < 40 {
            assert!(Instant::now() < until, "{}", collector.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        let stored = fs::read_to_string(&events).unwrap();
        assert!(stored.lines().all(|line| line.contains("\"Source\":\"localhost\"")), "{stored}");
        assert!(!collector.log().contains(PASSWORD));
    });
}
