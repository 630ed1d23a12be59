//! haproxy, a layer-4 balancer that names its clients with the PROXY protocol.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ports::free_port;
use tempfile::TempDir;

use crate::installed::installed;
use crate::run::{Collected, tail};

/// A running haproxy; dropping it ends exactly the process it started.
pub struct Haproxy {
    child: Child,
    _folder: TempDir,
    ports: Vec<u16>,
}

/// Frontend of haproxy with one server.
#[derive(Clone, Copy, Debug)]
pub struct Frontend<'s> {
    /// Port of the server on loopback.
    pub server: u16,
    /// Options of the server, such as `send-proxy-v2`.
    pub options: &'s str,
}

impl Haproxy {
    /// Address from which haproxy connects to its servers.
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 200);

    /// Starts it with these frontends; none, and a reason for the skipped test, if haproxy is not installed.
    ///
    /// # Panics
    /// If it is installed and does not listen.
    #[must_use]
    pub fn start(frontends: &[Frontend<'_>]) -> Option<Self> {
        let Some(program) = installed("haproxy") else {
            skips::skip!("haproxy is missing; install it: apt-get install haproxy");
            return None;
        };
        let folder =
            tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for haproxy");
        // Another program may take a port between the time it is found free and the time haproxy binds it.
        let started = (0..5).find_map(|_| {
            let ports: Vec<u16> = frontends.iter().map(|_| free_port()).collect();
            let file = folder.path().join("haproxy.cfg");
            fs::write(&file, settings(frontends, &ports)).expect("a fresh folder");
            start(&program, &file, &ports).map(|child| (child, ports))
        });
        let (child, ports) = started.expect("haproxy does not listen; its last lines are above");
        Some(Self { child, _folder: folder, ports })
    }

    /// Returns the URL of the service behind a frontend, counted from 0.
    ///
    /// # Panics
    /// If there is no such frontend.
    #[must_use]
    pub fn url(&self, scheme: &str, frontend: usize) -> String {
        format!("{scheme}://127.0.0.1:{}/wsman", self.ports.get(frontend).expect("a frontend"))
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(frontends: &[Frontend<'_>], ports: &[u16]) -> String {
    let mut text = "global\n    maxconn 500\ndefaults\n    mode tcp\n    timeout connect 60s\n    timeout client 120s\n    timeout server 120s\n    timeout check 60s\n".to_owned();
    for (number, (Frontend { server, options }, port)) in frontends.iter().zip(ports).enumerate() {
        let source = Haproxy::ADDRESS;
        let _ = writeln!(
            text,
            "listen frontend{number}\n    bind 127.0.0.1:{port}\n    server telarchd 127.0.0.1:{server} source {source} {options}"
        );
    }
    text
}

/// A haproxy that listens; none if it ended before.
fn start(program: &Path, file: &Path, ports: &[u16]) -> Option<Child> {
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("haproxy can be started");
    let stderr = Collected::from(child.stderr.take().expect("it was asked for"), ());
    let until = Instant::now() + LIMIT;
    while Instant::now() < until {
        // haproxy binds all ports before it accepts on any.
        if ports.iter().all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok()) {
            return Some(child);
        }
        if let Ok(Some(status)) = child.try_wait() {
            eprintln!("haproxy ended with {status}: {}", tail(&stderr.so_far()));
            return None;
        }
        std::thread::sleep(Duration::from_millis(10)); // Only a connection shows that it listens.
    }
    let _ = child.kill();
    let _ = child.wait();
    eprintln!("haproxy did not listen: {}", tail(&stderr.so_far()));
    None
}

/// haproxy that takes longer to start hangs.
const LIMIT: Duration = Duration::from_secs(60);
