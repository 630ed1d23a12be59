//! Permanent subscriptions of a machine: a process of root that nobody talks to. Only what root has registered is
//! carried out in it, because only that may be done with root's rights.

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

use super::{SUBSCRIPTIONS, given_socket, this_program};
use crate::audit::{AuditFile, AuditPipe, AuditRecords};
use crate::begin_log;
use crate::log::relay;
use crate::wmi_engine::Wmi;

/// The process, as the broker keeps it: there is one while the settings want one.
pub(super) struct Subscriptions {
    state: PathBuf,
    /// Where audit records go.
    audit: AuditFile,
    wanted: Option<config::Wmi>,
    process: Option<(Child, UnixStream)>,
    started: Option<Instant>,
}

/// A process that has ended by itself is started again after this.
const PAUSE: Duration = Duration::from_secs(60);

impl Subscriptions {
    /// # Errors
    /// If nobody knows what the working directory is that a path is relative to.
    pub(super) fn new(state: &Path, audit: AuditFile) -> io::Result<Self> {
        let state = std::path::absolute(state)?;
        Ok(Self { state, audit, wanted: None, process: None, started: None })
    }

    /// Starts and ends it as the settings say, and starts it again if it has not stayed.
    pub(super) fn follow(&mut self, wmi: &config::Wmi) {
        let wanted = wmi.permanent_subscriptions.then(|| wmi.clone());
        if self.wanted != wanted {
            self.end();
            self.wanted = wanted;
            self.started = None;
        }
        let has_ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        if self.process.as_mut().is_some_and(|(child, _)| has_ended(child)) {
            tracing::error!("The process of permanent subscriptions has ended");
            self.process = None;
        }
        let may_start = self.started.is_none_or(|started| started.elapsed() >= PAUSE);
        let Some(wmi) = self.wanted.clone().filter(|_| self.process.is_none() && may_start) else { return };
        self.started = Some(Instant::now());
        match self.start(&wmi) {
            Ok(process) => self.process = Some(process),
            Err(error) => tracing::error!(%error, "Permanent subscriptions are not carried out"),
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

    /// It ends when nobody holds the other end of its socket, and its programs with it.
    pub(super) fn end(&mut self) {
        let Some((mut child, socket)) = self.process.take() else { return };
        drop(socket);
        // Nobody waits for it but the system.
        std::thread::spawn(move || child.wait());
    }
}

/// What a process is told about programs.
const RUN: &str = "run";
const REFUSE: &str = "refuse";

/// Is the process, until the broker has no further use for it.
pub(super) fn run(state: &Path, commands: &str) -> Result<ExitCode, Box<dyn Error>> {
    let socket = given_socket()?;
    // What acts on its own is not begun where nobody could find that.
    let audit = AuditRecords::from(AuditPipe::given()?);
    begin_log(Some(audit.clone()));
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    std::env::set_current_dir("/")?;
    let commands = if commands == RUN { CommandPolicy::Allow } else { CommandPolicy::Deny };
    let machine = MachineSid::load(state)?.ok_or("the machine has no SID yet")?.domain();
    let root = sddl::linux::user_sid(0, machine);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        socket.set_nonblocking(true)?;
        let mut socket = tokio::net::UnixStream::from_std(socket)?;
        let runner = Wmi::open(state, None).subscription_runner(Creators::Only(root), commands)?;
        tokio::select! {
            () = runner.run() => {}
            // Nothing is sent on it; it ends when the broker has no further use for this process.
            _ = socket.read_u8() => {}
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    runtime.shutdown_timeout(Duration::from_millis(200));
    audit.finish();
    Ok(ExitCode::SUCCESS)
}
