//! A collector in a process of its own, which tests can kill.

use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use telarch_eventing::{
    Batch, Collector, CollectorParts, DestinationSettings, IdentityCheck, OutputSettings, Source,
    StoreSettings, Subscriptions,
};
use winevent::delivery::{Head, Item};
use winevent::subscription::Thumbprint;

use crate::nats_server::PATIENCE;

/// Variable with the folder of the process.
const FOLDER: &str = "TELARCH_TEST_COLLECTOR";

const SUBSCRIPTION: &[u8] =
    b"<Subscription xmlns=\"http://schemas.microsoft.com/2006/03/windows/events/subscription\">
<SubscriptionId>Every thing</SubscriptionId><SubscriptionType>SourceInitiated</SubscriptionType>
<Query><![CDATA[<QueryList><Query Id=\"0\"><Select Path=\"System\">*</Select></Query></QueryList>]]></Query>
<AllowedSourceNonDomainComputers/></Subscription>";

/// Waits until the log of the collector has a text, and returns the log.
pub(crate) fn wait_for_log(folder: &Path, text: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let log = std::fs::read_to_string(log_file(folder)).unwrap_or_default();
        if log.contains(text) {
            return log;
        }
        assert!(Instant::now() < until, "{text} is missing in {log}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("collector.log")
}

/// The process. It is killed when this is dropped.
pub(crate) struct CollectorProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl CollectorProcess {
    /// Starts a collector whose folder may contain the settings of an output, `nats.toml`, and of a database,
    /// `event-store.toml`.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["collector_process::process_of_other_tests", "--exact", "--ignored", "--nocapture"]);
        command.env(FOLDER, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Requests the delivery of events with these record numbers, without waiting for the acknowledgement.
    pub(crate) fn begin(&mut self, first: u64, count: u64) {
        self.order(&format!("{first} {count} 0"));
    }

    /// Delivers events, and waits for the acknowledgement.
    pub(crate) fn deliver(&mut self, first: u64, count: u64) {
        self.deliver_padded(first, count, 0);
    }

    /// Delivers events that were sent before without waiting for the acknowledgement, until they are acknowledged.
    pub(crate) fn deliver_again(&mut self, first: u64, count: u64) {
        loop {
            self.order(&format!("{first} {count} 0"));
            if self.next_result() == format!("stored {first}") {
                return;
            }
        }
    }

    /// Delivers events with some more characters, and waits for the acknowledgement.
    pub(crate) fn deliver_padded(&mut self, first: u64, count: u64, padding: usize) {
        self.order(&format!("{first} {count} {padding}"));
        self.wait_for(&format!("stored {first}"));
    }

    fn order(&mut self, order: &str) {
        writeln!(self.input, "{order}").unwrap();
    }

    /// Waits until the collector serves.
    pub(crate) fn wait_until_ready(&mut self) {
        self.wait_for("ready");
    }

    /// Waits for the result of a delivery.
    fn next_result(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the collector has ended");
            if line.starts_with("stored ") || line.starts_with("failed ") {
                return line.trim().to_owned();
            }
        }
    }

    fn wait_for(&mut self, expected: &str) {
        let mut line = String::new();
        while line.trim() != expected {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the collector has ended");
        }
    }

    /// Kills the process at once.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for CollectorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "the process of the collector, which other tests start"]
fn process_of_other_tests() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("the folder of the collector"));
    let log = std::fs::OpenOptions::new().append(true).create(true).open(log_file(&folder)).unwrap();
    tracing_subscriber::fmt().with_ansi(false).with_writer(log).init();
    let output = std::fs::read(folder.join("nats.toml")).ok();
    let output = output.map(|output| DestinationSettings::parse(Path::new("nats.toml"), &output).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let collector = runtime.block_on(Collector::open(CollectorParts {
        store: StoreSettings::read(&folder, &folder.join("event-store.toml")).unwrap(),
        outputs: vec![OutputSettings::to_file(&folder.join("events.jsonl")).unwrap()],
        destinations: output.into_iter().collect(),
        spool: folder.join("spool"),
        total_limit: None,
        quarantine: folder.join("quarantine"),
        subscriptions: Subscriptions::parse([(PathBuf::from("s.xml"), SUBSCRIPTION.to_vec())]).unwrap(),
        identity: IdentityCheck::Mark,
    }));
    let collector = collector.unwrap();
    println!("\nready");
    for order in std::io::stdin().lines() {
        let order = order.unwrap();
        let numbers: Vec<u64> = order.split(' ').map(|number| number.parse().unwrap()).collect();
        let [first, count, padding] = numbers[..] else { panic!("{order}") };
        // The prefix of a line of the test harness must not be in the same line.
        match runtime.block_on(deliver(&collector, first, count, padding)) {
            true => println!("\nstored {first}"),
            false => println!("\nfailed {first}"),
        }
    }
}

/// Delivers events; returns `false` if the source must repeat them.
async fn deliver(collector: &Collector, first: u64, count: u64, padding: u64) -> bool {
    let subjects = vec!["win10.example.com".to_owned()];
    let source = Source::of_certificate(subjects, Thumbprint::new([0; 20]), [127, 0, 0, 1].into()).unwrap();
    let Ok(offered) = collector.offered(&source).await else { return false };
    let last = first + count - 1;
    let bookmark = format!(
        "<BookmarkList><Bookmark Channel=\"System\" RecordId=\"{last}\" IsCurrent=\"true\"/></BookmarkList>"
    );
    let head = Head { bookmark: Some(bookmark), ..Head::default() };
    let padding = "x".repeat(usize::try_from(padding).unwrap());
    let items: Vec<_> = (first..=last)
        .map(|record| Item { action: "urn:e", xml: Cow::Owned(event(record, &padding)) })
        .collect();
    let batch = Batch { head: &head, items: &items };
    let delivered = collector.deliver(&source, &offered[0].subscription, batch).await;
    delivered.is_ok_and(|delivered| delivered.stored == items.len())
}

fn event(record: u64, data: &str) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='p'/>\
         <EventID>1</EventID><TimeCreated SystemTime='2026-01-02T03:04:05.1234567Z'/>\
         <EventRecordID>{record}</EventRecordID><Channel>A/B.c</Channel><Computer>win10</Computer></System>\
         <EventData><Data>{data}</Data></EventData></Event>"
    )
}
