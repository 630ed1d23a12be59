//! Prometheus, which reads metrics of services, and its tool for checks.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ports::free_port;
use serde_json::Value;
use tempfile::TempDir;

use crate::installed::installed;
use crate::run::{Collected, Run, run, tail};

/// A running Prometheus; dropping it ends exactly the process it started.
pub struct Prometheus {
    child: Child,
    _folder: TempDir,
    port: u16,
}

impl Prometheus {
    /// Starts it with one target, `HOST:PORT`; none, and a reason for the skipped test, if it is not installed.
    ///
    /// # Panics
    /// If it is installed and does not listen.
    #[must_use]
    pub fn start(target: &str) -> Option<Self> {
        let Some(program) = installed("prometheus") else {
            skips::skip!("prometheus is missing; install it: apt-get install prometheus");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder");
        let settings = format!(
            "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: telarch\n    static_configs:\n      - targets: [\"{target}\"]\n"
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, settings).expect("a fresh folder");
        // Another program may take a port between the time it is found free and the time Prometheus binds it.
        let started = (0..5).find_map(|_| {
            let port = free_port();
            let mut command = Command::new(&program);
            command.arg(format!("--config.file={}", file.display()));
            command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
            command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
            start(&mut command, port).map(|child| (child, port))
        });
        let (child, port) = started.expect("Prometheus does not listen; its last lines are above");
        Some(Self { child, _folder: folder, port })
    }

    /// Waits until a query has a result, and returns its series.
    ///
    /// # Panics
    /// If it has none in time.
    #[must_use]
    pub fn wait_for(&self, query: &str) -> Vec<Value> {
        let until = Instant::now() + LIMIT;
        loop {
            let answer = self.get(&format!("/api/v1/query?query={}", encode(query)));
            let document: Option<Value> = serde_json::from_str(&answer).ok();
            let result = document.as_ref().and_then(|document| document.pointer("/data/result")?.as_array());
            let series = result.cloned().unwrap_or_default();
            if !series.is_empty() {
                return series;
            }
            assert!(Instant::now() < until, "no result of {query}: {answer}");
            std::thread::sleep(Duration::from_millis(100)); // Prometheus reads its targets every second.
        }
    }

    /// Returns the body of the response to a request, which is no JSON until Prometheus is ready.
    fn get(&self, path: &str) -> String {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("Prometheus listens");
        write!(socket, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("a request");
        let mut response = String::new();
        socket.read_to_string(&mut response).expect("a response");
        response.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks a page of metrics in the text format with `promtool check metrics`; `None`, and a reason for the skipped test,
/// if it is not installed.
///
/// # Panics
/// If it does not end.
#[must_use]
pub fn promtool_check(page: &str) -> Option<Run> {
    let Some(program) = installed("promtool") else {
        skips::skip!("promtool is missing; install it: apt-get install prometheus");
        return None;
    };
    Some(run(Command::new(program).args(["check", "metrics"]), page.as_bytes(), LIMIT))
}

/// A Prometheus that listens; none if it ended before.
fn start(command: &mut Command, port: u16) -> Option<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("Prometheus can be started");
    let stderr = Collected::from(child.stderr.take().expect("it was asked for"), ());
    let until = Instant::now() + LIMIT;
    while Instant::now() < until {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Some(child);
        }
        if let Ok(Some(status)) = child.try_wait() {
            eprintln!("Prometheus ended with {status}: {}", tail(&stderr.so_far()));
            return None;
        }
        std::thread::sleep(Duration::from_millis(10)); // Only a connection shows that it listens.
    }
    let _ = child.kill();
    let _ = child.wait();
    eprintln!("Prometheus did not listen: {}", tail(&stderr.so_far()));
    None
}

/// Encodes a query for a URL.
fn encode(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Prometheus that takes longer to start or to read a target hangs.
const LIMIT: Duration = Duration::from_secs(60);
