//! Collector-initiated subscriptions whose sources push: another service, whose journal `systemd-journal-remote` has
//! written, and curl with messages recorded from Windows.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use auth::account_file::Role;
use ports::free_ports;
use rcgen::ExtendedKeyUsagePurpose;
use rustix::process::{Pid, Signal, kill_process};
use telarch_peers::{Keys, PASSWORD, USER, in_realm};

use super::certificates::Authority;
use super::collector::{Answer, Sending, batch, envelope, event};
use super::pulled::{Pulling, common_credentials, of_machine, port_of, subscription};
use super::recorded_source::{Answer as Reply, RecordedEvents, RecordedSource};
use crate::PATIENCE;
use crate::event_log::{EventSource, WAY, append};
use crate::service_process::Telarchd;

const HEARTBEAT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Heartbeat";
const SUBSCRIPTION_END: &str = "http://schemas.xmlsoap.org/ws/2004/08/eventing/SubscriptionEnd";

/// Starts a service with a journal, which trusts the certificate of the collector.
fn source_for(collecting: &Pulling, entries: u64) -> Option<EventSource> {
    let authorities = certificate(collecting).display().to_string();
    let trust = [("EventForwarding.PushAuthorities", authorities.as_str())];
    EventSource::with_settings(entries, &[WAY.settings(), &trust].concat())
}

/// Returns the file with the certificate that the collector has made for itself.
fn certificate(collecting: &Pulling) -> PathBuf {
    let mut files = fs::read_dir(collecting.telarchd.state()).unwrap().flatten().map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "pem")).unwrap()
}

/// Returns a subscription in push mode with this number of events in a message.
fn pushing(id: &str, port: u16, items: u32) -> String {
    let text = subscription(id, port, None).replace("<Delivery Mode=\"Pull\">", "<Delivery Mode=\"Push\">");
    text.replace("<MaxItems>7</MaxItems>", &format!("<MaxItems>{items}</MaxItems>"))
}

fn create(collecting: &Pulling, text: &str) {
    let file = collecting.telarchd.file("new.xml");
    fs::write(&file, text).unwrap();
    let [user, password] = common_credentials();
    collecting.wecutil(&["cs", file.to_str().unwrap(), &user, &password]);
}

#[test]
fn no_pushed_event_is_lost_or_doubled_when_the_collector_is_killed() {
    for (items, entries) in [(7, 300), (1, 100)] {
        let mut collecting = Pulling::with_settings("");
        let Some(source) = source_for(&collecting, entries) else { return };
        create(&collecting, &pushing("Pushed", port_of(source.service.http()), items));
        let count = usize::try_from(entries).unwrap();
        for part in [10, 4, 2] {
            collecting.wait_for(count / part);
            collecting.kill_collector();
        }
        append(source.folder.path(), entries + 1..entries + 31);
        collecting.wait_for(count + 30);
        let messages = collecting.messages();
        assert_eq!(messages.iter().collect::<BTreeSet<_>>().len(), count + 30, "a lost event");
        assert_eq!(messages, source.journal(), "a doubled event, or another order");
        let status = collecting
            .wait_for_status("Pushed", &["\t\t127.0.0.1\n\t\t\tRunTimeStatus: Active\n\t\t\tLastError: 0\n"]);
        assert!(status.contains("LastHeartbeatTime: 20"), "{status}");
        assert!(!collecting.telarchd.log().contains("/wsman/subscriptions/"), "the log contains a secret");
        // The source notices the end of the subscription.
        collecting.wecutil(&["ds", "Pushed"]);
        append(source.folder.path(), entries + 31..entries + 41);
        create(&collecting, &pushing("Pushed", port_of(source.service.http()), items));
        collecting.wait_for(count + 40);
        assert_eq!(collecting.messages(), source.journal());
    }
}

/// A source admits 16 subscriptions of a user. Each killed collector leaves one, whose next message is due in 15 minutes.
#[test]
fn a_collector_that_restarts_often_does_not_exhaust_the_limit_of_its_source() {
    const RESTARTS: usize = 18;
    let mut collecting = Pulling::with_settings("");
    let Some(source) = source_for(&collecting, 3) else { return };
    create(&collecting, &pushing("Restarted", port_of(source.service.http()), 7));
    for number in 1..=RESTARTS {
        wait_for_subscriptions(&collecting, number);
        collecting.telarchd.kill();
        collecting.telarchd.run();
    }
    wait_for_subscriptions(&collecting, RESTARTS + 1);
    append(source.folder.path(), 4..10);
    collecting.wait_for(9);
    assert_eq!(collecting.messages(), source.journal());
    assert!(
        !collecting.telarchd.log().contains("subscriptions with push delivery"),
        "a refused subscription"
    );
}

/// Waits until the collector has subscribed so many times.
fn wait_for_subscriptions(collecting: &Pulling, count: usize) {
    let until = Instant::now() + PATIENCE;
    while collecting.telarchd.log().matches("Subscribed at an event source that pushes").count() < count {
        assert!(Instant::now() < until, "{}", collecting.telarchd.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn presets_push_as_on_windows_if_the_url_of_the_collector_is_set() {
    let collecting = Pulling::with_settings("");
    let Some(source) = source_for(&collecting, 20) else { return };
    create(&collecting, &subscription("Preset", port_of(source.service.http()), None));
    collecting.wait_for(20);
    let subscribed = |mode: &str| {
        let shown = collecting.wecutil(&["gs", "Preset"]).to_ascii_lowercase();
        assert!(shown.contains(&format!("deliverymode: {mode}\n")), "{shown}");
        collecting.telarchd.log().matches("Subscribed at an event source that pushes").count()
    };
    assert_eq!(subscribed("pull"), 0);
    let mut count = 20;
    for (preset, mode, pushes) in
        [("MinBandwidth", "push", 1), ("Normal", "pull", 1), ("MinLatency", "push", 2)]
    {
        collecting.wecutil(&["ss", "Preset", &format!("/cm:{preset}")]);
        if mode == "push" {
            wait_for_subscriptions(&collecting, pushes);
        } else {
            append(source.folder.path(), count + 1..count + 6);
            count += 5;
            collecting.wait_for(usize::try_from(count).unwrap());
        }
        assert_eq!(subscribed(mode), pushes);
    }
    // A message with events is due after 30 seconds, or when no more fit into it.
    append(source.folder.path(), count + 1..count + 1_002);
    collecting.wait_for(usize::try_from(count).unwrap() + 200);
}

#[test]
fn a_subscription_changes_between_pulling_and_pushing_without_losing_events() {
    let collecting = Pulling::with_settings("");
    let Some(source) = source_for(&collecting, 20) else { return };
    create(&collecting, &subscription("Changed", port_of(source.service.http()), None));
    collecting.wait_for(20);
    let mut count = 20;
    for (mode, items) in [("push", "/dmi:3"), ("pull", "/dmi:7"), ("push", "/dmi:1")] {
        collecting.wecutil(&["ss", "Changed", "/cm:Custom", &format!("/dm:{mode}"), items, "/hi:60000"]);
        append(source.folder.path(), count + 1..count + 21);
        count += 20;
        collecting.wait_for(usize::try_from(count).unwrap());
        let shown = collecting.wecutil(&["gs", "Changed"]).to_ascii_lowercase();
        assert!(shown.contains(&format!("deliverymode: {mode}\n")), "{shown}");
    }
    assert_eq!(collecting.messages(), source.journal());
    collecting.wecutil(&["ss", "Changed", "/e:false"]);
    collecting.wait_for_status("Changed", &["\t\t127.0.0.1\n\t\t\tRunTimeStatus: Disabled\n"]);
}

/// Runs an ephemeral collector until it has stored 20 events. As root the configured service has a process for the
/// collector; the ephemeral service has none.
fn collect_20_events(text: &str, options: &[&OsStr]) {
    let folder = tempfile::tempdir().unwrap();
    let [file, events, ready, log] =
        ["subscription.xml", "events.jsonl", "ready.json", "log"].map(|name| folder.path().join(name));
    fs::write(&file, text).unwrap();
    let files = Telarchd::new("");
    files.add_account(USER, Role::User);
    let mut command = Command::new(env!("CARGO_BIN_EXE_telarchd"));
    command.arg("--ephemeral").args(options).arg("--accounts").arg(files.file("accounts"));
    command.arg("--subscription").arg(&file).arg("--forwarded-events").arg(&events);
    command.arg("--ready").arg(&ready).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
    let mut child = command.env("TMPDIR", folder.path()).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while fs::read_to_string(&events).unwrap_or_default().lines().count() < 20 {
        let is_running = child.try_wait().unwrap().is_none() && Instant::now() < until;
        if !is_running {
            let _ = child.kill();
            panic!("{}", fs::read_to_string(&log).unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::read_to_string(&events).unwrap().lines().count(), 20);
}

#[test]
fn a_collector_in_the_process_of_the_gateway_receives_pushed_events() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let pair = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let file = authority.file.display().to_string();
    let trust = [("EventForwarding.PushAuthorities", file.as_str())];
    let Some(source) = EventSource::with_settings(20, &[WAY.settings(), &trust].concat()) else { return };
    let password = PASSWORD.replace('&', "&amp;").replace('<', "&lt;");
    let common = format!(
        "<CommonUserName>{USER}</CommonUserName><CommonPassword>{password}</CommonPassword><EventSources>"
    );
    let text = pushing("Pushed", port_of(source.service.http()), 1).replace("<EventSources>", &common);
    let [port] = free_ports();
    let (address, url) =
        (format!("127.0.0.1:{port}"), format!("EventCollector.DeliveryUrl=https://localhost:{port}/wsman"));
    let options: [&OsStr; 8] = [
        "--https".as_ref(),
        address.as_ref(),
        "--set".as_ref(),
        url.as_ref(),
        "--certificate".as_ref(),
        pair.certificate.as_ref(),
        "--key".as_ref(),
        pair.key.as_ref(),
    ];
    collect_20_events(&text, &options);
}

/// Over HTTP the collector admits deliveries only with Kerberos, which encrypts them.
#[test]
fn collector_and_source_sign_in_with_their_keytabs_over_http() {
    let name = "event_collector::pushed::collector_and_source_sign_in_with_their_keytabs_over_http";
    in_realm(name, Keys::AesSha1, |realm| {
        let keytab = realm.path("machine.keytab").display().to_string();
        // Each service knows the account of this principal.
        realm.kadmin(&format!("ktadd -norandkey -k {keytab} {USER}"));
        let settings = [("EventForwarding.PushKeytab", keytab.as_str())];
        let Some(source) = EventSource::with_settings(20, &settings) else { return };
        let port = port_of(source.service.http());
        for text in [subscription("Pulled", port, None), pushing("Pushed", port, 7)] {
            let [port] = free_ports();
            let (address, url, keytab) = (
                format!("127.0.0.1:{port}"),
                format!("EventCollector.DeliveryUrl=http://localhost:{port}/wsman"),
                format!("EventCollector.MachineKeytab={keytab}"),
            );
            let words = ["--http", &address, "--set", &url, "--set", &keytab];
            collect_20_events(&of_machine(&text), &words.map(OsStr::new));
        }
    });
}

/// A source in Rust that only answers Subscribe; the test delivers with curl.
struct Sender {
    collecting: Pulling,
    source: RecordedSource,
}

impl Sender {
    fn start(change: impl FnOnce(String) -> String) -> Option<Self> {
        RecordedEvents::read()?;
        let collecting = Pulling::with_settings("Client.AllowUnencrypted = true\n");
        let source = RecordedSource::start("127.0.0.1", |_| Reply::Subscribed);
        let text = pushing("Sent", source.port(), 20);
        let basic = "<CredentialsType>Basic</CredentialsType><EventSources>";
        create(&collecting, &change(text.replace("<EventSources>", basic)));
        source.wait_for_requests(1);
        Some(Self { collecting, source })
    }

    /// Waits for this number of Subscribe requests, and returns the last one.
    fn subscribed(&self, count: usize) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let all = self.source.requests();
            let found: Vec<&String> = all.iter().filter(|one| one.contains("eventing/Subscribe<")).collect();
            if found.len() >= count {
                return found[count - 1].clone();
            }
            assert!(Instant::now() < until, "{all:#?}\n{}", self.collecting.telarchd.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn post(&self, url: &str, body: &[u8], headers: &[&str]) -> Answer {
        let folder = tempfile::tempdir_in(self.collecting.telarchd.folder.path()).unwrap();
        let file = folder.path().join("body");
        fs::write(&file, body).unwrap();
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--insecure", "--max-time", "60"]);
        for header in headers {
            command.arg("--header").arg(header);
        }
        command.arg("--data-binary").arg(format!("@{}", file.display()));
        command.args(["--write-out", "\\n%{http_code}"]).arg(url);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Sending { child: command.spawn().unwrap(), _folder: folder }.wait()
    }

    fn send(&self, url: &str, text: &str) -> Answer {
        self.post(url, text.as_bytes(), &["Content-Type: application/soap+xml;charset=UTF-8"])
    }

    /// Returns the number of stored events.
    fn stored(&self) -> usize {
        fs::read_to_string(self.collecting.events()).unwrap_or_default().lines().count()
    }
}

/// Returns the address for deliveries in a Subscribe request.
fn address_of(subscribe: &str) -> String {
    let (_, after) = subscribe.split_once("<e:NotifyTo><a:Address>").expect(subscribe);
    after.split('<').next().unwrap().to_owned()
}

#[test]
fn only_the_secret_address_of_a_subscription_accepts_events() {
    let Some(sender) = Sender::start(|text| text) else { return };
    let subscribe = sender.subscribed(1);
    for part in [
        "Mode=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/Events\"",
        "<w:MaxElements>20</w:MaxElements>",
        "<w:MaxTime>PT1.000S</w:MaxTime>",
        "<w:Option Name=\"Compression\">SLDC</w:Option>",
        "<w:SendBookmarks/>",
    ] {
        assert!(subscribe.contains(part), "{part} is missing in {subscribe}");
    }
    let url = address_of(&subscribe);
    let (before, number) = url.rsplit_once('/').unwrap();
    let (base, secret) = before.rsplit_once('/').unwrap();
    assert_eq!((number, secret.len()), ("1", 48), "{url}");
    let answer = sender.send(&url, &envelope(HEARTBEAT, "", "<w:Events/>"));
    assert!(answer.status == 200 && answer.text.contains(super::ACK), "{} {}", answer.status, answer.text);
    let events = batch(2, &[event(1, "one"), event(2, "two")]);
    assert_eq!(sender.send(&url, &events).status, 200);
    assert_eq!(sender.stored(), 2);
    // A batch whose acknowledgement was lost is not stored twice.
    assert_eq!(sender.send(&url, &events).status, 200);
    assert_eq!(sender.stored(), 2);
    let other_secret: String = secret.chars().rev().collect();
    for wrong in [format!("{base}/{other_secret}/1"), format!("{base}/{}/1", "0".repeat(48))] {
        let answer = sender.send(&wrong, &batch(9, &[event(9, "forged")]));
        assert!(answer.status == 500 && answer.text.contains("w:DeliveryRefused"), "{}", answer.text);
    }
    // Everything else requires authentication, or is no path of the collector.
    for (wrong, status) in [
        (format!("{base}/{}/1", secret.to_uppercase()), 401),
        (format!("{base}/{}/1", &secret[1..]), 401),
        (format!("{base}/{secret}/1/2"), 404),
        (base.replace("/subscriptions", "/SubscriptionManager/WEC"), 401),
    ] {
        let answer = sender.send(&wrong, &batch(9, &[event(9, "forged")]));
        assert_eq!(answer.status, status, "{wrong}: {}", answer.text);
    }
    assert_eq!(sender.stored(), 2);
    let log = sender.collecting.telarchd.log();
    assert!(!log.contains(secret), "the log contains the secret");
}

#[test]
fn recorded_messages_of_windows_are_accepted_and_an_ended_subscription_begins_at_its_bookmark() {
    let Some(sender) = Sender::start(|text| text) else { return };
    let url = address_of(&sender.subscribed(1));
    let Some(recordings) = skips::recordings("events") else { return };
    let utf16 = ["Content-Type: application/soap+xml;charset=UTF-16"];
    let compressed = [utf16[0], "Content-Encoding: SLDC"];
    for (file, headers, stored) in [
        ("heartbeat.captured.sldc", &compressed[..], 0),
        ("batch-system-60.sldc", &compressed, 60),
        ("batch-security-25.utf16le", &utf16, 85),
    ] {
        let answer = sender.post(&url, &fs::read(recordings.join(file)).unwrap(), headers);
        assert_eq!(answer.status, 200, "{file}: {}", answer.text);
        assert_eq!(sender.stored(), stored, "{file}");
    }
    assert_eq!(sender.send(&url, &batch(77, &[event(77, "last")])).status, 200);
    let end = "<e:SubscriptionEnd xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/08/eventing\">\
        <e:Status>http://schemas.xmlsoap.org/ws/2004/08/eventing/SourceShuttingDown</e:Status></e:SubscriptionEnd>";
    assert_eq!(sender.send(&url, &envelope(SUBSCRIPTION_END, "", end)).status, 200);
    let again = sender.subscribed(2);
    assert!(
        again.contains("<w:Bookmark><BookmarkList><Bookmark Channel=\"System\" RecordId=\"77\""),
        "{again}"
    );
    let next = address_of(&again);
    assert_ne!(next, url);
    let late = sender.send(&url, &batch(78, &[event(78, "late")]));
    assert!(late.status == 500 && late.text.contains("w:DeliveryRefused"), "{}", late.text);
    assert_eq!(sender.send(&next, &batch(78, &[event(78, "next")])).status, 200);
    assert_eq!(sender.stored(), 87);
    sender.collecting.wecutil(&["ds", "Sent"]);
    let until = Instant::now() + PATIENCE;
    while sender.send(&next, &batch(79, &[event(79, "late")])).status == 200 {
        assert!(Instant::now() < until, "a deleted subscription accepts events");
    }
    let unsubscribed = sender.source.requests().iter().any(|one| one.contains("eventing/Unsubscribe<"));
    assert!(unsubscribed, "{:#?}", sender.source.requests());
}

#[test]
fn a_source_that_never_delivers_is_reported_and_subscribed_again() {
    let heartbeat = "<PushSettings><HostName>127.0.0.1</HostName><Heartbeat Interval=\"1000\"/></PushSettings></Delivery>";
    let Some(sender) = Sender::start(|text| text.replace("</Delivery>", heartbeat)) else { return };
    let first = sender.subscribed(1);
    assert!(first.contains("<w:Heartbeats>PT1.000S</w:Heartbeats>"), "{first}");
    assert!(address_of(&first).starts_with("https://127.0.0.1:"), "{first}");
    sender.subscribed(2);
    let status = sender.collecting.wait_for_status(
        "Sent",
        &[
            "RunTimeStatus: Trying",
            "has sent nothing to https://127.0.0.1:",
            "EventForwarding.PushAuthorities",
        ],
    );
    assert!(!status.contains("/subscriptions/"), "{status}");
    let url = address_of(&sender.subscribed(2));
    assert_eq!(sender.send(&url, &envelope(HEARTBEAT, "", "<w:Events/>")).status, 200);
    sender.collecting.wait_for_status("Sent", &["RunTimeStatus: Active\n\t\t\tLastError: 0"]);
}
