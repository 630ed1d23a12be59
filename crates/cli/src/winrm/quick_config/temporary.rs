//! Service that runs until quickconfig ends, on a machine that cannot keep it running.
//!
//! It is `telarchd` with the files of the service, so that settings, certificates and firewall rules are made in the
//! same way as by a running service. For a preview it has copies of the files and no listeners.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use config::Paths;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::super::streams::Streams;
use super::super::{Intent, ServiceFiles};
use crate::connection::{Connection, Delegation, Target};
use crate::failure::{Failure, Kind};
use crate::installed;
use crate::program::Stop;
use crate::session::RemoteService;
use crate::settings::ClientSettings;

/// A running service. It is stopped when the value is dropped.
pub(super) struct TemporaryService {
    child: Child,
    /// Sockets and messages of the service, and the copies for a preview.
    _folder: TempDir,
    socket: PathBuf,
    /// Command that starts the service permanently.
    command: String,
}

impl TemporaryService {
    /// Starts the service and waits until it is ready.
    pub(super) async fn start(files: Option<ServiceFiles>, intent: Intent) -> Result<Self, Failure> {
        let starting = tokio::task::spawn_blocking(move || Self::start_blocking(files.as_ref(), intent));
        starting.await.unwrap_or_else(|_| Err(failed("the start was interrupted")))
    }

    fn start_blocking(files: Option<&ServiceFiles>, intent: Intent) -> Result<Self, Failure> {
        let program = installed::find("telarchd").ok_or_else(|| {
            let failure = failed("telarchd is not installed");
            failure.advise("install the program telarchd next to winrm, or in a directory of PATH")
        })?;
        let folder = tempfile::tempdir().map_err(|error| failed(&error.to_string()))?;
        let mut paths = match files {
            Some(files) => Paths::new(&files.config, &files.state),
            None => Paths::of_this_process().ok_or_else(|| failed("the variable HOME is not set"))?,
        };
        let mut command = Command::new(&program);
        let mut shown = program.display().to_string();
        if let Some(files) = files {
            shown += &format!(" --config {} --state {}", files.config.display(), files.state.display());
        }
        if intent == Intent::Preview {
            paths = copy(&paths, folder.path()).map_err(|error| failed(&error.to_string()))?;
            command.arg("--no-listeners");
        }
        if intent == Intent::Preview || files.is_some() {
            command.arg("--config").arg(&paths.config).arg("--state").arg(&paths.state);
            // A named configuration file must exist.
            let create = |path: &Path| {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::File::options().create(true).append(true).mode(0o644).open(path).map(drop)
            };
            create(&paths.config)
                .map_err(|error| failed(&format!("cannot create {}: {error}", paths.config.display())))?;
        }
        let messages = folder.path().join("stderr");
        let stderr = fs::File::create(&messages).map_err(|error| failed(&error.to_string()))?;
        let notifications = folder.path().join("notify");
        let socket = UnixDatagram::bind(&notifications).map_err(|error| failed(&error.to_string()))?;
        command
            .env("NOTIFY_SOCKET", &notifications)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        let child = command.spawn().map_err(|error| failed(&format!("{}: {error}", program.display())))?;
        let mut service = Self { child, _folder: folder, socket: paths.local_socket.clone(), command: shown };
        service.wait_until_ready(&socket, &messages)?;
        Ok(service)
    }

    /// Waits for the notification of the service (sd_notify(3)).
    fn wait_until_ready(&mut self, socket: &UnixDatagram, messages: &Path) -> Result<(), Failure> {
        let until = Instant::now() + START_LIMIT;
        socket.set_read_timeout(Some(NOTIFICATION_CHECK)).map_err(|error| failed(&error.to_string()))?;
        let mut buffer = [0; 4_096];
        loop {
            let received = socket.recv(&mut buffer).unwrap_or_default();
            let text = String::from_utf8_lossy(buffer.get(..received).unwrap_or_default()).into_owned();
            if text.lines().any(|line| line == "READY=1") {
                return Ok(());
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return Err(with_messages(failed("telarchd has ended"), messages));
            }
            if Instant::now() > until {
                return Err(with_messages(failed("telarchd does not become ready"), messages));
            }
        }
    }

    /// Connects to the local socket of the service.
    pub(super) fn connect(&self) -> Result<RemoteService, Failure> {
        let connection =
            Connection { target: Target::Local(vec![self.socket.clone()]), ..Connection::default() };
        let settings = ClientSettings::new(config::Client::default());
        RemoteService::new(connection, &settings, Delegation::Refused)
    }

    /// Stops the service and prints the command that starts it permanently.
    pub(super) async fn stop(mut self, intent: Intent, streams: &mut Streams<'_>) -> Result<(), Stop> {
        let command = std::mem::take(&mut self.command);
        // Waiting for the end of the process blocks.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
        let who = if rustix::process::geteuid().is_root() { " as root" } else { "" };
        let what = match intent {
            Intent::Apply => "The WinRM service has been stopped again. Start it",
            Intent::Preview => "Start the WinRM service",
        };
        Ok(writeln!(streams.out, "\n{what}{who} with:\n  {command}")?)
    }
}

impl Drop for TemporaryService {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        let until = Instant::now() + STOP_LIMIT;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > until {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(EXIT_CHECK);
        }
    }
}

/// Copies the files of a service that decide what quickconfig proposes.
fn copy(from: &Paths, folder: &Path) -> std::io::Result<Paths> {
    let copies = Paths::new(&folder.join("settings/config.toml"), &folder.join("state"));
    fs::create_dir_all(folder.join("settings"))?;
    fs::create_dir(&copies.state)?;
    for (ours, theirs) in [
        (&copies.config, &from.config),
        (&copies.accounts, &from.accounts),
        (&copies.state.join("host-key"), &from.state.join("host-key")),
        (&copies.state.join("machine-sid"), &from.state.join("machine-sid")),
        (&copies.state.join("quickconfig.json"), &from.state.join("quickconfig.json")),
    ] {
        copy_file(theirs, ours)?;
    }
    for (ours, theirs) in [(&copies.policies, &from.policies), (&copies.certificates, &from.certificates)] {
        let Ok(files) = fs::read_dir(theirs) else { continue };
        fs::create_dir_all(ours)?;
        for file in files.filter_map(Result::ok).filter(|file| file.path().is_file()) {
            copy_file(&file.path(), &ours.join(file.file_name()))?;
        }
    }
    Ok(copies)
}

/// Copies a file with its mode; a missing file is skipped.
fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    match fs::copy(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn failed(reason: &str) -> Failure {
    Failure::here(Kind::Connect, format!("cannot start the WinRM service: {reason}"))
}

/// Adds the last messages of the service to a failure.
fn with_messages(failure: Failure, messages: &Path) -> Failure {
    let mut text = String::new();
    let file = fs::File::open(messages);
    let _ = file.and_then(|file| file.take(MOST_MESSAGES).read_to_string(&mut text));
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(3));
    last.fold(failure, |failure, line| failure.advise((*line).to_owned()))
}

/// Time limit for the start; a key of a certificate may have to be generated.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Time limit for the end, in which the service closes its connections.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// Interval at which the process is checked while a notification is awaited.
const NOTIFICATION_CHECK: Duration = Duration::from_millis(200);
/// Interval at which the end of the process is checked.
const EXIT_CHECK: Duration = Duration::from_millis(20);
/// Maximum number of bytes of messages that are read after a failed start.
const MOST_MESSAGES: u64 = 64 << 10;
