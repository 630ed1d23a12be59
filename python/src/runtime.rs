//! Runtime with two threads for the whole process, created on first use.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use locks::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

/// The runtime and the ID of its process.
static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);
/// Time at which the interpreter began to end.
static EXIT: OnceLock<Instant> = OnceLock::new();

/// Returns the runtime of this process.
///
/// A child of `fork` gets its own: threads do not survive a fork. The runtime of the parent is leaked, not shut down,
/// because its threads do not exist in the child.
pub(crate) fn runtime() -> PyResult<&'static Runtime> {
    let mut current = RUNTIME.lock();
    let process = std::process::id();
    match *current {
        Some((owner, runtime)) if owner == process => Ok(runtime),
        _ => {
            let made = Builder::new_multi_thread()
                .worker_threads(THREADS)
                .thread_name("telarch")
                .enable_all()
                .build()
                .map_err(|error| {
                    PyRuntimeError::new_err(format!("cannot start the threads of telarch: {error}"))
                })?;
            let made: &'static Runtime = Box::leak(Box::new(made));
            *current = Some((process, made));
            Ok(made)
        }
    }
}

/// Waits for cleanup on the services, up to a limit.
#[pyfunction]
pub(crate) fn wait_for_cleanup(py: Python<'_>) {
    py.detach(|| wait_since(Instant::now()));
}

/// Waits for cleanup at the end of the interpreter, before modules are destroyed.
#[pyfunction]
pub(crate) fn wait_at_exit(py: Python<'_>) {
    let begun = *EXIT.get_or_init(Instant::now);
    py.detach(|| wait_since(begun));
}

/// Waits for the cleanup of an object that is dropped while modules are destroyed, because no later hook exists.
pub(crate) fn wait_if_exiting() {
    if let Some(begun) = EXIT.get() {
        wait_since(*begun);
    }
}

fn wait_since(begun: Instant) {
    let current = *RUNTIME.lock();
    let Some((_, runtime)) = current.filter(|(owner, _)| *owner == std::process::id()) else { return };
    while runtime.metrics().num_alive_tasks() > 0 && begun.elapsed() < EXIT_LIMIT {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// ID of the process that created an object. The object is valid only in that process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u32);

impl Owner {
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    /// Checks that the object belongs to this process.
    ///
    /// # Errors
    /// `RuntimeError` in a child of `fork`: the connections belong to the parent, which still uses them.
    pub(crate) fn require(self) -> PyResult<()> {
        if self == Self::current() {
            return Ok(());
        }
        Err(PyRuntimeError::new_err(
            "this object was created before fork(): create a new session in the child",
        ))
    }
}

const THREADS: usize = 2;
/// Same time as the final cleanup of `winrs` after a second interrupt.
const EXIT_LIMIT: Duration = Duration::from_secs(2);
