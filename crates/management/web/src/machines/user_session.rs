//! Machines and runs of a user's session.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Session;
use locks::Mutex;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::collector::collector;
use super::iis;
use super::iis_request::IisRequest;
use super::read_error::ReadError;
use super::reason::{is_fault, reason};
use super::runs::{Member, Run};
use super::state::{State, StateKind};
use super::target::Target;
use super::task::{Failure, FailureKind, Operation};
use super::wmi::RemoteWmi;
use super::wmi_request::WmiRequest;
use super::wsman;
use super::wsman_request::WsManRequest;
use crate::password::Password;

/// Machines and runs of a user's session.
pub(super) struct UserSession {
    machines: Mutex<HashMap<String, Connection>>,
    runs: Mutex<Vec<Arc<Run>>>,
    /// Permits to ask a machine of this session for its identity in the background.
    asking: Arc<Semaphore>,
}

impl Default for UserSession {
    fn default() -> Self {
        let asking = Arc::new(Semaphore::new(MAX_ASKED));
        Self { machines: Mutex::default(), runs: Mutex::default(), asking }
    }
}

impl Drop for UserSession {
    fn drop(&mut self) {
        for run in self.runs.lock().iter() {
            run.cancel();
        }
    }
}

/// A machine of the user.
struct Connection {
    target: Target,
    /// Session of the client with the password; `None` if the user has not connected to the machine in this session, the
    /// machine rejects the user, or its certificate is not trusted.
    session: Option<Session>,
    /// Classes and queries of this connection.
    wmi: Arc<RemoteWmi>,
    state: State,
    /// Time of the last question for the identity; `None` before the first one.
    asked: Option<Instant>,
    /// A question was sent, and its answer is awaited.
    is_asking: bool,
}

impl UserSession {
    /// Connects to a machine, and keeps the password if the machine accepts it or cannot be asked now.
    pub(super) async fn connect(&self, target: Target, password: &Password) -> Result<Value, Failure> {
        self.require_place(&target)?;
        let session = target.session(password);
        let session = session.map_err(|error| Failure::new(FailureKind::Refused, reason(&error)))?;
        let (state, keeps_password) = State::ask(&session).await;
        let value = state.to_json();
        let session = keeps_password.then_some(session);
        self.machines.lock().insert(target.id.clone(), Connection::new(target, session, state));
        Ok(value)
    }

    fn require_place(&self, target: &Target) -> Result<(), Failure> {
        let machines = self.machines.lock();
        if machines.len() >= MAX_MACHINES && !machines.contains_key(&target.id) {
            let detail = format!("this session has connections to {MAX_MACHINES} machines; remove one");
            return Err(Failure::new(FailureKind::TooMany, detail));
        }
        Ok(())
    }

    /// Returns the known states by identifier of the machine.
    pub(super) fn states(&self) -> Value {
        let machines = self.machines.lock();
        Value::Object(machines.iter().map(|(id, one)| (id.clone(), one.state.to_json())).collect())
    }

    /// Asks the machines whose last answer is old, without waiting, and returns the known states. A machine to which the
    /// user has not connected is asked without credentials.
    pub(super) fn refresh(self: &Arc<Self>, targets: Vec<Target>, asking: &Arc<Semaphore>) -> Value {
        let mut machines = self.machines.lock();
        // Another session may have removed a machine, which is not asked any more.
        let wanted: HashSet<String> = targets.iter().map(|target| target.id.clone()).collect();
        for target in targets {
            if !machines.contains_key(&target.id) && machines.len() < MAX_MACHINES {
                let state = State::new(StateKind::NotConnected, None);
                machines.insert(target.id.clone(), Connection::new(target, None, state));
            }
        }
        let due = machines.iter_mut().filter(|(id, connection)| wanted.contains(*id) && connection.is_due());
        for (_, connection) in due {
            let Some(question) = connection.question() else { continue };
            connection.is_asking = true;
            let (user, own, all) = (Arc::downgrade(self), Arc::clone(&self.asking), Arc::clone(asking));
            tokio::spawn(async move {
                // The semaphores are never closed.
                let _permits = (own.acquire_owned().await, all.acquire_owned().await);
                let (state, keeps_password) = question.ask().await;
                if let Some(user) = user.upgrade() {
                    user.answered(&question, state, keeps_password);
                }
            });
        }
        drop(machines);
        self.states()
    }

    /// Returns the state of a machine now.
    pub(super) async fn check(&self, target: Target) -> Result<Value, Failure> {
        self.require_place(&target)?;
        let (question, known) = {
            let mut machines = self.machines.lock();
            let connection = machines.entry(target.id.clone()).or_insert_with(|| {
                Connection::new(target.clone(), None, State::new(StateKind::NotConnected, None))
            });
            (connection.question(), connection.state.to_json())
        };
        let Some(question) = question else { return Ok(known) };
        let (state, keeps_password) = question.ask().await;
        self.answered(&question, state, keeps_password);
        let machines = self.machines.lock();
        let connection = machines.get(&target.id).ok_or_else(not_connected)?;
        Ok(connection.state.to_json())
    }

    /// Ends enumerations whose next page was not requested in time.
    pub(super) fn drop_expired(&self) {
        self.machines.lock().values().for_each(|connection| connection.wmi.drop_expired());
    }

    /// Forgets a machine and its password.
    pub(super) fn forget(&self, machine: &str) {
        self.machines.lock().remove(machine);
    }

    /// Answers a request for WMI of a machine.
    pub(super) async fn wmi(&self, machine: &str, request: WmiRequest) -> Result<Value, Failure> {
        let (session, wmi) = self.connected(machine)?;
        self.read(machine, wmi.answer(&session, request)).await
    }

    /// Answers a request for the WS-Management service of a machine.
    pub(super) async fn wsman(&self, machine: &str, request: WsManRequest) -> Result<Value, Failure> {
        let (session, _) = self.connected(machine)?;
        self.read(machine, wsman::answer(&session, request)).await
    }

    /// Reads the subscriptions and sources of a machine's collector of events.
    pub(super) async fn collector(&self, machine: &str) -> Result<Value, Failure> {
        let (session, _) = self.connected(machine)?;
        self.read(machine, collector(&session)).await
    }

    /// Answers a request for the IIS of a machine.
    pub(super) async fn iis(&self, machine: &str, request: IisRequest) -> Result<Value, Failure> {
        let (session, _) = self.connected(machine)?;
        let url = self.machines.lock().get(machine).map(|connection| connection.target.url.clone());
        self.read(machine, iis::answer(&session, &url.unwrap_or_default(), request)).await
    }

    /// Records the answer to a question, unless the user has connected again in the meantime.
    fn answered(&self, question: &Question, state: State, keeps_password: bool) {
        let mut machines = self.machines.lock();
        let Some(connection) = machines.get_mut(&question.machine) else { return };
        if !Arc::ptr_eq(&connection.wmi, &question.connection) {
            return;
        }
        connection.update(state);
        connection.is_asking = false;
        connection.asked = Some(Instant::now());
        if !keeps_password {
            connection.session = None;
        }
    }

    fn connected(&self, machine: &str) -> Result<(Session, Arc<RemoteWmi>), Failure> {
        let machines = self.machines.lock();
        let connection = machines.get(machine).ok_or_else(not_connected)?;
        match (&connection.session, &connection.state.reason) {
            (Some(session), _) => Ok((session.clone(), Arc::clone(&connection.wmi))),
            (None, Some(why)) => {
                let detail = format!("{why}\nconnect to the machine again");
                Err(Failure::new(FailureKind::NotConnected, detail))
            }
            (None, None) => Err(not_connected()),
        }
    }

    /// Reads from a machine within a limit of time, and updates its state.
    async fn read(
        &self,
        machine: &str,
        reading: impl Future<Output = Result<Value, ReadError>>,
    ) -> Result<Value, Failure> {
        let failure = match tokio::time::timeout(READ_TIME, reading).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(ReadError::Failed(failure))) => return Err(failure),
            Ok(Err(ReadError::Client(error))) if is_fault(&error) => {
                return Err(Failure::new(FailureKind::Refused, reason(&error)));
            }
            Ok(Err(ReadError::Client(error))) => reason(&error),
            // A slow query does not mean that the machine is unreachable.
            Err(_) => {
                let detail =
                    format!("the machine did not answer completely in {} seconds", READ_TIME.as_secs());
                return Err(Failure::new(FailureKind::Unreachable, detail));
            }
        };
        if let Some(connection) = self.machines.lock().get_mut(machine) {
            connection.update(State::new(StateKind::Unreachable, Some(failure.clone())));
        }
        Err(Failure::new(FailureKind::Unreachable, failure))
    }

    /// Starts an operation on machines.
    pub(super) fn start(&self, machines: &[String], operation: Operation) -> Result<Value, Failure> {
        let members: Result<Vec<Member>, Failure> = machines
            .iter()
            .map(|machine| {
                let (session, wmi) = self.connected(machine)?;
                Ok(Member { machine: machine.clone(), session, wmi })
            })
            .collect();
        let members = members?;
        let mut runs = self.runs.lock();
        if runs.iter().filter(|run| !run.is_finished()).count() >= MAX_ACTIVE_RUNS {
            let detail = format!("{MAX_ACTIVE_RUNS} operations on several machines are running; stop one");
            return Err(Failure::new(FailureKind::TooMany, detail));
        }
        if runs.len() >= MAX_RUNS
            && let Some(oldest) = runs.iter().position(|run| run.is_finished())
        {
            runs.remove(oldest);
        }
        let run = Run::start(members, operation);
        let id = run.id().to_owned();
        runs.push(run);
        Ok(json!({ "run": id }))
    }

    /// Returns a run.
    pub(super) fn run(&self, id: &str) -> Result<Arc<Run>, Failure> {
        let runs = self.runs.lock();
        let found = runs.iter().find(|run| run.id() == id).cloned();
        found.ok_or_else(|| Failure::new(FailureKind::NotFound, "run not found"))
    }
}

impl Connection {
    fn new(target: Target, session: Option<Session>, state: State) -> Self {
        let asked = (state.state != StateKind::NotConnected).then(Instant::now);
        Self { target, session, wmi: Arc::default(), state, asked, is_asking: false }
    }

    /// Returns whether the last answer is so old that the machine is asked again.
    fn is_due(&self) -> bool {
        !self.is_asking && self.asked.is_none_or(|asked| asked.elapsed() >= REFRESH_INTERVAL)
    }

    /// Returns the question for the identity of the machine; `None` if only the user can change its state.
    fn question(&self) -> Option<Question> {
        let is_final = matches!(self.state.state, StateKind::Untrusted | StateKind::Rejected);
        let (session, has_credentials) = match &self.session {
            Some(session) => (session.clone(), true),
            None if is_final => return None,
            None => (self.target.anonymous_session().ok()?, false),
        };
        let (machine, connection) = (self.target.id.clone(), Arc::clone(&self.wmi));
        Some(Question { machine, connection, session, has_credentials })
    }

    fn update(&mut self, new: State) {
        let old = &self.state;
        let since = if old.state == new.state { old.since.clone() } else { new.since.clone() };
        let last_answer = new.last_answer.clone().or_else(|| old.last_answer.clone());
        let product = new.product.clone().or_else(|| old.product.clone());
        let version = new.version.clone().or_else(|| old.version.clone());
        tracing::debug!(machine = self.target.url, state = ?new.state, "State of a machine");
        self.state = State { since, last_answer, product, version, ..new };
    }
}

/// Question for the identity of a machine.
struct Question {
    machine: String,
    /// Identifies the connection that was asked.
    connection: Arc<RemoteWmi>,
    session: Session,
    has_credentials: bool,
}

impl Question {
    /// Asks the machine. Returns its state, and whether the password may be used again.
    async fn ask(&self) -> (State, bool) {
        if self.has_credentials {
            State::ask(&self.session).await
        } else {
            (State::probe(&self.session).await, false)
        }
    }
}

fn not_connected() -> Failure {
    let detail = "this session is not connected to the machine; enter the password with POST connect";
    Failure::new(FailureKind::NotConnected, detail)
}

/// Time after an answer until a machine is asked again.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);
/// Machines of one session that are asked for their identity at the same time.
const MAX_ASKED: usize = 8;
/// Time for a query with all its rows.
const READ_TIME: Duration = Duration::from_secs(30);
/// Machines of one session.
const MAX_MACHINES: usize = 50;
/// Runs that a session keeps, and those of them that are running.
const MAX_RUNS: usize = 8;
const MAX_ACTIVE_RUNS: usize = 3;
