//! Execution of quickconfig steps.
//!
//! As root each step runs in a separate process that ends with it. The broker therefore never connects to the system
//! bus or runs firewall programs, and is not affected by their faults.

use std::error::Error;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use broker::{Link, quick_config};
use config::{Paths, Thumbprint};
use plugin_config::MachineSetup;
use quickconfig::{Answer, Certificate, Machine, Outcome, Wish};
use service::Caller;
use wsman::Fault;

use crate::log::relay;
use crate::separate::{QUICK_CONFIG, stdin_socket, this_program};

/// Runs quickconfig steps for the service of the machine.
pub(crate) struct QuickConfig {
    state: PathBuf,
    certificates: PathBuf,
    /// Serializes steps, so that each one sees the result of the previous one.
    turn: Mutex<()>,
}

impl QuickConfig {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { state: paths.state.clone(), certificates: paths.certificates.clone(), turn: Mutex::default() }
    }

    /// Runs a step in a new process and waits for its answer.
    pub(crate) fn run(&self, wish: &Wish) -> Result<Answer, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = self.run_process(wish).map_err(|error| {
            tracing::error!(error = error.to_string(), "Cannot run a quickconfig step");
            "quickconfig failed; see the log of the service".to_owned()
        })?;
        Ok(with_certificates(answer, &self.certificates))
    }

    fn run_process(&self, wish: &Wish) -> Result<Answer, Box<dyn Error>> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(LONGEST))?;
        let link = Link::from_inherited(ours)?;
        // Firewall programs are found by PATH, the system bus by its address.
        let mut command = this_program("telarchd: quickconfig", &["PATH", "DBUS_SYSTEM_BUS_ADDRESS"]);
        command.arg(QUICK_CONFIG).arg(&self.state).stdin(OwnedFd::from(theirs));
        command.stderr(relay::stderr_for("quickconfig"));
        let mut child = command.spawn()?;
        drop(command);
        let answer = exchange(&link, wish);
        // After its answer the process ends by itself. Without one it may hang.
        if answer.is_err() {
            let _ = child.kill();
        }
        child.wait()?;
        answer
    }
}

fn exchange(link: &Link, wish: &Wish) -> Result<Answer, Box<dyn Error>> {
    link.send(&quick_config::encode_wish(wish), &[])?;
    let frame = link.receive_limited(quick_config::MAX_MESSAGE_LENGTH)?;
    let frame = frame.ok_or("the quickconfig process ended without an answer")?;
    Ok(quick_config::decode_answer(&frame.message)?)
}

/// Runs the process of one quickconfig step.
pub(crate) fn run(state: &str) -> Result<ExitCode, Box<dyn Error>> {
    let link = Link::from_inherited(stdin_socket()?)?;
    crate::begin_log(None);
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    std::env::set_current_dir("/")?;
    let frame = link.receive_limited(quick_config::MAX_MESSAGE_LENGTH)?.ok_or("no request received")?;
    let wish = quick_config::decode_wish(&frame.message)?;
    let answer = Machine::of_machine(state).grant(&wish);
    link.send(&quick_config::encode_answer(&answer), &[])?;
    Ok(ExitCode::SUCCESS)
}

/// Quickconfig for the service of one user, with the rights of that user.
pub(crate) struct OwnMachine {
    machine: Machine,
    certificates: PathBuf,
}

impl OwnMachine {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { machine: Machine::of_user(&paths.state), certificates: paths.certificates.clone() }
    }
}

impl MachineSetup for OwnMachine {
    fn grant(&self, _: &Caller, wish: &Wish) -> Result<Answer, Fault> {
        let answer = self.machine.grant(wish);
        if let (Answer::Done(Outcome::Failed(why)), false) = (&answer, matches!(wish, Wish::Survey(_))) {
            tracing::debug!(error = why, ?wish, "Quickconfig step failed");
        }
        Ok(with_certificates(answer, &self.certificates))
    }
}

fn with_certificates(answer: Answer, folder: &Path) -> Answer {
    match answer {
        Answer::Survey(mut survey) => {
            survey.certificates = installed(folder);
            Answer::Survey(survey)
        }
        done => done,
    }
}

/// Returns the thumbprints of the administrator's certificates, which are the names of their files.
fn installed(folder: &Path) -> Vec<Certificate> {
    /// Maximum number of certificates; a machine has a handful.
    const MOST: usize = 64;
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let named = files.filter(|path| path.extension().is_some_and(|kind| kind == "pem" || kind == "crt"));
    let mut all: Vec<Certificate> = named
        .filter_map(|path| Some(Thumbprint::parse(path.file_stem()?.to_str()?).ok()?.0))
        .take(MOST)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Timeout of a step.
const LONGEST: Duration = Duration::from_secs(300);
