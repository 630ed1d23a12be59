//! Execution of requests.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use crate::journal::{Change, Journal};
use crate::{Error, FirewallKind, MachineRequest, MachineResponse, Outcome, Survey, Unit, firewall, systemd};

/// The machine, as far as this process may change it.
#[derive(Clone, Debug)]
pub struct Machine {
    state: PathBuf,
    owner: Owner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Machine,
    User,
}

impl Machine {
    /// Returns the machine for the system service; changes are recorded in this state directory.
    #[must_use]
    pub fn of_machine(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into(), owner: Owner::Machine }
    }

    /// Returns the machine for the service of a user, who cannot change the system unit.
    #[must_use]
    pub fn of_user(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into(), owner: Owner::User }
    }

    /// Executes a request and returns the outcome. Blocks for at most about two minutes.
    #[must_use]
    pub fn execute(&self, request: &MachineRequest) -> MachineResponse {
        match request {
            MachineRequest::Survey(openings) => MachineResponse::Survey(self.survey(openings)),
            MachineRequest::SignIn => {
                MachineResponse::Done(Outcome::Failed("only the service knows its accounts".to_owned()))
            }
            MachineRequest::Enable if self.owner == Owner::User => MachineResponse::Done(Outcome::Failed(
                "the service of a user is not started at boot".to_owned(),
            )),
            MachineRequest::Enable => self.run_step(|journal| {
                let outcome = block_on(systemd::enable())?;
                if matches!(outcome, Outcome::Done(_)) {
                    journal.add(Change::Enabled)?;
                }
                Ok(outcome)
            }),
            MachineRequest::Open(opening) => self.run_step(|journal| {
                let mut made = Vec::new();
                let outcome = block_on(firewall::open(opening, &mut made));
                for rule in made {
                    journal.add(Change::Opened(rule))?;
                }
                outcome
            }),
            MachineRequest::Record(change) => self.run_step(|journal| {
                journal.add(Change::Own(change.clone()))?;
                Ok(Outcome::Done(change.to_string()))
            }),
            MachineRequest::Undo(number) => self.run_step(|journal| {
                let outcome = match journal.find(*number)? {
                    Change::Started => block_on(systemd::stop())?,
                    Change::Enabled => block_on(systemd::disable())?,
                    Change::Opened(rule) => block_on(firewall::close(rule))?,
                    Change::Own(_) => Outcome::Already,
                };
                if !matches!(outcome, Outcome::Failed(_)) {
                    journal.remove(*number)?;
                }
                Ok(outcome)
            }),
        }
    }

    /// Returns the state of the service's unit.
    #[must_use]
    pub fn unit(&self) -> Unit {
        match self.owner {
            Owner::User => Unit::Private,
            Owner::Machine => block_on(async { Ok(systemd::survey().await) }).unwrap_or(Unit::NoSystemd),
        }
    }

    /// Starts the service's unit and waits until it runs. For clients that find no running service.
    #[must_use]
    pub fn start(&self) -> Outcome {
        let outcome = block_on(systemd::start());
        if matches!(outcome, Ok(Outcome::Done(_))) {
            // The caller may be permitted to start units but not to write the journal.
            let recorded = Journal::open(&self.state).and_then(|mut journal| journal.add(Change::Started));
            if let Err(error) = recorded {
                tracing::debug!(%error, "Cannot record the start of the service");
            }
        }
        outcome.unwrap_or_else(|error| Outcome::Failed(error.to_string()))
    }

    fn survey(&self, openings: &[crate::Opening]) -> Survey {
        let firewall = block_on(async { Ok(firewall::survey(openings).await) });
        let firewall =
            firewall.unwrap_or_else(|error| firewall::unknown(FirewallKind::Unseen(error.to_string())));
        let recorded = Journal::open(&self.state).map(|journal| journal.recorded()).unwrap_or_else(|error| {
            tracing::warn!(%error, "Cannot read the journal of quickconfig");
            Vec::new()
        });
        Survey { unit: self.unit(), firewall, recorded, certificates: Vec::new() }
    }

    fn run_step(&self, step: impl FnOnce(&mut Journal) -> Result<Outcome, Error>) -> MachineResponse {
        let outcome = Journal::open(&self.state).and_then(|mut journal| step(&mut journal));
        MachineResponse::Done(outcome.unwrap_or_else(|error| Outcome::Failed(error.to_string())))
    }
}

/// Runs a future on this thread, with a time limit.
fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    const LIMIT: Duration = Duration::from_secs(120);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Bus(error.to_string()))?;
    let done = runtime.block_on(async { tokio::time::timeout(LIMIT, future).await });
    runtime.shutdown_background();
    done.unwrap_or(Err(Error::Silent("the machine")))
}
