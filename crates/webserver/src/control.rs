//! State and control of a running web server.

use serde::{Deserialize, Serialize};

/// State of a web server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Status {
    /// The web server runs.
    Running {
        /// PID of the main process.
        pid: u32,
        /// Worker processes.
        workers: Vec<Worker>,
    },
    /// The web server does not run.
    Stopped,
}

impl Status {
    /// Returns whether the web server runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// A worker process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Worker {
    /// PID.
    pub pid: u32,
    /// Resident memory in bytes.
    pub memory: u64,
    /// CPU time in milliseconds.
    pub cpu_milliseconds: u64,
    /// The worker finishes its requests and then ends.
    pub is_shutting_down: bool,
}

/// Control operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Starts the web server.
    Start,
    /// Stops the web server after the current requests.
    Stop,
    /// Stops the web server at once.
    Terminate,
    /// Loads the configuration.
    Reload,
    /// Opens the log files again, for example after they were renamed.
    ReopenLogs,
}

impl Operation {
    /// All operations.
    pub(crate) const ALL: [Self; 5] =
        [Self::Start, Self::Stop, Self::Terminate, Self::Reload, Self::ReopenLogs];
}
