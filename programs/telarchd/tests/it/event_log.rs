//! Subscriptions to the local event logs: pywinrm pulls from journals that `systemd-journal-remote` has written.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use client::{
    Authentication, Credentials, Endpoint, Locator, Occurrence, Secret, Session, Subscription, TlsPolicy,
};
use serde_json::{Value, json};
use telarch_peers::{Machine, PASSWORD, Peer as _, Proof, Pywinrm, Refusal, Telarchd, USER, WayIn};
use tempfile::TempDir;
use winevent::event::Record;
use wsman::ResourceUri;
use wsman::enumeration::Filter;
use wsman::eventing::Start;
use wsman::namespace::DIALECT_EVENT_QUERY;

use crate::separated::block_on;

/// Way in that needs no realm.
pub(crate) const WAY: WayIn = WayIn::BasicOverHttps;

/// A journal, and the service that offers its events.
pub(crate) struct EventSource {
    pub(crate) folder: TempDir,
    pub(crate) service: Telarchd,
}

impl EventSource {
    /// Returns `None` if `systemd-journal-remote` or `journalctl` is missing.
    pub(crate) fn with_journal(entries: u64) -> Option<Self> {
        Self::with_settings(entries, WAY.settings())
    }

    /// As [`Self::with_journal`], with these settings.
    pub(crate) fn with_settings(entries: u64, settings: &[(&str, &str)]) -> Option<Self> {
        if program("systemd-journal-remote").is_none() || program("journalctl").is_none() {
            skips::skip!("there is no systemd-journal-remote or no journalctl");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("telarch-events-").tempdir().unwrap();
        append(folder.path(), 1..entries + 1);
        Some(Self::on(folder, settings))
    }

    /// Starts a service that offers the events of a journal.
    pub(crate) fn on(folder: TempDir, settings: &[(&str, &str)]) -> Self {
        let script = format!("exec \"$@\" --journal '{}'", folder.path().display());
        let service = Telarchd::start_through(&["sh", "-c", &script, "sh"], settings);
        Self { folder, service }
    }

    fn logs(&self, arguments: Value) -> Result<Value, Refusal> {
        Pywinrm::against(&self.service, WAY).subscribe("logs", arguments)
    }

    /// Returns the messages of the journal as journalctl prints them.
    pub(crate) fn journal(&self) -> Vec<String> {
        let mut journalctl = Command::new(program("journalctl").unwrap());
        let output = journalctl.arg("--directory").arg(self.folder.path()).args(["-o", "cat"]).output();
        String::from_utf8(output.unwrap().stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/lib/systemd")]);
    folders.map(|folder| folder.join(name)).find(|program| program.exists())
}

/// Command that appends the entries of a file in the export format.
fn appending(folder: &Path, file: &Path) -> Vec<OsString> {
    let (program, journal) = (program("systemd-journal-remote").unwrap(), folder.join("system.journal"));
    vec![program.into(), "-o".into(), journal.into(), file.into()]
}

fn entries(numbers: Range<u64>) -> String {
    let entry = |number: u64| {
        format!(
            "__CURSOR=s=0;i={number:x}\n__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n\
             _BOOT_ID=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nPRIORITY={}\nSYSLOG_FACILITY={}\n_TRANSPORT=syslog\n\
             SYSLOG_IDENTIFIER=program\nMESSAGE=message {number} <&> ä\n\n",
            1_700_000_000_000_000 + number * 1_000,
            number * 1_000,
            number % 8,
            number % 12,
        )
    };
    numbers.map(entry).collect()
}

pub(crate) fn append(folder: &Path, numbers: Range<u64>) {
    let command = appending(folder, Path::new("-"));
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(entries(numbers).as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Returns the query for all events of the three logs.
pub(crate) fn everything() -> String {
    let select = |log| format!("<Select Path=\"{log}\">*</Select>");
    let selects = ["Application", "System", "Security"].map(select).concat();
    format!("<QueryList><Query Id=\"0\">{selects}</Query></QueryList>")
}

fn request(count: u64) -> Value {
    json!({
        "query": everything(), "options": {"CDATA": "true", "ReadExistingEvents": "true"}, "bookmark": null,
        "count": count, "program": null,
    })
}

/// Returns the messages of events.
pub(crate) fn messages(pulled: &Value) -> Vec<String> {
    let events = pulled["events"].as_array().unwrap().iter();
    let message = |event: &Value| {
        let record = Record::parse(event.as_str().unwrap()).unwrap();
        let event = record.source();
        let (_, rest) = event.split_once("<Data Name='MESSAGE'>").unwrap_or_else(|| panic!("{event}"));
        let text = rest.split_once("</Data>").unwrap().0;
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    };
    events.map(message).collect()
}

#[test]
fn pywinrm_pulls_the_journal_and_continues_at_a_bookmark() {
    let Some(source) = EventSource::with_journal(250) else { return };
    let first = source.logs(request(100)).unwrap();
    let bookmark = first["bookmark"].as_str().expect("a bookmark");
    assert!(bookmark.contains("IsCurrent=\"true\""), "{bookmark}");
    let mut rest = request(150);
    rest["bookmark"] = json!(bookmark);
    let rest = source.logs(rest).unwrap();
    let pulled = [messages(&first), messages(&rest)].concat();
    assert_eq!(pulled.len(), 250);
    assert_eq!(pulled, source.journal());
}

#[test]
fn a_subscription_from_now_on_has_a_bookmark_before_its_first_event() {
    let Some(source) = EventSource::with_journal(20) else { return };
    let file = source.folder.path().join("more.export");
    fs::write(&file, entries(21..31)).unwrap();
    let program: Vec<String> =
        appending(source.folder.path(), &file).into_iter().map(|word| word.into_string().unwrap()).collect();
    let mut now = request(10);
    now["options"] = json!({"CDATA": "true"});
    now["program"] = json!(program);
    let pulled = source.logs(now).unwrap();
    // The first page has a position and no event, and only after it the entries were appended.
    assert_eq!(messages(&pulled), source.journal()[20..]);
    assert!(pulled["pages"].as_u64() > Some(1), "{pulled}");
}

#[test]
fn an_expression_selects_events_of_all_channels() {
    let Some(source) = EventSource::with_journal(80) else { return };
    let mut errors = request(10);
    errors["query"] = json!("*[System[Level=2]]");
    let errors = messages(&source.logs(errors).unwrap());
    assert_eq!(
        errors,
        (3..81).step_by(8).map(|number| format!("message {number} <&> ä")).collect::<Vec<_>>()
    );
}

#[test]
fn invalid_queries_bookmarks_and_channels_are_refused() {
    let Some(source) = EventSource::with_journal(1) else { return };
    for (name, value, code) in [
        ("query", "<QueryList/>", 2_150_858_778),
        (
            "query",
            "<QueryList><Query Id='0'><Select Path='Nothing'>*</Select></Query></QueryList>",
            2_150_858_778,
        ),
        ("bookmark", "<Nonsense/>", 2_150_858_808_u64),
        ("bookmark", "yesterday", 2_150_858_808),
    ] {
        let mut wrong = request(1);
        wrong[name] = json!(value);
        let refusal = source.logs(wrong).expect_err(value);
        assert_eq!(refusal.fault_code, Some(code), "{value}: {refusal:?}");
    }
}

const EVENT_LOG: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog";

fn session(source: &EventSource) -> Session {
    Session::builder(Endpoint::parse(source.service.https()).unwrap())
        .credentials(Credentials { user: USER.to_owned(), password: Secret::new(PASSWORD.into()) })
        .authentication(Authentication::Basic)
        .tls(TlsPolicy::new().skip_ca().skip_name())
        .build()
        .unwrap()
}

fn all_channels() -> Filter {
    Filter { dialect: DIALECT_EVENT_QUERY.to_owned(), text: "*".to_owned(), ..Filter::default() }
}

fn event_log() -> Locator {
    Locator::new(ResourceUri::parse(EVENT_LOG).unwrap())
}

/// Returns the record numbers of the next events.
async fn records(subscription: &mut Subscription, count: usize) -> Vec<String> {
    let mut records = Vec::new();
    while records.len() < count {
        let Occurrence::Event(event) = subscription.next().await.unwrap().unwrap() else { panic!("dropped") };
        let (_, number) = event.xml().split_once("<EventRecordID>").unwrap();
        records.push(number.split_once('<').unwrap().0.to_owned());
    }
    records
}

fn numbers(range: Range<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn the_client_continues_at_its_bookmark() {
    let Some(source) = EventSource::with_journal(100) else { return };
    let session = session(&source);
    block_on(async {
        let (locator, filter) = (event_log(), all_channels());
        let mut first =
            session.subscribe_from(&locator, filter.clone(), Some(Start::Earliest), None).await.unwrap();
        assert_eq!(records(&mut first, 100).await, numbers(1..101));
        let bookmark = first.bookmark().expect("a bookmark").to_owned();
        first.unsubscribe().await.unwrap();
        append(source.folder.path(), 101..106);
        let start = Some(Start::Bookmark(bookmark));
        let mut second = session.subscribe_from(&locator, filter, start, None).await.unwrap();
        assert_eq!(records(&mut second, 5).await, numbers(101..106));
    });
}

#[test]
fn a_user_has_a_limited_number_of_event_log_subscriptions() {
    let Some(source) = EventSource::with_journal(1) else { return };
    let (session, locator, filter) = (session(&source), event_log(), all_channels());
    block_on(async {
        let mut open = Vec::new();
        let refused = loop {
            match session.subscribe(&locator, filter.clone(), None).await {
                Ok(subscription) => open.push(subscription),
                Err(error) => break error,
            }
        };
        assert_eq!((open.len(), refused.code()), (16, Some(2_150_858_815)), "{refused}");
        open.pop().unwrap().unsubscribe().await.unwrap();
        open.push(session.subscribe(&locator, filter, None).await.expect("one has ended"));
        for subscription in open {
            subscription.unsubscribe().await.unwrap();
        }
    });
}

#[test]
fn root_reads_the_logs_with_the_rights_of_the_user() {
    let Some(machine) = Machine::start(Proof::MemberOf("EventLogReaders")) else { return };
    let refusal = machine.pywinrm(WAY).subscribe("logs", request(1)).expect_err("no rights to the files");
    assert_eq!(refusal.fault_code, Some(5), "{refusal:?}");
    assert!(refusal.message.contains("systemd-journal"), "{refusal:?}");
}
