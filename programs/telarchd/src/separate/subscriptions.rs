//! Permanent subscriptions of a machine: a process of root that nobody talks to. Only what root has registered is
//! carried out in it, because only that may be done with root's rights.

use std::error::Error;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode};
use std::time::{Duration, Instant};

use accounts::MachineSid;
use consumers::{Commands, Whose};
use tokio::io::AsyncReadExt as _;

use super::{SUBSCRIPTIONS, given_socket, this_program};
use crate::audit::AuditFile;
use crate::begin_log;
use crate::wmi_engine::Wmi;

/// The process, as the broker keeps it: there is one while the settings want one.
pub(super) struct Subscriptions {
    state: PathBuf,
    /// Where audit records go.
    audit: PathBuf,
    wanted: Option<config::Wmi>,
    process: Option<(Child, UnixStream)>,
    started: Option<Instant>,
}

/// A process that has ended by itself is started again after this.
const PAUSE: Duration = Duration::from_secs(60);

impl Subscriptions {
    /// # Errors
    /// If nobody knows what the working directory is that a path is relative to.
    pub(super) fn new(state: &Path, audit: &Path) -> io::Result<Self> {
        let (state, audit) = (std::path::absolute(state)?, std::path::absolute(audit)?);
        Ok(Self { state, audit, wanted: None, process: None, started: None })
    }

    /// Has it open the file of audit records again.
    pub(super) fn reopen_audit(&mut self) {
        if let Some((_, socket)) = &mut self.process {
            // One that has ended is seen at the next look.
            let _ = socket.write_all(&[REOPEN]);
        }
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
        command.arg(SUBSCRIPTIONS).arg(&self.state).arg(&self.audit).arg(commands);
        command.stdin(OwnedFd::from(theirs));
        Ok((command.spawn()?, ours))
    }

    /// It ends when nobody holds the other end of its socket, and its programs with it.
    fn end(&mut self) {
        let Some((mut child, socket)) = self.process.take() else { return };
        drop(socket);
        // Nobody waits for it but the system.
        std::thread::spawn(move || child.wait());
    }
}

/// What a process is told about programs.
const RUN: &str = "run";
const REFUSE: &str = "refuse";

/// The one thing it is told while it runs.
const REOPEN: u8 = b'r';

/// Is the process, until the broker has no further use for it.
pub(super) fn run(state: &Path, audit: &Path, commands: &str) -> Result<ExitCode, Box<dyn Error>> {
    let socket = given_socket()?;
    // What acts on its own is not begun where nobody could find that.
    let audit = AuditFile::open(audit)
        .map_err(|error| format!("cannot open {} for audit records: {error}", audit.display()))?;
    begin_log(Some(audit.clone()));
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    std::env::set_current_dir("/")?;
    let commands = if commands == RUN { Commands::Run } else { Commands::Refused };
    let machine = MachineSid::load(state)?.ok_or("the machine has no SID yet")?.domain();
    let root = sddl::linux::user_sid(0, machine);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        socket.set_nonblocking(true)?;
        let mut socket = tokio::net::UnixStream::from_std(socket)?;
        let carrier = Wmi::open(state, None).carrier(Whose::Only(root), commands)?;
        let told = async {
            while let Ok(REOPEN) = socket.read_u8().await {
                audit.reopen();
            }
        };
        tokio::select! {
            () = carrier.run() => {}
            () = told => {}
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(ExitCode::SUCCESS)
}
