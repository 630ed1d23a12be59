//! Execution of requests.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use crate::journal::{Deed, Journal};
use crate::{Answer, Error, Firewall, FirewallKind, Outcome, Survey, Unit, Wish, firewall, systemd};

/// The machine, as far as this process may change it.
#[derive(Clone, Debug)]
pub struct Machine {
    state: PathBuf,
    whose: Whose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Machine,
    User,
}

impl Machine {
    /// Returns the machine for the system service; changes are recorded in this state directory.
    #[must_use]
    pub fn of_machine(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into(), whose: Whose::Machine }
    }

    /// Returns the machine for the service of a user, who cannot change the system unit.
    #[must_use]
    pub fn of_user(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into(), whose: Whose::User }
    }

    /// Executes a request and returns the outcome. Blocks for at most about two minutes.
    #[must_use]
    pub fn grant(&self, wish: &Wish) -> Answer {
        match wish {
            Wish::Survey(openings) => Answer::Survey(self.survey(openings)),
            Wish::Enable if self.whose == Whose::User => {
                Answer::Done(Outcome::Failed("the service of a user is not started at boot".to_owned()))
            }
            Wish::Enable => self.done(|journal| {
                let outcome = block_on(systemd::enable())?;
                if matches!(outcome, Outcome::Done(_)) {
                    journal.add(Deed::Enabled)?;
                }
                Ok(outcome)
            }),
            Wish::Open(opening) => self.done(|journal| {
                let mut made = Vec::new();
                let outcome = block_on(firewall::open(opening, &mut made));
                for rule in made {
                    journal.add(Deed::Opened(rule))?;
                }
                outcome
            }),
            Wish::Note(noted) => self.done(|journal| {
                journal.add(Deed::Own(noted.clone()))?;
                Ok(Outcome::Done(noted.to_string()))
            }),
            Wish::TakeBack(number) => self.done(|journal| {
                let outcome = match journal.find(*number)? {
                    Deed::Started => block_on(systemd::stop())?,
                    Deed::Enabled => block_on(systemd::disable())?,
                    Deed::Opened(rule) => block_on(firewall::close(rule))?,
                    Deed::Own(_) => Outcome::Already,
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
        match self.whose {
            Whose::User => Unit::Private,
            Whose::Machine => block_on(async { Ok(systemd::survey().await) }).unwrap_or(Unit::NoSystemd),
        }
    }

    /// Starts the service's unit and waits until it runs. For clients that find no running service.
    #[must_use]
    pub fn start(&self) -> Outcome {
        let outcome = block_on(systemd::start());
        if matches!(outcome, Ok(Outcome::Done(_))) {
            // The caller may be permitted to start units but not to write the journal.
            let noted = Journal::open(&self.state).and_then(|mut journal| journal.add(Deed::Started));
            if let Err(error) = noted {
                tracing::debug!(%error, "That the service was started is not recorded");
            }
        }
        outcome.unwrap_or_else(|error| Outcome::Failed(error.to_string()))
    }

    fn survey(&self, openings: &[crate::Opening]) -> Survey {
        let unseen = |error: Error| Firewall {
            kind: FirewallKind::Unseen(error.to_string()),
            places: Vec::new(),
            public: false,
            open: Vec::new(),
        };
        let firewall = block_on(async { Ok(firewall::survey(openings).await) }).unwrap_or_else(unseen);
        let recorded = Journal::open(&self.state).map(|journal| journal.recorded()).unwrap_or_else(|error| {
            tracing::warn!(%error, "What quickconfig did before cannot be seen");
            Vec::new()
        });
        Survey { unit: self.unit(), firewall, recorded, certificates: Vec::new() }
    }

    fn done(&self, step: impl FnOnce(&mut Journal) -> Result<Outcome, Error>) -> Answer {
        let outcome = Journal::open(&self.state).and_then(|mut journal| step(&mut journal));
        Answer::Done(outcome.unwrap_or_else(|error| Outcome::Failed(error.to_string())))
    }
}

/// Runs a future on this thread, with a time limit.
fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    const LONGEST: Duration = Duration::from_secs(120);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Bus(error.to_string()))?;
    let done = runtime.block_on(async { tokio::time::timeout(LONGEST, future).await });
    runtime.shutdown_background();
    done.unwrap_or(Err(Error::Silent("the machine")))
}
