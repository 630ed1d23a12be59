//! How long to measure.

use std::time::Duration;

/// How long to measure, and how often.
pub(crate) struct Effort {
    /// Turns of each side; the figure is the median over them.
    pub(crate) rounds: usize,
    /// How long one side is under load at a turn.
    pub(crate) round: Duration,
    /// Whole runs of a command at a turn.
    pub(crate) shell_runs: usize,
    /// Commands by a client of Python at a turn.
    pub(crate) commands: usize,
    /// Octets that a command writes.
    pub(crate) stream: u64,
    /// Requests over which memory must not grow.
    pub(crate) requests: u64,
    /// Enumerations that are begun and never pulled from.
    pub(crate) enumerations: u64,
    /// Connections and shells that stay open and idle.
    pub(crate) idle: usize,
}

impl Effort {
    /// Some minutes.
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        round: Duration::from_secs(2),
        shell_runs: 60,
        commands: 200,
        stream: 1_000_000_000,
        requests: 1_000_000,
        enumerations: 100_000,
        idle: 500,
    };

    /// Under a minute: enough to see a figure fall by half, not by a tenth.
    pub(crate) const QUICK: Self = Self {
        rounds: 3,
        round: Duration::from_millis(300),
        shell_runs: 20,
        commands: 30,
        stream: 200_000_000,
        requests: 50_000,
        enumerations: 10_000,
        idle: 300,
    };
}
