//! Options of commands that run on many machines.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::{Arguments, Failure, Opt, Value};

/// Time limit of each machine.
pub static HOST_TIME: Opt =
    Opt::new("host-time", Value::Text("SECONDS"), "time limit for each machine, which is then stopped");
/// Time limit of all machines.
pub static TOTAL_TIME: Opt =
    Opt::new("total-time", Value::Text("SECONDS"), "time limit for all machines together");
/// Stops after the first failure.
pub static FAIL_FAST: Opt = Opt::new("fail-fast", Value::None, "stop after the first machine that fails");
/// Stops after a number of failures.
pub static MAX_FAILURES: Opt =
    Opt::new("max-failures", Value::Text("N"), "stop after N machines that fail (default: no limit)");

/// Limits of a command that runs on many machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostLimits {
    /// Time limit of each machine.
    pub host_time: Option<Duration>,
    /// Time limit of all machines together.
    pub total_time: Option<Duration>,
    /// Number of failed machines after which the others are stopped.
    pub max_failures: Option<NonZeroUsize>,
}

impl HostLimits {
    /// Returns the limits that a command line requests.
    ///
    /// # Errors
    /// [`Failure`] if a number is invalid.
    pub fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let most =
            arguments.number(&MAX_FAILURES, 1..=100_000)?.or(arguments.is_given(&FAIL_FAST).then_some(1));
        Ok(Self {
            host_time: seconds(arguments, &HOST_TIME)?,
            total_time: seconds(arguments, &TOTAL_TIME)?,
            max_failures: most.and_then(|most| NonZeroUsize::new(usize::try_from(most).ok()?)),
        })
    }
}

fn seconds(arguments: &Arguments, option: &Opt) -> Result<Option<Duration>, Failure> {
    Ok(arguments.number(option, 1..=LONGEST_TIME)?.map(Duration::from_secs))
}

/// Maximum time limit in seconds: a year.
const LONGEST_TIME: u64 = 366 * 24 * 60 * 60;
