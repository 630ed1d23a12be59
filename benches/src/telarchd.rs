//! The service under test, started and ended.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tempfile::TempDir;

use crate::Result;
use crate::connection::Connection;
use crate::realm;

/// A running `telarchd` with Basic over HTTP and HTTPS; dropping it ends it.
pub(crate) struct Telarchd {
    child: Child,
    http: SocketAddr,
    https: SocketAddr,
    tls: Arc<ClientConfig>,
    _folder: TempDir,
}

/// Who the service lets in.
pub(crate) const USER: &str = "bench";
/// With what.
pub(crate) const PASSWORD: &str = "not-a-secret";

impl Telarchd {
    /// Starts the service with more settings, such as `Service.MaxConnections=1000`.
    pub(crate) fn start(settings: &[&str]) -> Result<Self> {
        Self::start_program(&program("telarchd"), settings)
    }

    /// Starts another build of the service.
    pub(crate) fn start_program(program: &Path, settings: &[&str]) -> Result<Self> {
        Self::start_with(program, settings, |command| {
            // What other measurements weigh must not depend on it.
            for name in realm::VARIABLES {
                command.env_remove(name);
            }
        })
    }

    /// The same with every scheme there is, Kerberos included where this process belongs to a realm.
    pub(crate) fn start_with_every_scheme() -> Result<Self> {
        Self::start_with(&program("telarchd"), &["Service.Auth.CredSSP=true"], |_| {})
    }

    fn start_with(program: &Path, settings: &[&str], prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
        let accounts = folder.path().join("accounts");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&accounts)?;
        writeln!(file, "{USER}:{PASSWORD}")?;
        // A folder of its own, so that the first thing to appear in it is the announcement.
        let announcements = folder.path().join("announcements");
        fs::create_dir(&announcements)?;
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watch, &announcements, inotify::WatchFlags::MOVED_TO)?;
        let ready = announcements.join("ready.json");

        let mut command = Command::new(program);
        command.args(["--ephemeral", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]);
        command.arg("--accounts").arg(&accounts).arg("--ready").arg(&ready);
        for setting in ["Service.Auth.Basic=true", "Service.AllowUnencrypted=true"].iter().chain(settings) {
            command.args(["--set", setting]);
        }
        // The first log lines are of no interest, what goes wrong is.
        command.env("TELARCH_LOG", "error").stdin(Stdio::null());
        prepare(&mut command);
        let mut child = command.spawn().map_err(|error| format!("cannot start {command:?}: {error}"))?;

        let announced = poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&STARTING));
        let places = announced.map_err(Into::into).and_then(|_| Places::read(&ready));
        match places {
            Ok(Places { http, https, tls }) => Ok(Self { child, http, https, tls, _folder: folder }),
            Err(error) => {
                let _ = child.kill();
                let status = child.wait()?;
                Err(format!("telarchd did not begin to listen ({status}): {error}").into())
            }
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    pub(crate) fn https(&self) -> SocketAddr {
        self.https
    }

    /// New connections without TLS.
    pub(crate) fn plain(&self, count: usize) -> Result<Vec<Connection>> {
        (0..count).map(|_| Connection::plain(self.http)).collect()
    }

    /// New connections with TLS.
    pub(crate) fn tls(&self, count: usize) -> Result<Vec<Connection>> {
        (0..count).map(|_| Connection::tls(self.https, &self.tls)).collect()
    }
}

impl Drop for Telarchd {
    fn drop(&mut self) {
        // By a signal, so that it removes its temporary folder.
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = process.map(|process| kill_process(process, Signal::TERM));
        let begin = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if begin.elapsed() > ENDING {
                eprintln!("telarchd did not end by SIGTERM within {ENDING:?}");
                let _ = self.child.kill();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.wait();
    }
}

/// A program of the main workspace; `benches/run` has built it and says where.
pub(crate) fn program(name: &str) -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release");
    std::env::var_os("TELARCH_PROGRAMS").map_or_else(|| PathBuf::from(beside), PathBuf::from).join(name)
}

struct Places {
    http: SocketAddr,
    https: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Places {
    fn read(ready: &Path) -> Result<Self> {
        let places: Value = serde_json::from_slice(&fs::read(ready)?)?;
        let text = |name: &str| {
            places.get(name).and_then(Value::as_str).ok_or_else(|| format!("the ready file has no {name}"))
        };
        let certificate = Path::new(text("state_dir")?).join(format!("{}.pem", text("thumbprint")?));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate)?)?;
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { http: address(text("http")?)?, https: address(text("https")?)?, tls: Arc::new(tls) })
    }
}

/// Of `http://127.0.0.1:40001/wsman`, what a socket needs.
fn address(url: &str) -> Result<SocketAddr> {
    let (_, rest) = url.split_once("://").ok_or("a URL has no scheme")?;
    Ok(rest.split('/').next().unwrap_or_default().parse()?)
}

const STARTING: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };
const ENDING: Duration = Duration::from_secs(10);
