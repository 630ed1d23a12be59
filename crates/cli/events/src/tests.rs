//! `telarch events` with the store of a collector.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cli_command::{Arguments, Failure};
use eventing::{
    Batch, Collector, CollectorParts, Format, IdentityCheck, Layout, OutputSettings, PullFailure, Source,
    StoreSettings, Subscriptions,
};
use postgres_server::PostgresServer;
use winevent::delivery::{Bounds, Content, Message};
use winevent::subscription::Thumbprint;

use crate::wecutil::{self, Places, Streams};
use crate::{Collected, EVENTS, StorePlace};

const SUBSCRIPTION: &str = "<Subscription xmlns=\"http://schemas.microsoft.com/2006/03/windows/events/subscription\">\
     <SubscriptionId>Everything</SubscriptionId><SubscriptionType>SourceInitiated</SubscriptionType>\
     <ConfigurationMode>MinLatency</ConfigurationMode><Query><![CDATA[<QueryList><Query Id=\"0\">\
     <Select Path=\"System\">*</Select></Query></QueryList>]]></Query></Subscription>";

fn shown(state: &Path, words: &[&str]) -> Result<String, Failure> {
    let state = state.to_str().unwrap();
    let words: Vec<&str> = words.iter().copied().chain(["--state", state]).collect();
    crate::run(&Arguments::parse_words(&EVENTS, &words)?.unwrap())
}

/// Collects one event of `web1.example`, the end of the subscription of `web2.example`, and a failure to connect to
/// `web4.example`.
fn collect(state: &Path) {
    let folder = state.join("events");
    std::fs::create_dir(&folder).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(collect_in(&folder, StoreSettings::of_service(&folder, None).unwrap()));
}

async fn collect_in(folder: &Path, store: StoreSettings) {
    let subscription = ("everything.xml".into(), SUBSCRIPTION.as_bytes().to_vec());
    let collector = Collector::open(CollectorParts {
        store,
        outputs: vec![OutputSettings {
            layout: Layout::PerSource(folder.join("sources")),
            format: Format::Json,
            rotation: None,
        }],
        destinations: Vec::new(),
        spool: folder.join("spool"),
        total_limit: None,
        quarantine: folder.join("quarantine"),
        subscriptions: Subscriptions::parse([subscription]).unwrap(),
        identity: IdentityCheck::Mark,
    });
    let collector = collector.await.unwrap();
    let source = |name: &str| {
        let address = [192, 0, 2, 7].into();
        Source::of_certificate(vec![name.to_owned()], Thumbprint::new([0; 20]), address).unwrap()
    };
    let (one, two) = (source("web1.example"), source("web2.example"));
    let subscription = collector.offered(&one).await.unwrap().remove(0).subscription;
    let envelope = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
        xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
        xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>\
        <a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/Events</a:Action><a:MessageID>uuid:1</a:MessageID>\
        </s:Header><s:Body><w:Events><w:Event Action=\"urn:e\"><![CDATA[<Event xmlns='http://schemas.microsoft.com/\
        win/2004/08/events/event'><System><Provider Name='p'/><EventID>1</EventID><Computer>web1</Computer></System>\
        </Event>]]></w:Event></w:Events></s:Body></s:Envelope>";
    let message = Message::parse(envelope, &Bounds::default()).unwrap();
    let Content::Events(items) = &message.content else { panic!("{:?}", message.content) };
    // The end of a source's subscription is written together with the batch that follows.
    collector.note(&two, &subscription, &message.head, Some("ended by the source")).await.unwrap();
    let failure = PullFailure {
        message: "cannot pull from web4.example: refused; check the address".to_owned(),
        code: Some(1_326),
        retry_in: Duration::from_secs(600),
    };
    collector.note_failure(&Source::of_address("web4.example"), &subscription, &failure).await.unwrap();
    let batch = Batch { head: &message.head, items };
    assert_eq!(collector.deliver(&one, &subscription, batch).await.unwrap().stored, 1);
}

#[test]
fn sources_of_a_database_are_explained_and_reset() {
    let Some(server) = PostgresServer::start() else { return };
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("events");
    fs::create_dir(&folder).unwrap();
    let settings = state.path().join("config.toml");
    let file = state.path().join("event-store.toml");
    fs::write(&file, server.settings()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let store = StoreSettings::read(&folder, &file).unwrap();
    let place = StorePlace { folder: folder.clone(), settings: store.clone() };
    let error = Collected::read(&place).err().unwrap().to_string();
    assert!(error.contains("there is no store of events at telarch at /"), "{error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(collect_in(&folder, store));
    let collected = Collected::read(&place).unwrap();
    let text = crate::report::text(&collected);
    assert!(text.contains("web1.example") && text.contains("web2.example"), "{text}");
    let why = crate::report::explain(&collected, "web1").unwrap();
    assert!(why.contains("1 batches in all") && why.contains("    collector: "), "{why}");
    let places = Places::new(&settings, state.path());
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let mut streams = Streams { input: &mut std::io::empty(), out: &mut out, errors: &mut errors };
    let words = ["gr", "everything"].map(str::to_owned);
    wecutil::run(&words, &places, &mut streams).unwrap();
    let status = String::from_utf8(out).unwrap();
    assert!(status.contains("RunTimeStatus: Active") && status.contains("web1.example"), "{status}");
    server.execute("UPDATE source_state SET bookmark = 'B'");
    let reset = crate::reset(&place, &collected, "web1").unwrap();
    assert!(reset.starts_with("web1: bookmarks removed in 1 subscriptions"), "{reset}");
    assert_eq!(server.execute("SELECT count(*) FROM source_state WHERE bookmark IS NULL"), "1");
    assert!(crate::reset(&place, &collected, "web9").is_err());
}

#[test]
fn a_missing_store_is_an_error_with_a_remedy() {
    let state = tempfile::tempdir().unwrap();
    let error = shown(state.path(), &["sources"]).unwrap_err().to_string();
    assert!(
        error.contains("there is no store of events at") && error.contains("EventCollector.Enabled"),
        "{error}"
    );
}

#[test]
fn sources_are_listed_in_every_format() {
    let state = tempfile::tempdir().unwrap();
    collect(state.path());
    let text = shown(state.path(), &["sources"]).unwrap();
    let lines: Vec<Vec<&str>> =
        text.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect()).collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(lines[1][..3], ["web1.example", "Everything", "active"].map(|cell| cell), "{text}");
    let cells: Vec<&str> = lines[2].iter().map(|cell| cell.trim()).collect();
    assert_eq!((cells[0], cells[2], cells[4]), ("web2.example", "fault", "never"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&shown(state.path(), &["sources", "--format", "json"]).unwrap()).unwrap();
    assert_eq!((&json[0]["batches"], &json[0]["address"]), (&1.into(), &"192.0.2.7".into()), "{json}");
    assert_eq!(json[1]["lastFault"], "ended by the source");
    assert_eq!((&json[2]["proof"], &json[2]["faultCode"]), (&"address".into(), &1_326.into()));
    let wait = json[2]["nextAttempt"].as_i64().unwrap() - json[2]["faultTime"].as_i64().unwrap();
    assert_eq!((wait, &json[2]["lastContact"]), (600, &serde_json::Value::Null));
    let metrics = shown(state.path(), &["sources", "--format", "prometheus"]).unwrap();
    let labels = "{source=\"certificate:web1.example\",subscription=\"Everything\"}";
    assert!(metrics.contains(&format!("telarch_event_source_batches_total{labels} 1\n")), "{metrics}");
    assert!(metrics.contains(&format!("telarch_event_source_healthy{labels} 1\n")), "{metrics}");
}

#[test]
fn the_store_moves_to_the_database_of_the_settings() {
    let Some(server) = PostgresServer::start() else { return };
    let state = tempfile::tempdir().unwrap();
    collect(state.path());
    let folder = state.path().join("events");
    let file = state.path().join("event-store.toml");
    let migrate = |words: &[&str]| {
        let settings = StoreSettings::read(&folder, &file).unwrap();
        let place = StorePlace { folder: folder.clone(), settings };
        let words = [&["migrate-store"], words].concat();
        let moved =
            crate::migrate_store::run(&place, &Arguments::parse_words(&EVENTS, &words).unwrap().unwrap());
        moved.map(|text| (text, place))
    };
    let error = migrate(&[]).err().unwrap().to_string();
    assert!(error.contains("create event-store.toml"), "{error}");
    fs::write(&file, server.settings()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let before = shown(state.path(), &["sources"]).unwrap();
    let (text, place) = migrate(&[]).unwrap();
    assert!(text.starts_with("moved 1 subscriptions, 3 sources and 0 bookmarks to telarch at /"), "{text}");
    assert!(text.contains("events.sqlite.moved; remove it"), "{text}");
    let after = crate::report::text(&Collected::read(&place).unwrap());
    assert_eq!(after.lines().count(), before.lines().count(), "{after}\n{before}");
    assert!(after.contains("web1.example"), "{after}");
    fs::rename(folder.join("events.sqlite.moved"), folder.join("events.sqlite")).unwrap();
    let error = migrate(&[]).err().unwrap().to_string();
    assert!(
        error.contains("has 1 subscriptions and 3 sources already") && error.contains("--replace"),
        "{error}"
    );
    let (text, _) = migrate(&["--replace"]).unwrap();
    assert!(text.starts_with("moved 1 subscriptions, 3 sources"), "{text}");
}

#[test]
fn the_state_of_a_source_is_explained() {
    let state = tempfile::tempdir().unwrap();
    collect(state.path());
    let text = shown(state.path(), &["why", "WEB1"]).unwrap();
    assert!(text.starts_with("web1.example (certificate)\n"), "{text}");
    assert!(text.contains("subscription Everything: active") && text.contains("from 192.0.2.7"), "{text}");
    let text = shown(state.path(), &["why", "web2.example"]).unwrap();
    assert!(
        text.contains("last fault: ended by the source") && text.contains("last events: never"),
        "{text}"
    );
    let text = shown(state.path(), &["why", "web4"]).unwrap();
    for part in [
        "web4.example (address)\n",
        "subscription Everything: fault\n    last contact: never",
        "last fault: cannot pull from web4.example: refused; check the address\n    time of the fault: 20",
        "next attempt: 20",
        "the collector tries again, at once with wecutil rs ID\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let error = shown(state.path(), &["why", "web3"]).unwrap_err().to_string();
    assert!(error.contains("no message from web3; known sources: web1.example, web2.example"), "{error}");
}

/// HTTP server of Python that refuses the first request, and prints its port and the bodies of the others.
const SERVER: &str = r#"
import http.server
refused = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not refused:
            refused.append(1)
            return self.send_error(503)
        self.send_response(204)
        self.end_headers()
        print(body.decode(), end="", flush=True)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

struct Server {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new("python3");
        let mut child = command.args(["-E", "-s", "-c", SERVER]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next_line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_output(path: &Path, settings: &str) {
    use std::io::Write as _;
    let mut file =
        fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(settings.as_bytes()).unwrap();
}

#[test]
fn stored_events_are_sent_to_an_output_once_more() {
    let state = tempfile::tempdir().unwrap();
    collect(state.path());
    let mut server = Server::start();
    let url = format!("Url = \"http://127.0.0.1:{}/in\"\n", server.next_line());
    let output = state.path().join("lake.toml");
    let name = output.to_str().unwrap();
    write_output(&output, &url);
    // The server refuses the first attempt.
    assert_eq!(shown(state.path(), &["replay", name]).unwrap(), "sent 1 events\n");
    let line: serde_json::Value = serde_json::from_str(&server.next_line()).unwrap();
    assert_eq!(
        (&line["System"]["EventID"], &line["Collector"]["Source"]),
        (&1.into(), &"web1.example".into())
    );
    assert!(line["Collector"]["EventId"].as_str().is_some_and(|id| id.len() == 32), "{line}");

    assert_eq!(
        shown(state.path(), &["replay", name, "-q", "*[System[EventID=2]]"]).unwrap(),
        "sent 0 events\n"
    );
    write_output(&output, &format!("{url}Subscriptions = [\"Other\"]\n"));
    let text = shown(state.path(), &["replay", name]).unwrap();
    assert_eq!(text, "sent 0 events\n1 events are not selected by the output\n");
    // The port of a server that has ended refuses connections.
    drop(server);
    write_output(&output, &url);
    let error = shown(state.path(), &["replay", name]).unwrap_err().to_string();
    assert!(
        error.contains("cannot send events to the output lake: ") && error.contains("has accepted 0 events"),
        "{error}"
    );
    let error = shown(state.path(), &["replay", "/missing/siem.toml"]).unwrap_err().to_string();
    assert!(error.contains("there is no output /missing/siem.toml"), "{error}");
}
