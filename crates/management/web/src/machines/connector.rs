//! Connections to the machines of all sessions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client::{Error, PresentedCertificate, Session};
use locks::Mutex;
use management::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::password::Password;
use super::reading::{self, RowLimits};
use super::reason::{is_about_trust, is_fault, reason};
use super::runs::{Member, Run};
use super::target::Target;
use super::task::{Failure, FailureKind, Operation, Outcome, Task, Work};

/// Process or part of a process that has the network.
pub trait Connector: Send + Sync {
    /// Performs an encoded task, and returns its encoded outcome. Blocks.
    ///
    /// # Errors
    /// The reason why the connector does not answer, for people.
    fn perform(&self, task: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, String>;

    /// Returns whether the connector may know a session.
    fn is_used(&self) -> bool;
}

/// Connections to other machines in this process.
pub struct MachineConnector {
    sessions: Mutex<HashMap<String, Arc<UserSession>>>,
    runtime: Handle,
    is_used: AtomicBool,
}

impl std::fmt::Debug for MachineConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineConnector").finish_non_exhaustive()
    }
}

/// Machines and runs of a user's session.
#[derive(Default)]
struct UserSession {
    machines: Mutex<HashMap<String, Connection>>,
    runs: Mutex<Vec<Arc<Run>>>,
}

impl Drop for UserSession {
    fn drop(&mut self) {
        for run in self.runs.lock().iter() {
            run.cancel();
        }
    }
}

/// A machine to which the user has connected in this session.
struct Connection {
    target: Target,
    /// Session of the client with the password; `None` if the machine rejects the user or its certificate is not trusted.
    session: Option<Session>,
    state: State,
}

/// State of a machine.
#[derive(Clone, Debug, Serialize)]
struct State {
    state: StateKind,
    /// Time since when the machine has this state.
    since: String,
    /// Time of the last answer.
    last_answer: Option<String>,
    /// Reason why the machine cannot be used.
    reason: Option<String>,
    product: Option<String>,
    version: Option<String>,
    /// Certificate that the user may trust.
    certificate: Option<Certificate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum StateKind {
    Reachable,
    Unreachable,
    /// The certificate is not trusted. No password was sent.
    Untrusted,
    /// The machine rejects the user.
    Rejected,
}

#[derive(Clone, Debug, Serialize)]
struct Certificate {
    names: Vec<String>,
    issuer: String,
    not_after: String,
    sha1: String,
    sha256: String,
}

impl MachineConnector {
    /// Makes connections with the tasks of a runtime.
    #[must_use]
    pub fn new(runtime: Handle) -> Self {
        Self { sessions: Mutex::default(), runtime, is_used: AtomicBool::new(false) }
    }

    /// Performs an encoded task, and returns its encoded outcome.
    pub(crate) async fn answer(&self, task: &[u8]) -> Vec<u8> {
        let outcome = match Task::decode(task) {
            Ok(task) => self.perform_task(task).await,
            Err(error) => Err(Failure::new(FailureKind::Refused, format!("invalid task: {error}"))),
        };
        Outcome(outcome).encode()
    }

    async fn perform_task(&self, task: Task) -> Result<Value, Failure> {
        let Task { session, work } = task;
        if let Work::Retain { sessions } = work {
            self.sessions.lock().retain(|id, _| sessions.contains(id));
            return Ok(Value::Null);
        }
        let user = self.user(session)?;
        match work {
            Work::Connect { target, password } => user.connect(target, &password).await,
            Work::States => Ok(user.states()),
            Work::Check { machine } => user.check(&machine).await,
            Work::Forget { machine } => {
                user.machines.lock().remove(&machine);
                Ok(Value::Null)
            }
            Work::Query { machine, namespace, query, limit } => {
                let session = user.session(&machine)?;
                user.read(
                    &machine,
                    reading::query(
                        &session,
                        &namespace,
                        &query,
                        RowLimits { rows: limit, size: MAX_ROWS_SIZE },
                    ),
                )
                .await
            }
            Work::WsMan { machine } => {
                let session = user.session(&machine)?;
                user.read(&machine, reading::wsman(&session)).await
            }
            Work::Run { machines, operation } => user.start(&machines, operation),
            Work::Events { run, from } => Ok(user.run(&run)?.events(from)),
            Work::Cancel { run } => {
                user.run(&run)?.cancel();
                Ok(Value::Null)
            }
            Work::Retain { .. } => Ok(Value::Null),
        }
    }

    fn user(&self, session: String) -> Result<Arc<UserSession>, Failure> {
        self.is_used.store(true, Ordering::Relaxed);
        let mut sessions = self.sessions.lock();
        if sessions.len() >= MAX_SESSIONS && !sessions.contains_key(&session) {
            let detail = format!("{MAX_SESSIONS} sessions have connections to other machines");
            return Err(Failure::new(FailureKind::TooMany, detail));
        }
        Ok(Arc::clone(sessions.entry(session).or_default()))
    }
}

impl Connector for MachineConnector {
    fn perform(&self, task: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, String> {
        Ok(self.runtime.block_on(self.answer(&task)))
    }

    fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }
}

impl UserSession {
    /// Connects to a machine, and keeps the password if the machine accepts it or cannot be asked now.
    async fn connect(&self, target: Target, password: &Password) -> Result<Value, Failure> {
        {
            let machines = self.machines.lock();
            if machines.len() >= MAX_MACHINES && !machines.contains_key(&target.id) {
                let detail = format!("this session has connections to {MAX_MACHINES} machines; remove one");
                return Err(Failure::new(FailureKind::TooMany, detail));
            }
        }
        let session = target.session(password);
        let session = session.map_err(|error| Failure::new(FailureKind::Refused, reason(&error)))?;
        let (state, keeps_password) = State::ask(&session).await;
        let value = state.to_json();
        let session = keeps_password.then_some(session);
        self.machines.lock().insert(target.id.clone(), Connection { target, session, state });
        Ok(value)
    }

    /// Returns the known states by identifier of the machine.
    fn states(&self) -> Value {
        let machines = self.machines.lock();
        Value::Object(machines.iter().map(|(id, one)| (id.clone(), one.state.to_json())).collect())
    }

    /// Returns the state of a machine now.
    async fn check(&self, machine: &str) -> Result<Value, Failure> {
        let session = {
            let machines = self.machines.lock();
            let connection = machines.get(machine).ok_or_else(not_connected)?;
            match &connection.session {
                Some(session) => session.clone(),
                None => return Ok(connection.state.to_json()),
            }
        };
        let (state, keeps_password) = State::ask(&session).await;
        let mut machines = self.machines.lock();
        let connection = machines.get_mut(machine).ok_or_else(not_connected)?;
        connection.update(state);
        if !keeps_password {
            connection.session = None;
        }
        Ok(connection.state.to_json())
    }

    fn session(&self, machine: &str) -> Result<Session, Failure> {
        let machines = self.machines.lock();
        let connection = machines.get(machine).ok_or_else(not_connected)?;
        connection.session.clone().ok_or_else(|| {
            let why = connection.state.reason.clone().unwrap_or_default();
            Failure::new(FailureKind::NotConnected, format!("{why}\nconnect to the machine again"))
        })
    }

    /// Reads from a machine within a limit of time, and updates its state.
    async fn read(
        &self,
        machine: &str,
        reading: impl Future<Output = Result<Value, Error>>,
    ) -> Result<Value, Failure> {
        let failure = match tokio::time::timeout(READ_TIME, reading).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if is_fault(&error) => {
                return Err(Failure::new(FailureKind::Refused, reason(&error)));
            }
            Ok(Err(error)) => reason(&error),
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

    fn start(&self, machines: &[String], operation: Operation) -> Result<Value, Failure> {
        let members: Result<Vec<Member>, Failure> = machines
            .iter()
            .map(|machine| Ok(Member { machine: machine.clone(), session: self.session(machine)? }))
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

    fn run(&self, id: &str) -> Result<Arc<Run>, Failure> {
        let runs = self.runs.lock();
        let found = runs.iter().find(|run| run.id() == id).cloned();
        found.ok_or_else(|| Failure::new(FailureKind::NotFound, "run not found"))
    }
}

impl Connection {
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

impl State {
    fn new(state: StateKind, reason: Option<String>) -> Self {
        let since = Timestamp::now().to_string();
        let last_answer = (state == StateKind::Reachable).then(|| since.clone());
        Self { state, since, last_answer, reason, product: None, version: None, certificate: None }
    }

    /// Asks a machine for its identity. Returns its state, and whether the password may be used again: a rejected one
    /// could lock the account.
    async fn ask(session: &Session) -> (Self, bool) {
        let error = match tokio::time::timeout(IDENTIFY_TIME, session.identify()).await {
            Ok(Ok(answer)) => {
                let identity = answer.identity;
                let product = identity.product.unwrap_or(identity.product_vendor);
                let shown =
                    |text: &str| Some(text.chars().filter(|one| !one.is_control()).take(200).collect());
                let version = shown(&identity.product_version);
                let reachable = Self::new(StateKind::Reachable, None);
                return (Self { product: shown(&product), version, ..reachable }, true);
            }
            Ok(Err(error)) => error,
            Err(_) => {
                let detail = format!("the machine did not answer in {} seconds", IDENTIFY_TIME.as_secs());
                return (Self::new(StateKind::Unreachable, Some(detail)), true);
            }
        };
        let why = Some(reason(&error));
        if is_about_trust(&error) {
            let shown = tokio::time::timeout(IDENTIFY_TIME, session.handshake()).await;
            let certificate = shown.ok().and_then(Result::ok).and_then(|handshake| handshake.certificate);
            let certificate = certificate.map(|one| Certificate::of(&one));
            return (Self { certificate, ..Self::new(StateKind::Untrusted, why) }, false);
        }
        match error {
            Error::AuthenticationFailed { .. } | Error::SignIn { .. } | Error::Fault(_) => {
                (Self::new(StateKind::Rejected, why), false)
            }
            Error::Refused { .. } | Error::NoAllowedScheme { .. } => {
                (Self::new(StateKind::Rejected, why), false)
            }
            _ => (Self::new(StateKind::Unreachable, why), true),
        }
    }

    fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Certificate {
    fn of(certificate: &PresentedCertificate) -> Self {
        Self {
            names: certificate.names.clone(),
            issuer: certificate.issuer.clone(),
            not_after: Timestamp::from(certificate.not_after).to_string(),
            sha1: certificate.thumbprint.to_string(),
            sha256: certificate.sha256.to_string(),
        }
    }
}

fn not_connected() -> Failure {
    let detail = "this session is not connected to the machine; enter the password with POST connect";
    Failure::new(FailureKind::NotConnected, detail)
}

/// Time for a machine to answer Identify.
const IDENTIFY_TIME: Duration = Duration::from_secs(15);
/// Time for a query with all its rows.
const READ_TIME: Duration = Duration::from_secs(30);
/// Size of the rows of a query in bytes of XML.
const MAX_ROWS_SIZE: usize = 4 << 20;
const MAX_SESSIONS: usize = 200;
/// Machines of one session.
const MAX_MACHINES: usize = 50;
/// Runs that a session keeps, and those of them that are running.
const MAX_RUNS: usize = 8;
const MAX_ACTIVE_RUNS: usize = 3;
