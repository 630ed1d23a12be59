//! Other machines: their sessions over WS-Management, and what the API does with them.
//!
//! The handlers run in a process that has no network if the service runs as root. They describe each use of the network
//! as a [`Task`], which a [`Connector`] performs: [`MachineConnector`] in the same process, or in an unprivileged
//! process of its own ([`ConnectorProcess`](crate::ConnectorProcess)).
//!
//! The connector keeps the password of a machine in memory, as part of the session in which the user has entered it.
//! It sends requests of WS-Management only, to the fixed path `/wsman`, follows no redirects, and returns no bodies that
//! are not WS-Management.

mod collector;
mod connector;
mod iis;
mod iis_request;
mod read_error;
mod reading;
mod reason;
mod runs;
mod state;
mod target;
mod task;
mod text_pieces;
mod user_session;
mod wmi;
mod wmi_request;
mod wsman;
mod wsman_request;

use std::sync::Arc;

use limits::{Capacity, KeyedLimit};
use management::{ManagementError, SavedMachines};
use serde_json::Value;

pub use self::connector::{Connector, MachineConnector};
pub(crate) use self::iis_request::IisRequest;
pub(crate) use self::target::{Address, Target, parse_thumbprint};
pub(crate) use self::task::{Failure, FailureKind, Operation, Outcome, Task, Work};
pub(crate) use self::wmi_request::{RowRequest, WmiRequest};
pub(crate) use self::wsman_request::WsManRequest;

use crate::problem::Problem;

/// Machines of all users, and the connector.
pub(crate) struct Machines {
    pub(crate) saved: SavedMachines,
    connector: Option<Arc<dyn Connector>>,
    /// Tasks of each user.
    running: KeyedLimit<String>,
}

impl Machines {
    pub(crate) fn open(
        path: std::path::PathBuf,
        connector: Option<Arc<dyn Connector>>,
    ) -> Result<Self, ManagementError> {
        Ok(Self { saved: SavedMachines::open(path)?, connector, running: KeyedLimit::new() })
    }

    /// Performs a task of a user's session.
    pub(crate) fn perform(&self, session: &str, work: Work) -> Result<Value, Problem> {
        let connector = self.connector.as_ref().ok_or_else(|| {
            Problem::new(404, "no-connections", "this service makes no connections to other machines")
        })?;
        let _permit = self.running.acquire(session.to_owned(), RUNNING).map_err(|_| {
            let detail = "too many requests to other machines are running; repeat the request in a moment";
            Problem::new(503, "busy", detail)
        })?;
        let answer = connector.perform(Task { session: session.to_owned(), work }.encode());
        let outcome = answer.map_err(|reason| Problem::new(503, "unavailable", reason))?;
        let outcome = Outcome::decode(&outcome)
            .map_err(|error| Problem::internal("the connections to other machines", &error.to_string()))?;
        outcome.0.map_err(Problem::from)
    }

    /// Returns the known states of a session's machines by identifier.
    pub(crate) fn states(&self, session: &str) -> Result<Value, Problem> {
        match &self.connector {
            Some(connector) if connector.is_used() => self.perform(session, Work::States),
            // Nothing is known without a connection.
            _ => Ok(Value::Null),
        }
    }

    /// Forgets the connections and passwords of sessions that have ended.
    pub(crate) fn retain(&self, sessions: Vec<String>) {
        if let Some(connector) = &self.connector
            && connector.is_used()
        {
            let work = Work::Retain { sessions };
            let _ = connector.perform(Task { session: String::new(), work }.encode());
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let (status, kind) = match failure.kind {
            FailureKind::NotConnected => (409, "machine-not-connected"),
            FailureKind::Unreachable => (502, "machine-unreachable"),
            FailureKind::Refused => (422, "machine-refused"),
            FailureKind::TooMany => (409, "limit-reached"),
            FailureKind::NotFound => (404, "not-found"),
            FailureKind::CursorExpired => (410, "cursor-expired"),
        };
        Self::new(status, kind, failure.detail)
    }
}

/// Tasks of one session at the same time, and of all together.
const RUNNING: Capacity = Capacity { per_key: 6, total: 16 };
