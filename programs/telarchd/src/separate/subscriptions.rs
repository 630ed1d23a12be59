//! Process of the machine's permanent subscriptions. It runs as root without any client, and carries out only
//! subscriptions that root has registered.

use std::error::Error;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode};
use std::time::{Duration, Instant};

use accounts::MachineSid;
use consumers::{CommandPolicy, Creators};
use tokio::io::AsyncReadExt as _;

use super::SUBSCRIPTIONS;
use crate::audit::{AuditFile, AuditPipe, AuditRecords};
use crate::child_process::{stdin_socket, this_program};
use crate::event_layers::begin_log;
use crate::log::relay;
use crate::wmi_engine::Wmi;

/// The process as managed by the broker; it runs while the settings enable it.
pub(super) struct Subscriptions {
    state: PathBuf,
    /// File of the process's audit records.
    audit: AuditFile,
    wanted: Option<config::Wmi>,
    process: Option<(Child, UnixStream)>,
    started: Option<Instant>,
}

/// Minimum interval between two starts of the process.
const PAUSE: Duration = Duration::from_secs(60);

impl Subscriptions {
    /// Creates the object without a process.
    ///
    /// # Errors
    /// I/O errors if the working directory is unknown and `state` is relative.
    pub(super) fn new(state: &Path, audit: AuditFile) -> io::Result<Self> {
        let state = std::path::absolute(state)?;
        Ok(Self { state, audit, wanted: None, process: None, started: None })
    }

    /// Starts or stops the process according to the settings, and restarts it if it has ended.
    pub(super) fn follow(&mut self, wmi: &config::Wmi) {
        let wanted = wmi.permanent_subscriptions.then(|| wmi.clone());
        if self.wanted != wanted {
            self.end();
            self.wanted = wanted;
            self.started = None;
        }
        if self.process.as_mut().is_some_and(|(child, _)| !matches!(child.try_wait(), Ok(None))) {
            tracing::error!("Process of permanent subscriptions has ended");
            self.process = None;
        }
        let may_start = self.started.is_none_or(|started| started.elapsed() >= PAUSE);
        let Some(wmi) = self.wanted.clone().filter(|_| self.process.is_none() && may_start) else { return };
        self.started = Some(Instant::now());
        match self.start(&wmi) {
            Ok(process) => self.process = Some(process),
            Err(error) => tracing::error!(%error, "Cannot start the process of permanent subscriptions"),
        }
    }

    fn start(&self, wmi: &config::Wmi) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let of_programs = ["PATH", "HOME", "USER", "LOGNAME", "DBUS_SYSTEM_BUS_ADDRESS"];
        let mut command = this_program("telarchd: permanent subscriptions", &of_programs);
        let commands = if wmi.command_line_consumers { RUN } else { REFUSE };
        command.arg(SUBSCRIPTIONS).arg(&self.state).arg(commands);
        let name = "permanent subscriptions";
        command
            .stdin(OwnedFd::from(theirs))
            .stdout(self.audit.pipe_for(name)?)
            .stderr(relay::stderr_for(name));
        Ok((command.spawn()?, ours))
    }

    /// Stops the process, which ends with its programs when this end of its socket is closed.
    pub(super) fn end(&mut self) {
        let Some((mut child, socket)) = self.process.take() else { return };
        drop(socket);
        // Reaps the process.
        std::thread::spawn(move || child.wait());
    }
}

/// Arguments that allow or forbid consumers that run programs.
const RUN: &str = "run";
const REFUSE: &str = "refuse";

/// Runs the process until the broker closes its socket.
pub(super) fn run(state: &Path, commands: &str) -> Result<ExitCode, Box<dyn Error>> {
    let socket = stdin_socket()?;
    // Autonomous actions require audit records.
    let audit = AuditRecords::from(AuditPipe::from_stdout()?);
    begin_log(Some(audit.clone()));
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    std::env::set_current_dir("/")?;
    let commands = if commands == RUN { CommandPolicy::Allow } else { CommandPolicy::Deny };
    let machine = MachineSid::find(state)?.ok_or("the machine has no SID yet")?.domain();
    let root = sddl::linux::user_sid(0, machine);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        socket.set_nonblocking(true)?;
        let mut socket = tokio::net::UnixStream::from_std(socket)?;
        let runner = Wmi::open(state, None).subscription_runner(Creators::Only(root), commands)?;
        tokio::select! {
            () = runner.run() => {}
            // The broker sends nothing; the socket closes when the process is no longer needed.
            _ = socket.read_u8() => {}
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    runtime.shutdown_timeout(Duration::from_millis(200));
    audit.finish();
    Ok(ExitCode::SUCCESS)
}
