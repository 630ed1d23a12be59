//! `openwsmand`, a service of WS-Management that shares no code with ours. Debian has no package of it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use ports::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::installed::installed;
use crate::telarchd::{PASSWORD, USER};

/// A running `openwsmand` with the account [`USER`]. It answers Identify, and has no resources of WMI.
pub struct OpenwsmanService {
    child: Child,
    port: u16,
    _files: TempDir,
}

impl OpenwsmanService {
    /// Starts it; `None`, with a record of the skipped test, where it is not installed.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(program) = installed("openwsmand") else {
            skips::skip!(
                "openwsmand is missing\n  Debian has no package; build openwsman with cmake and put sbin into PATH"
            );
            return None;
        };
        let files = tempfile::tempdir().expect("a directory");
        let path = |name: &str| files.path().join(name).display().to_string();
        let certificate =
            ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
        let made = Command::new("openssl")
            .args(certificate)
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", &path("key.pem"), "-out", &path("cert.pem")])
            .stderr(Stdio::null())
            .status();
        assert!(made.expect("openssl").success(), "a certificate");
        fs::write(files.path().join("accounts"), format!("{USER}:{}\n", hash(PASSWORD))).expect("a file");
        let port = free_port();
        let settings = format!(
            "[server]\nport = {plain}\nssl_port = {port}\nipv4 = yes\nipv6 = no\nssl_cert_file = {certificate}\n\
             ssl_key_file = {key}\nbasic_password_file = {accounts}\nsubscription_repository = {subscriptions}\n\
             [client]\nagent = openwsman\n",
            plain = free_port(),
            certificate = path("cert.pem"),
            key = path("key.pem"),
            accounts = path("accounts"),
            subscriptions = path("subscriptions"),
        );
        fs::write(files.path().join("openwsman.conf"), settings).expect("a file");
        let mut command = Command::new(program);
        command.args(["-d", "-S", "-c", &path("openwsman.conf")]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).spawn().expect("openwsmand");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut lines = String::new();
        while !lines.contains("Working on IPv4 port") {
            let read = log.read_line(&mut lines).expect("a log");
            assert!(read > 0, "openwsmand does not start: {lines}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Some(Self { child, port, _files: files })
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn https(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}

impl Drop for OpenwsmanService {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Returns the hash of a password for crypt(3).
fn hash(password: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["passwd", "-6", "-stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("openssl");
    writeln!(child.stdin.take().expect("a pipe"), "{password}").expect("its input");
    let output = child.wait_with_output().expect("its output");
    String::from_utf8(output.stdout).expect("a hash").trim().to_owned()
}
