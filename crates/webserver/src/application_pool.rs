//! Application pools of IIS.

use serde::{Deserialize, Serialize};

/// An application pool: worker processes that run applications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApplicationPool {
    /// Name.
    pub name: String,
    /// State.
    pub state: PoolState,
    /// The pool starts with the machine.
    pub auto_start: bool,
    /// Version of the .NET runtime, such as `v4.0`. Empty for pools without managed code.
    pub runtime: String,
    /// Applications in the pool, as the name of the site and the path.
    pub applications: Vec<String>,
}

/// State of an application pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolState {
    /// The pool is being started.
    Starting,
    /// The pool runs applications.
    Started,
    /// The pool is being stopped.
    Stopping,
    /// Requests for applications of the pool are answered with 503.
    Stopped,
    /// The service of Windows does not know the state.
    Unknown,
}

/// Operation on an application pool. It takes effect at once and has no commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolOperation {
    /// Starts the pool.
    Start,
    /// Stops the pool.
    Stop,
    /// Replaces the worker processes of a started pool by new ones.
    Recycle,
}
