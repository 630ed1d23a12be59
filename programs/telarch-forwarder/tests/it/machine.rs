//! A machine with a journal and a forwarder, and its collector.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Far more than is needed; a loaded machine may take long.
const PATIENCE: Duration = Duration::from_secs(300);

/// Account of the machine in a realm.
pub(crate) const ACCOUNT: &str = "web1$";

/// Authentication of the forwarder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Certificate,
    /// With the ticket of [`ACCOUNT`].
    Kerberos,
}

pub(crate) struct Machine {
    folder: TempDir,
    port: u16,
    proof: Proof,
    /// Options and paths of files that are forwarded.
    files: Vec<(&'static str, PathBuf)>,
    collector: Option<Child>,
    forwarder: Option<Child>,
}

impl Machine {
    /// Creates a machine with this number of journal entries, and a subscription for batches of `items` events.
    /// Returns `None` if `systemd-journal-remote` or `journalctl` is missing.
    pub(crate) fn with_journal(entries: u64, items: u32, proof: Proof) -> Option<Self> {
        if program("systemd-journal-remote").is_none() || program("journalctl").is_none() {
            skips::skip!("there is no systemd-journal-remote or no journalctl");
            return None;
        }
        let machine = Self::new(items, proof);
        fs::create_dir(machine.journal()).unwrap();
        machine.append(1..entries + 1);
        Some(machine)
    }

    /// Creates a machine without a journal, which forwards the files that are added.
    pub(crate) fn without_journal(items: u32) -> Self {
        Self::new(items, Proof::Certificate)
    }

    fn new(items: u32, proof: Proof) -> Self {
        let folder = tempfile::Builder::new().prefix("telarch-forwarder-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let machine = Self { folder, port, proof, files: Vec::new(), collector: None, forwarder: None };
        machine.write_certificates();
        let selects: String = ["Application", "System", "Security"]
            .map(|log| format!("<Select Path=\"{log}\">*</Select>"))
            .concat();
        let subscription = format!(
            "<Subscription xmlns=\"http://schemas.microsoft.com/2006/03/windows/events/subscription\">\
             <SubscriptionId>Everything</SubscriptionId><SubscriptionType>SourceInitiated</SubscriptionType>\
             <ConfigurationMode>Custom</ConfigurationMode><Delivery Mode=\"Push\"><Batching>\
             <MaxItems>{items}</MaxItems><MaxLatencyTime>200</MaxLatencyTime></Batching><PushSettings>\
             <Heartbeat Interval=\"60000\"/></PushSettings></Delivery>\
             <Query><![CDATA[<QueryList><Query Id=\"0\">{selects}</Query></QueryList>]]></Query>\
             <ReadExistingEvents>true</ReadExistingEvents><AllowedSourceNonDomainComputers/>\
             <AllowedSourceDomainComputers>O:NSG:NSD:(A;;GA;;;DC)</AllowedSourceDomainComputers></Subscription>"
        );
        fs::write(machine.path("subscription.xml"), subscription).unwrap();
        machine
    }

    /// Adds a file to those that are forwarded: `--syslog-file` or `--text-file`. Returns its path.
    pub(crate) fn forward_file(&mut self, option: &'static str, name: &str) -> PathBuf {
        let path = self.path(name);
        self.files.push((option, path.clone()));
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Directory of the journal.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path("journal")
    }

    /// Adds entries to the journal.
    pub(crate) fn append(&self, numbers: Range<u64>) {
        let mut child = Command::new(program("systemd-journal-remote").unwrap())
            .arg("-o")
            .arg(self.journal().join("system.journal"))
            .arg("-")
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&export_text(numbers)).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Renames the journal file, as journald does when it is full.
    pub(crate) fn rotate(&self) {
        let file = self.journal().join("system.journal");
        fs::rename(file, self.journal().join("system@0001.journal")).unwrap();
    }

    fn write_certificates(&self) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        self.write_private("authority.pem", &issuer.pem());
        for (name, file, usage) in [
            ("localhost", "collector", ExtendedKeyUsagePurpose::ServerAuth),
            ("web1.example", "source", ExtendedKeyUsagePurpose::ClientAuth),
        ] {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            self.write_private(&format!("{file}.crt"), &certificate.pem());
            self.write_private(&format!("{file}.key"), &key.serialize_pem());
        }
    }

    fn write_private(&self, name: &str, text: &str) {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(self.path(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn log_file(&self, name: &str) -> File {
        File::options().append(true).create(true).open(self.path(name)).unwrap()
    }

    /// Starts the collector and waits until it listens.
    pub(crate) fn collect(&mut self) {
        let forwarder = PathBuf::from(env!("CARGO_BIN_EXE_telarch-forwarder"));
        let telarchd = forwarder.with_file_name("telarchd");
        assert!(telarchd.is_file(), "{} is missing: cargo build --bin telarchd", telarchd.display());
        let ready = self.path("ready.json");
        let _ = fs::remove_file(&ready);
        let address = format!("127.0.0.1:{}", self.port);
        let mut command = Command::new(telarchd);
        command.arg("--ephemeral");
        match self.proof {
            Proof::Certificate => command
                .args(["--https", &address])
                .arg("--certificate")
                .arg(self.path("collector.crt"))
                .arg("--key")
                .arg(self.path("collector.key"))
                .arg("--client-authority")
                .arg(self.path("authority.pem")),
            Proof::Kerberos => {
                self.write_private("accounts", &format!("{ACCOUNT}:not used\n"));
                command.args(["--http", &address]).arg("--accounts").arg(self.path("accounts"))
            }
        };
        let mut child = command
            .arg("--subscription")
            .arg(self.path("subscription.xml"))
            .arg("--forwarded-events")
            .arg(self.path("events.jsonl"))
            .arg("--ready")
            .arg(&ready)
            .env("TMPDIR", self.folder.path())
            .env("TELARCH_LOG", "info")
            .stdout(Stdio::null())
            .stderr(self.log_file("collector.log"))
            .spawn()
            .unwrap();
        let until = Instant::now() + PATIENCE;
        while !ready.exists() {
            let ended = child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < until,
                "{ended:?}; the log:\n{}",
                self.collector_log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        self.collector = Some(child);
    }

    /// Starts the forwarder.
    pub(crate) fn forward(&mut self) {
        let manager = self.manager(self.port);
        self.forward_with(&["--manager", &manager]);
    }

    /// Starts the forwarder with the collectors of its policies.
    pub(crate) fn forward_by_policy(&mut self) {
        self.forward_with(&[]);
    }

    /// Returns the port of the collector.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the value of the policy for a collector on this machine.
    pub(crate) fn manager(&self, port: u16) -> String {
        let scheme = if self.proof == Proof::Certificate { "https" } else { "http" };
        format!("Server={scheme}://localhost:{port}/wsman/SubscriptionManager/WEC,Refresh=1")
    }

    /// Writes the policy SubscriptionManager, as an administrator does.
    pub(crate) fn set_policy(&self, managers: &[String]) {
        let folder = self.path("policy.d");
        fs::create_dir_all(&folder).unwrap();
        let text = format!("[Policy]\nSubscriptionManager = {managers:?}\n");
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join("events.toml")).unwrap();
    }

    /// Returns the log of the forwarder once it contains a text.
    pub(crate) fn wait_for_forwarder_log(&self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = self.forwarder_log();
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < until, "{text} is not in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn forward_with(&mut self, managers: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telarch-forwarder"));
        command
            .args(managers)
            .args(["--audit-log", "none", "--name", "web1.example"])
            .arg("--config")
            .arg(self.path("config.toml"))
            .arg("--state")
            .arg(self.path("state"))
            .arg("--journal")
            .arg(if self.journal().exists() { self.journal() } else { PathBuf::from("none") });
        for (option, path) in &self.files {
            command.arg(option).arg(path);
        }
        if self.proof == Proof::Certificate {
            command
                .arg("--certificate")
                .arg(self.path("source.crt"))
                .arg("--key")
                .arg(self.path("source.key"))
                .arg("--authority")
                .arg(self.path("authority.pem"));
        }
        let child = command
            .env("TELARCH_LOG", "debug")
            .stdout(Stdio::null())
            .stderr(self.log_file("forwarder.log"))
            .spawn()
            .unwrap();
        self.forwarder = Some(child);
    }

    pub(crate) fn kill_forwarder(&mut self) {
        end(self.forwarder.take(), Signal::KILL);
    }

    /// Ends the forwarder in an orderly way.
    pub(crate) fn stop_forwarder(&mut self) {
        end(self.forwarder.take(), Signal::TERM);
    }

    pub(crate) fn kill_collector(&mut self) {
        end(self.collector.take(), Signal::KILL);
    }

    pub(crate) fn forwarder_log(&self) -> String {
        fs::read_to_string(self.path("forwarder.log")).unwrap_or_default()
    }

    pub(crate) fn collector_log(&self) -> String {
        fs::read_to_string(self.path("collector.log")).unwrap_or_default()
    }

    /// Returns the number of stored events.
    pub(crate) fn event_count(&self) -> usize {
        fs::read_to_string(self.path("events.jsonl")).unwrap_or_default().lines().count()
    }

    /// Returns the stored events once there are this many.
    pub(crate) fn wait_for_events(&self, count: usize) -> Vec<Value> {
        let events = self.wait_for(|events| events.len() >= count);
        assert_eq!(events.len(), count);
        events
    }

    /// Returns the messages of the stored events, in order.
    pub(crate) fn messages(&self) -> Vec<String> {
        messages(&self.wait_for(|_| true))
    }

    /// Waits until events with these messages are stored, sorted and each once.
    pub(crate) fn wait_for_messages(&self, expected: &BTreeSet<String>) {
        self.wait_for(|events| {
            let found: BTreeSet<String> = messages(events).into_iter().collect();
            found.is_superset(expected)
        });
    }

    /// Returns the stored events once they satisfy a condition.
    pub(crate) fn wait_for(&self, is_enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(self.path("events.jsonl")).unwrap_or_default();
            // The last line may not be complete.
            let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let events: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
            if is_enough(&events) {
                return events;
            }
            assert!(
                Instant::now() < until,
                "{} events; the forwarder:\n{}\nthe collector:\n{}",
                events.len(),
                self.forwarder_log(),
                self.collector_log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn messages(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["EventData"]["MESSAGE"].as_str().unwrap().to_owned()).collect()
}

impl Drop for Machine {
    fn drop(&mut self) {
        end(self.forwarder.take(), Signal::KILL);
        end(self.collector.take(), Signal::KILL);
    }
}

fn end(child: Option<Child>, signal: Signal) {
    let Some(mut child) = child else { return };
    // The process may already have ended.
    let _ = kill_process(Pid::from_child(&child), signal);
    let _ = child.wait();
}

/// Returns the path of a program.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/lib/systemd".into(), "/usr/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| Path::exists(program))
}

/// Returns entries in the export format: with repeated, binary, long and multi-line fields.
fn export_text(numbers: Range<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for number in numbers {
        let transport = ["journal", "syslog", "kernel", "stdout"][usize::try_from(number % 4).unwrap()];
        let text = format!(
            "__CURSOR=s=0;i={number:x}\n__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n\
             _BOOT_ID=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nPRIORITY={}\nSYSLOG_FACILITY={}\n\
             SYSLOG_IDENTIFIER=program{}\n_TRANSPORT={transport}\n_PID={number}\n_UID=0\n_HOSTNAME=web1\n\
             MESSAGE=message {number} <&> ä\n",
            1_700_000_000_000_000 + number * 1_000,
            number * 1_000,
            number % 8,
            number % 12,
            number % 5
        );
        out.extend_from_slice(text.as_bytes());
        if number % 10 == 0 {
            out.extend_from_slice(b"TAG=one\nTAG=two ]]>\n");
        }
        if number % 7 == 0 {
            binary(&mut out, "BINARY", &[0, 1, 2, 10, 255]);
        }
        if number % 13 == 0 {
            binary(&mut out, "LONG", format!("first\nsecond {}", "x".repeat(3_000)).as_bytes());
        }
        out.push(b'\n');
    }
    out
}

fn binary(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(&u64::try_from(value.len()).unwrap().to_le_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}
