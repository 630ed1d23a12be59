//! Runs the service under test as a child process.

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

/// A running `telarchd` with Basic over HTTP and HTTPS; dropping it ends the service.
pub(crate) struct Telarchd {
    started: Started,
    http: SocketAddr,
    https: SocketAddr,
    tls: Arc<ClientConfig>,
    _folder: TempDir,
}

/// User name that the service accepts.
pub(crate) const USER: &str = "bench";
/// Password of [`USER`].
pub(crate) const PASSWORD: &str = "not-a-secret";

impl Telarchd {
    /// Starts the service with more settings, such as `Service.MaxConnections=1000`.
    pub(crate) fn start(settings: &[&str]) -> Result<Self> {
        Self::start_program(&program("telarchd"), settings)
    }

    /// Starts another build of the service.
    pub(crate) fn start_program(program: &Path, settings: &[&str]) -> Result<Self> {
        Self::start_with(program, settings, |command| {
            // The memory of other measurements must not depend on this.
            for name in realm::VARIABLES {
                command.env_remove(name);
            }
        })
    }

    /// Starts the service with all schemes; Kerberos is included if this process uses a private realm.
    pub(crate) fn start_with_every_scheme() -> Result<Self> {
        Self::start_with(&program("telarchd"), &["Service.Auth.CredSSP=true"], |_| {})
    }

    fn start_with(program: &Path, settings: &[&str], prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
        let accounts = folder.path().join("accounts");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&accounts)?;
        writeln!(file, "{USER}:{PASSWORD}")?;
        let mut command = Command::new(program);
        command.args(["--ephemeral", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]);
        command.arg("--accounts").arg(&accounts);
        for setting in ["Service.Auth.Basic=true", "Service.AllowUnencrypted=true"].iter().chain(settings) {
            command.args(["--set", setting]);
        }
        prepare(&mut command);
        let started = Started::launch(command, folder.path())?;
        let Places { http, https, tls } = Places::read(&started.announced)?;
        Ok(Self { started, http, https, tls, _folder: folder })
    }

    pub(crate) fn process(&self) -> u32 {
        self.started.process()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    pub(crate) fn https(&self) -> SocketAddr {
        self.https
    }

    /// Connects without TLS.
    pub(crate) fn plain(&self, count: usize) -> Result<Vec<Connection>> {
        (0..count).map(|_| Connection::plain(self.http)).collect()
    }

    /// Connects with TLS.
    pub(crate) fn tls(&self, count: usize) -> Result<Vec<Connection>> {
        (0..count).map(|_| Connection::tls(self.https, &self.tls)).collect()
    }
}

/// A process of `telarchd --ephemeral`; dropping it ends the process.
pub(crate) struct Started {
    child: Child,
    /// Content of the ready file.
    pub(crate) announced: Value,
}

impl Started {
    /// Starts the service, which writes its ready file below `folder`, and waits until it listens.
    pub(crate) fn launch(mut command: Command, folder: &Path) -> Result<Self> {
        // The service gets an empty folder, so the first file in it is the announcement of the ports.
        let announcements = folder.join("announcements");
        fs::create_dir(&announcements)?;
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watch, &announcements, inotify::WatchFlags::MOVED_TO)?;
        let ready = announcements.join("ready.json");
        command.arg("--ready").arg(&ready);
        // Only errors are logged.
        command.env("TELARCH_LOG", "error").stdin(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("cannot start {command:?}: {error}"))?;

        let announced = poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&STARTING));
        let text = announced.map_err(Into::into).and_then(|_| fs::read(&ready));
        match text {
            Ok(text) => Ok(Self { child, announced: serde_json::from_slice(&text)? }),
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
}

impl Drop for Started {
    fn drop(&mut self) {
        // A signal lets the service remove its temporary folder.
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

/// Returns the path of a program of the main workspace, which `benches/run` has built.
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
    fn read(places: &Value) -> Result<Self> {
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

/// Returns the socket address in a URL such as `http://127.0.0.1:40001/wsman`.
pub(crate) fn address(url: &str) -> Result<SocketAddr> {
    let (_, rest) = url.split_once("://").ok_or("a URL has no scheme")?;
    Ok(rest.split('/').next().unwrap_or_default().parse()?)
}

const STARTING: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };
const ENDING: Duration = Duration::from_secs(10);
