//! Connections to the machines of all sessions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use locks::Mutex;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::task::{Failure, FailureKind, Outcome, Task, Work};
use super::user_session::UserSession;

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
    /// Permits to ask a machine for its identity without a request that waits for it.
    asking: Arc<Semaphore>,
}

impl std::fmt::Debug for MachineConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineConnector").finish_non_exhaustive()
    }
}

impl MachineConnector {
    /// Makes connections with the tasks of a runtime.
    #[must_use]
    pub fn new(runtime: Handle) -> Self {
        let asking = Arc::new(Semaphore::new(MAX_ASKED));
        Self { sessions: Mutex::default(), runtime, is_used: AtomicBool::new(false), asking }
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
            let mut known = self.sessions.lock();
            known.retain(|id, _| sessions.contains(id));
            known.values().for_each(|user| user.drop_expired());
            return Ok(Value::Null);
        }
        let user = self.user(session)?;
        match work {
            Work::Connect { target, password } => user.connect(target, &password).await,
            Work::States => Ok(user.states()),
            Work::Refresh { targets } => Ok(user.refresh(targets, &self.asking)),
            Work::Check { target } => user.check(target).await,
            Work::Forget { machine } => {
                user.forget(&machine);
                Ok(Value::Null)
            }
            Work::Wmi { machine, request } => user.wmi(&machine, request).await,
            Work::WsMan { machine, request } => user.wsman(&machine, request).await,
            Work::Collector { machine } => user.collector(&machine).await,
            Work::Iis { machine, request } => user.iis(&machine, request).await,
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

const MAX_SESSIONS: usize = 200;
/// Machines of all users that are asked for their identity at the same time.
const MAX_ASKED: usize = 32;
