//! The threads that move bytes: two for the whole process, made when they are first needed.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

/// The runtime, and the process it belongs to.
static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);
/// Since when the interpreter is ending.
static GOODBYE: OnceLock<Instant> = OnceLock::new();

/// The runtime of this process.
///
/// A child of `fork` gets one of its own: threads do not survive a fork. What its parent has left there is forgotten,
/// not ended, because its threads are not there to be waited for.
pub(crate) fn runtime() -> PyResult<&'static Runtime> {
    let mut current = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    match *current {
        Some((owner, runtime)) if owner == process => Ok(runtime),
        _ => {
            let made = Builder::new_multi_thread()
                .worker_threads(THREADS)
                .thread_name("telarch")
                .enable_all()
                .build()
                .map_err(|error| PyRuntimeError::new_err(format!("no threads for telarch: {error}")))?;
            let made: &'static Runtime = Box::leak(Box::new(made));
            *current = Some((process, made));
            Ok(made)
        }
    }
}

/// Waits until what was given up or forgotten is tidied up on the services, but not for long.
#[pyfunction]
pub(crate) fn tidy_up(py: Python<'_>) {
    py.detach(|| wait_since(Instant::now()));
}

/// What the interpreter calls at its end, before it takes modules apart.
#[pyfunction]
pub(crate) fn say_goodbye(py: Python<'_>) {
    let begun = *GOODBYE.get_or_init(Instant::now);
    py.detach(|| wait_since(begun));
}

/// Waits for what is forgotten only when modules are taken apart, as nothing does after that.
pub(crate) fn wait_at_the_end() {
    if let Some(begun) = GOODBYE.get() {
        wait_since(*begun);
    }
}

fn wait_since(begun: Instant) {
    let current = *RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((_, runtime)) = current.filter(|(owner, _)| *owner == std::process::id()) else { return };
    while runtime.metrics().num_alive_tasks() > 0 && begun.elapsed() < LONGEST_GOODBYE {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The process in which an object was made, in which alone it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home(u32);

impl Home {
    pub(crate) fn here() -> Self {
        Self(std::process::id())
    }

    /// # Errors
    /// `RuntimeError` in a child of `fork`: its connections are those of its parent, who is talking on them.
    pub(crate) fn require(self) -> PyResult<()> {
        if self == Self::here() {
            return Ok(());
        }
        Err(PyRuntimeError::new_err("this object was made before fork(): make a new session in the child"))
    }
}

const THREADS: usize = 2;
/// As long as `winrs` takes to close its shell when it is interrupted twice.
const LONGEST_GOODBYE: Duration = Duration::from_secs(2);
