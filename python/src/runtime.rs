//! The threads that move bytes: two for the whole process, made when they are first needed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

/// The runtime, and the process it belongs to.
static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

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

/// Waits until what was given up or forgotten is tidied up on the services, but not for long: for the end of the
/// interpreter.
#[pyfunction]
pub(crate) fn tidy_up(py: Python<'_>) {
    let current = *RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((_, runtime)) = current.filter(|(owner, _)| *owner == std::process::id()) else { return };
    py.detach(|| {
        let begun = Instant::now();
        while runtime.metrics().num_alive_tasks() > 0 && begun.elapsed() < LONGEST_GOODBYE {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
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
