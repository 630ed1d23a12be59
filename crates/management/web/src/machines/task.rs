//! Tasks of the connector and their outcomes, as JSON between processes.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::iis_request::IisRequest;
use super::target::Target;
use super::wmi_request::WmiRequest;
use super::wsman_request::WsManRequest;
use crate::password::Password;

/// Use of the network in a user's session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Lasting identifier of the session; empty for [`Work::Retain`].
    pub(crate) session: String,
    pub(crate) work: Work,
}

/// Kind of a task, with its arguments.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    /// Connects to a machine, and keeps the password for the session.
    Connect { target: Target, password: Password },
    /// Returns the known states of the session's machines by identifier.
    States,
    /// Asks a machine for its identity.
    Check { target: Target },
    /// Forgets a machine and its password.
    Forget { machine: String },
    /// Asks all machines of the user whose last answer is old, without waiting, and returns the known states.
    Refresh { targets: Vec<Target> },
    /// Reads WMI of a machine, or calls a method.
    Wmi { machine: String, request: WmiRequest },
    /// Reads or changes the configuration of a machine's service.
    WsMan { machine: String, request: WsManRequest },
    /// Reads the subscriptions and sources of a machine's collector of events.
    Collector { machine: String },
    /// Reads the IIS of a machine, or changes a state.
    Iis { machine: String, request: IisRequest },
    /// Starts an operation on several machines.
    Run { machines: Vec<String>, operation: Operation },
    /// Returns the events of a run from a number.
    Events { run: String, from: usize },
    /// Stops a run.
    Cancel { run: String },
    /// Forgets all sessions but these.
    Retain { sessions: Vec<String> },
}

/// Operation on several machines.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Operation {
    /// Command line of a remote shell.
    Command(String),
    /// WQL query.
    Query { namespace: String, query: String },
}

impl Task {
    /// Encodes the task.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Large enough for most tasks, so that no copy of a password is left behind by a reallocation.
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 << 10));
        // Texts and numbers can always be written to memory.
        let _ = serde_json::to_writer(&mut *bytes, self);
        bytes
    }

    /// Decodes a task.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// Result of a task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome(pub(crate) Result<Value, Failure>);

/// Reason why a task has no result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// Description for people.
    pub(crate) detail: String,
}

/// Category of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailureKind {
    /// The session has no password for the machine.
    NotConnected,
    /// The machine cannot be reached, or rejects the user.
    Unreachable,
    /// The machine answered with a fault.
    Refused,
    /// A limit of the session.
    TooMany,
    /// The run, class, method or instance does not exist.
    NotFound,
    /// The rest of a query was not requested in time, or was requested before.
    CursorExpired,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl Outcome {
    /// Encodes the outcome.
    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Decodes an outcome.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
