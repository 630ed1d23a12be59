//! A collector, and sources that send with curl.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::ExtendedKeyUsagePurpose;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::certificates::{Authority, Pair};
use crate::PATIENCE;

/// Name of the source, as in the recordings.
pub(super) const SOURCE: &str = "win10.windomain.local";

/// Subscription for all events of two logs.
pub(super) const SUBSCRIPTION: &str =
    "<Subscription xmlns=\"http://schemas.microsoft.com/2006/03/windows/events/subscription\">
<SubscriptionId>Everything</SubscriptionId><SubscriptionType>SourceInitiated</SubscriptionType>
<ConfigurationMode>MinLatency</ConfigurationMode>
<Query><![CDATA[<QueryList><Query Id=\"0\"><Select Path=\"System\">*</Select><Select Path=\"Security\">*</Select>
</Query></QueryList>]]></Query><AllowedSourceNonDomainComputers/>
</Subscription>";

/// A running collector with its files.
pub(super) struct Collector {
    folder: TempDir,
    events: PathBuf,
    subscriptions: Vec<PathBuf>,
    address: String,
    authority: Authority,
    certificate: Pair,
    source: Pair,
    foreign: Pair,
    child: Option<Child>,
}

/// Source that sends with a certificate.
pub(super) struct Source<'c> {
    collector: &'c Collector,
    pair: &'c Pair,
}

/// Response to a source. The status is 0 if there was none.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Collector {
    /// Starts a collector of these subscriptions, with a file of events of this extension; `-` is standard output.
    pub(super) fn start(extension: &str, subscriptions: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("telarchd-events-").tempdir().unwrap();
        let authority = Authority::new(folder.path(), "authority");
        let certificate = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let source = authority.issue(SOURCE, ExtendedKeyUsagePurpose::ClientAuth);
        let other = Authority::new(folder.path(), "other");
        let foreign = other.issue(SOURCE, ExtendedKeyUsagePurpose::ClientAuth);
        let files = subscriptions.iter().enumerate().map(|(number, text)| {
            let path = folder.path().join(format!("subscription{number}.xml"));
            fs::write(&path, text).unwrap();
            path
        });
        // The port stays the same when the service is started again.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut collector = Self {
            subscriptions: files.collect(),
            events: folder.path().join(format!("events.{extension}")),
            address: format!("127.0.0.1:{port}"),
            folder,
            authority,
            certificate,
            source,
            foreign,
            child: None,
        };
        collector.run();
        collector
    }

    /// Starts the service and waits until it listens.
    pub(super) fn run(&mut self) {
        let ready = self.folder.path().join("ready.json");
        let _ = fs::remove_file(&ready);
        let log = fs::OpenOptions::new().append(true).create(true).open(self.log_file()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_telarchd"));
        command.args(["--ephemeral", "--https", &self.address]);
        command
            .arg("--certificate")
            .arg(&self.certificate.certificate)
            .arg("--key")
            .arg(&self.certificate.key);
        command.arg("--client-authority").arg(&self.authority.file);
        for subscription in &self.subscriptions {
            command.arg("--subscription").arg(subscription);
        }
        let is_stdout = self.events.extension().is_some_and(|extension| extension == "-");
        command.arg("--forwarded-events").arg(if is_stdout { Path::new("-") } else { &self.events });
        let stdout = match is_stdout {
            true => fs::File::create(&self.events).unwrap().into(),
            false => Stdio::null(),
        };
        command.args(["--set", "Metrics.Enabled=true", "--set", "Metrics.Port=0"]);
        command.arg("--ready").arg(&ready);
        // The state directory of a killed service is removed together with the folder.
        command.env("TMPDIR", self.folder.path()).env("TELARCH_LOG", "debug");
        let mut child = command.stdout(stdout).stderr(log).spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        while !ready.exists() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "{ended:?}; the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child = Some(child);
    }

    /// Kills the service at once.
    pub(super) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source { collector: self, pair: &self.source }
    }

    /// Returns a source whose certificate has the same name and another authority.
    pub(super) fn foreign_source(&self) -> Source<'_> {
        Source { collector: self, pair: &self.foreign }
    }

    /// Returns whether a client without a certificate is refused.
    pub(super) fn without_certificate(&self) -> bool {
        let mut command = self.curl("/SubscriptionManager/WEC");
        !command.args(["--data-binary", "x"]).status().unwrap().success()
    }

    /// Returns the path to which the source delivers events.
    pub(super) fn delivery_path(&self) -> String {
        let request = envelope(super::ENUMERATE, "", "<n:Enumerate/>");
        self.source().send("/SubscriptionManager/WEC", &request).delivery_path()
    }

    /// Returns the stored events.
    pub(super) fn lines(&self) -> Vec<String> {
        lines(&self.events)
    }

    /// Returns the quarantine of the source.
    pub(super) fn quarantine(&self) -> Vec<String> {
        let mut folder = self.events.as_os_str().to_owned();
        folder.push(".quarantine");
        lines(&Path::new(&folder).join(format!("{SOURCE}.tls")).join("events.jsonl"))
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn curl(&self, path: &str) -> Command {
        let mut command = Command::new("curl");
        let (host, port) = self.address.split_once(':').unwrap();
        command.args(["--silent", "--show-error", "--max-time", "60"]);
        command.arg("--connect-to").arg(format!("localhost:{port}:{host}:{port}"));
        command.arg("--cacert").arg(&self.authority.file);
        command.arg(format!("https://localhost:{port}/wsman{path}"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Source<'_> {
    /// Sends a message in UTF-8.
    pub(super) fn send(&self, path: &str, text: &str) -> Answer {
        self.send_bytes(path, text.as_bytes(), &["Content-Type: application/soap+xml;charset=UTF-8"])
    }

    /// Sends bytes with these headers.
    pub(super) fn send_bytes(&self, path: &str, body: &[u8], headers: &[&str]) -> Answer {
        self.start(path, body, headers).wait()
    }

    /// Starts to send bytes with these headers.
    pub(super) fn start(&self, path: &str, body: &[u8], headers: &[&str]) -> Sending {
        let folder = tempfile::tempdir_in(self.collector.folder.path()).unwrap();
        let file = folder.path().join("body");
        fs::write(&file, body).unwrap();
        let mut command = self.collector.curl(path);
        command.arg("--cert").arg(&self.pair.certificate).arg("--key").arg(&self.pair.key);
        for header in headers {
            command.arg("--header").arg(header);
        }
        command.arg("--data-binary").arg(format!("@{}", file.display()));
        command.args(["--write-out", "\\n%{http_code}"]);
        Sending { child: command.spawn().unwrap(), _folder: folder }
    }
}

/// Request in progress.
pub(super) struct Sending {
    pub(super) child: Child,
    pub(super) _folder: TempDir,
}

impl Sending {
    pub(super) fn wait(self) -> Answer {
        let output = self.child.wait_with_output().unwrap();
        let split = output.stdout.iter().rposition(|byte| *byte == b'\n').unwrap();
        let status = String::from_utf8_lossy(&output.stdout[split + 1..]).parse().unwrap_or(0);
        let body = &output.stdout[..split];
        let text = match body {
            [0xFF, 0xFE, ..] => xml::Encoding::Utf16.decode(body.to_vec()).unwrap(),
            body => String::from_utf8(body.to_vec()).unwrap(),
        };
        Answer { status, text }
    }
}

impl Answer {
    /// Returns the path of the address for deliveries.
    pub(super) fn delivery_path(&self) -> String {
        let (_, address) = self.text.split_once("/wsman/subscriptions/").expect(&self.text);
        format!("/subscriptions/{}", address.split('<').next().unwrap())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process(Pid::from_child(&child), Signal::TERM);
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the log of telarchd:\n{}", self.log());
        }
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Returns a message with these headers and this body.
pub(super) fn envelope(action: &str, headers: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action><a:MessageID>uuid:1</a:MessageID>{headers}\
         </s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// Returns a delivery of events, whose bookmark has this record.
pub(super) fn batch(record: u64, events: &[String]) -> String {
    let bookmark = format!(
        "<w:Bookmark><BookmarkList><Bookmark Channel=\"System\" RecordId=\"{record}\" IsCurrent=\"true\"/>\
         </BookmarkList></w:Bookmark><w:AckRequested/>"
    );
    let item = |event: &String| format!("<w:Event Action=\"urn:e\"><![CDATA[{event}]]></w:Event>");
    let items: String = events.iter().map(item).collect();
    let action = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events";
    envelope(action, &bookmark, &format!("<w:Events>{items}</w:Events>"))
}

/// Returns an event of the source.
pub(super) fn event(record: u64, data: &str) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='p'/>\
         <EventID>1</EventID><EventRecordID>{record}</EventRecordID><Channel>System</Channel>\
         <Computer>{SOURCE}</Computer></System><EventData><Data>{data}</Data></EventData></Event>"
    )
}
