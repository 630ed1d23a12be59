//! Duration and number of repetitions of the measurements.

use std::time::Duration;

/// Duration and number of repetitions of the measurements.
pub(crate) struct Effort {
    /// Turns of each side; the result is the median over them.
    pub(crate) rounds: usize,
    /// Duration of the load on one side in each turn.
    pub(crate) round: Duration,
    /// Complete runs of a command in each turn.
    pub(crate) shell_runs: usize,
    /// Commands of a Python client in each turn.
    pub(crate) commands: usize,
    /// Number of bytes that a command writes.
    pub(crate) stream: u64,
    /// Number of requests during which memory must not grow.
    pub(crate) requests: u64,
    /// Enumerations that are started and abandoned until they expire.
    pub(crate) enumerations: u64,
    /// Connections and shells that stay open and idle.
    pub(crate) idle: usize,
    /// Largest number of simulated management controllers.
    pub(crate) controllers: usize,
    /// Events that all sources together deliver in a turn.
    pub(crate) events: usize,
    /// Sources of a collector whose memory is measured.
    pub(crate) sources: usize,
    /// Hosts on which one command runs.
    pub(crate) hosts: usize,
    /// Hosts on which one command runs while memory is measured.
    pub(crate) many_hosts: usize,
    /// Size of a copied file in bytes.
    pub(crate) file: u64,
}

impl Effort {
    /// The full measurement, which takes some minutes.
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        round: Duration::from_secs(2),
        shell_runs: 60,
        commands: 200,
        stream: 1_000_000_000,
        requests: 1_000_000,
        enumerations: 100_000,
        idle: 500,
        controllers: 1_000,
        events: 32_000,
        sources: 50_000,
        hosts: 1_000,
        many_hosts: 10_000,
        file: 4 << 30,
    };

    /// The quick measurement, which takes less than a minute: it shows that a value has halved, not a change of 10 %.
    pub(crate) const QUICK: Self = Self {
        rounds: 3,
        round: Duration::from_millis(300),
        shell_runs: 20,
        commands: 30,
        stream: 200_000_000,
        requests: 50_000,
        enumerations: 10_000,
        idle: 300,
        controllers: 1_000,
        events: 16_000,
        sources: 5_000,
        hosts: 1_000,
        many_hosts: 10_000,
        file: 256 << 20,
    };

    /// A run that shows that everything can be measured; its values mean nothing.
    pub(crate) const TRIAL: Self = Self {
        rounds: 1,
        controllers: 3,
        sources: 500,
        hosts: 20,
        many_hosts: 40,
        file: 4 << 20,
        ..Self::QUICK
    };
}
