//! Setting up the machine, for quickconfig.
//!
//! As root it is done by a process of its own, which is started for one wish and ends with it: the bus, firewalld and
//! the programs of firewalls are then never in the broker, and what one of them does to that process it does to
//! nothing else.

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
use plugin_config::MachineKeeper;
use quickconfig::{Answer, Certificate, Machine, Outcome, Wish};
use service::Caller;
use wsman::Fault;

use crate::log::relay;
use crate::separate::{QUICK_CONFIG, given_socket, this_program};

/// How root's service has its machine set up.
pub(crate) struct QuickConfig {
    state: PathBuf,
    certificates: PathBuf,
    /// One at a time: who comes second finds what the first has done.
    turn: Mutex<()>,
}

impl QuickConfig {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { state: paths.state.clone(), certificates: paths.certificates.clone(), turn: Mutex::default() }
    }

    /// Has a wish granted by a process of its own, and waits for it.
    pub(crate) fn ask(&self, wish: &Wish) -> Result<Answer, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = self.granted(wish).map_err(|error| {
            tracing::error!(error = error.to_string(), "Nobody can set up the machine");
            "the machine cannot be set up: the log of the service says why".to_owned()
        })?;
        Ok(with_certificates(answer, &self.certificates))
    }

    fn granted(&self, wish: &Wish) -> Result<Answer, Box<dyn Error>> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(LONGEST))?;
        let link = Link::from_inherited(ours)?;
        // The programs of firewalls are found by PATH, the bus by its address.
        let mut command = this_program("telarchd: quickconfig", &["PATH", "DBUS_SYSTEM_BUS_ADDRESS"]);
        command.arg(QUICK_CONFIG).arg(&self.state).stdin(OwnedFd::from(theirs));
        command.stderr(relay::stderr_for("quickconfig"));
        let mut child = command.spawn()?;
        drop(command);
        let asked = || {
            link.send(&quick_config::encode_wish(wish), &[])?;
            let frame = link
                .receive_limited(quick_config::MAX_MESSAGE_LENGTH)?
                .ok_or("it has ended without an answer")?;
            Ok::<_, Box<dyn Error>>(quick_config::decode_answer(&frame.message)?)
        };
        let answer = asked();
        // Whoever has answered has nothing left to do, and whoever has not by now never will.
        if answer.is_err() {
            let _ = child.kill();
        }
        child.wait()?;
        answer
    }
}

/// Is the process that grants one wish.
pub(crate) fn run(state: &str) -> Result<ExitCode, Box<dyn Error>> {
    let link = Link::from_inherited(given_socket()?)?;
    crate::begin_log(None);
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    std::env::set_current_dir("/")?;
    let frame = link.receive_limited(quick_config::MAX_MESSAGE_LENGTH)?.ok_or("nothing is wished")?;
    let wish = quick_config::decode_wish(&frame.message)?;
    let answer = Machine::of_machine(state).grant(&wish);
    link.send(&quick_config::encode_answer(&answer), &[])?;
    Ok(ExitCode::SUCCESS)
}

/// The machine, with no more rights than the user has whose service it is.
pub(crate) struct OwnMachine {
    machine: Machine,
    certificates: PathBuf,
}

impl OwnMachine {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { machine: Machine::of_user(&paths.state), certificates: paths.certificates.clone() }
    }
}

impl MachineKeeper for OwnMachine {
    fn grant(&self, _: &Caller, wish: &Wish) -> Result<Answer, Fault> {
        let answer = self.machine.grant(wish);
        if let (Answer::Done(Outcome::Failed(why)), false) = (&answer, matches!(wish, Wish::Survey(_))) {
            tracing::debug!(error = why, ?wish, "A step of quickconfig failed");
        }
        Ok(with_certificates(answer, &self.certificates))
    }
}

fn with_certificates(answer: Answer, folder: &Path) -> Answer {
    match answer {
        Answer::Survey(mut survey) => {
            survey.certificates = given(folder);
            Answer::Survey(survey)
        }
        done => done,
    }
}

/// The certificates of the administrator, by the names of their files.
fn given(folder: &Path) -> Vec<Certificate> {
    /// A machine has a handful.
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

/// Longer than a process takes for a wish.
const LONGEST: Duration = Duration::from_secs(300);
