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
use std::time::Duration;

use broker::{Link, quick_config};
use config::{Paths, Thumbprint};
use locks::Mutex;
use plugin_config::MachineSetup;
use quickconfig::{Certificate, Machine, MachineRequest, MachineResponse, Outcome};
use service::Caller;
use wsman::Fault;

use crate::child_process::{QUICK_CONFIG, stdin_socket, this_program};
use crate::event_layers::begin_log;
use crate::log::relay;
use crate::sign_in_state::SignInState;

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

    /// Runs a step in a new process and waits for its response.
    pub(crate) fn run(&self, request: &MachineRequest) -> Result<MachineResponse, String> {
        let _turn = self.turn.lock();
        let response = self.run_process(request).map_err(|error| {
            tracing::error!(error = error.to_string(), "Cannot run a quickconfig step");
            "quickconfig failed; see the log of the service".to_owned()
        })?;
        Ok(with_certificates(response, &self.certificates))
    }

    fn run_process(&self, request: &MachineRequest) -> Result<MachineResponse, Box<dyn Error>> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(LONGEST))?;
        let link = Link::from_inherited(ours)?;
        // Firewall programs are found by PATH, the system bus by its address.
        let mut command = this_program("telarchd: quickconfig", &["PATH", "DBUS_SYSTEM_BUS_ADDRESS"]);
        command.arg(QUICK_CONFIG).arg(&self.state).stdin(OwnedFd::from(theirs));
        command.stderr(relay::stderr_for("quickconfig"));
        let mut child = command.spawn()?;
        drop(command);
        let response = exchange(&link, request);
        // After its response the process ends by itself. Without one it may hang.
        if response.is_err() {
            let _ = child.kill();
        }
        child.wait()?;
        response
    }
}

fn exchange(link: &Link, request: &MachineRequest) -> Result<MachineResponse, Box<dyn Error>> {
    link.send(&quick_config::encode_request(request), &[])?;
    let frame = link.receive_limited(quick_config::MAX_MESSAGE_LENGTH)?;
    let frame = frame.ok_or("the quickconfig process ended without a response")?;
    Ok(quick_config::decode_response(&frame.message)?)
}

/// Runs the process of one quickconfig step.
pub(crate) fn run(state: &str) -> Result<ExitCode, Box<dyn Error>> {
    let link = Link::from_inherited(stdin_socket()?)?;
    begin_log(None);
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    std::env::set_current_dir("/")?;
    let frame = link.receive_limited(quick_config::MAX_MESSAGE_LENGTH)?.ok_or("no request received")?;
    let request = quick_config::decode_request(&frame.message)?;
    let response = Machine::of_machine(state).execute(&request);
    link.send(&quick_config::encode_response(&response), &[])?;
    Ok(ExitCode::SUCCESS)
}

/// Quickconfig for the service of one user, with the rights of that user.
pub(crate) struct OwnMachine {
    machine: Machine,
    certificates: PathBuf,
    sign_in: SignInState,
}

impl OwnMachine {
    pub(crate) fn new(paths: &Paths, sign_in: SignInState) -> Self {
        Self { machine: Machine::of_user(&paths.state), certificates: paths.certificates.clone(), sign_in }
    }
}

impl MachineSetup for OwnMachine {
    fn execute(&self, _: &Caller, request: &MachineRequest) -> Result<MachineResponse, Fault> {
        if *request == MachineRequest::SignIn {
            return Ok(MachineResponse::SignIn(self.sign_in.report()));
        }
        let response = self.machine.execute(request);
        if let (MachineResponse::Done(Outcome::Failed(why)), false) =
            (&response, matches!(request, MachineRequest::Survey(_)))
        {
            tracing::debug!(error = why, ?request, "Quickconfig step failed");
        }
        Ok(with_certificates(response, &self.certificates))
    }
}

fn with_certificates(response: MachineResponse, folder: &Path) -> MachineResponse {
    match response {
        MachineResponse::Survey(mut survey) => {
            survey.certificates = installed(folder);
            MachineResponse::Survey(survey)
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
