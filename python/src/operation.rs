//! Calls in progress, for waiting and awaiting.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use locks::Mutex;
use pyo3::BoundObject as _;
use pyo3::exceptions::{PyRuntimeError, PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::log;
use crate::raise::raised;
use crate::runtime::runtime;

/// A call that has not started, with a result that converts to a Python object.
#[pyclass(frozen, module = "telarch._telarch")]
pub(crate) struct Operation(Mutex<Option<Work>>);

type Work = Pin<Box<dyn Future<Output = Result<Answer, telarch::Error>> + Send>>;
type Answer = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

impl Operation {
    pub(crate) fn new<T>(work: impl Future<Output = Result<T, telarch::Error>> + Send + 'static) -> Self
    where
        T: for<'py> IntoPyObject<'py, Error: Into<PyErr>> + Send + 'static,
    {
        let work = async move {
            let answer = work.await?;
            let convert: Answer = Box::new(move |py| {
                let object = answer.into_pyobject(py).map_err(Into::into)?;
                Ok(object.into_any().unbind())
            });
            Ok(convert)
        };
        Self(Mutex::new(Some(Box::pin(work))))
    }

    fn take(&self) -> PyResult<Work> {
        let work = self.0.lock().take();
        work.ok_or_else(|| PyRuntimeError::new_err("the operation was already started"))
    }
}

#[pymethods]
impl Operation {
    /// Waits for the result without blocking other Python threads. A signal handler that raises cancels the operation;
    /// so does the end of `timeout`, in seconds, with the `TimeoutError` of Python.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let limit = timeout.map(Duration::try_from_secs_f64).transpose();
        let limit = limit.map_err(|error| PyValueError::new_err(format!("timeout: {error}")))?;
        let mut work = self.take()?;
        let runtime = runtime()?;
        let done: Result<Result<Answer, telarch::Error>, PyErr> = py.detach(|| {
            runtime.block_on(async {
                let expired = async {
                    match limit {
                        Some(limit) => sleep(limit).await,
                        None => pending().await,
                    }
                };
                tokio::pin!(expired);
                loop {
                    tokio::select! {
                        biased;
                        done = &mut work => return Ok(done),
                        () = &mut expired => return Err(PyTimeoutError::new_err("the operation timed out")),
                        () = sleep(SIGNAL_INTERVAL) => Python::attach(|py| py.check_signals())?,
                    }
                }
            })
        });
        log::deliver(py)?;
        match done {
            Ok(Ok(answer)) => answer(py),
            Ok(Err(error)) => Err(raised(py, &error)),
            Err(cancelled) => {
                // Cleanup on the service runs in the background.
                let _inside = runtime.enter();
                drop(work);
                Err(cancelled)
            }
        }
    }

    /// Starts the operation and returns a future of the running event loop; cancelling it cancels the operation.
    fn start<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let event_loop = py.import("asyncio")?.call_method0("get_running_loop")?;
        let future = event_loop.call_method0("create_future")?;
        let work = self.take()?;
        let (to, waiting) = (event_loop.unbind(), future.clone().unbind());
        let task = runtime()?.spawn(async move {
            let done = work.await;
            // None after the end of the interpreter: no code is left to receive the result.
            Python::try_attach(|py| deliver(py, &to, waiting, done));
        });
        future.call_method1("add_done_callback", (AbortOnCancel(task.abort_handle()),))?;
        Ok(future)
    }
}

/// Passes the result to the event loop, from the thread of the runtime.
fn deliver(py: Python<'_>, event_loop: &Py<PyAny>, future: Py<PyAny>, done: Result<Answer, telarch::Error>) {
    let outcome = match (log::deliver(py), done) {
        (Err(error), _) => Err(error),
        (Ok(()), Ok(answer)) => answer(py),
        (Ok(()), Err(error)) => Err(raised(py, &error)),
    };
    let delivery = match outcome {
        Ok(answer) => Delivery { future, answer: Some(answer), error: None },
        Err(error) => Delivery { future, answer: None, error: Some(error) },
    };
    // A closed event loop has no waiting code.
    let _result = event_loop.call_method1(py, "call_soon_threadsafe", (delivery,));
}

/// Callback that completes a future in the thread of the event loop.
#[pyclass]
struct Delivery {
    future: Py<PyAny>,
    answer: Option<Py<PyAny>>,
    error: Option<PyErr>,
}

#[pymethods]
impl Delivery {
    fn __call__(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.future.call_method0(py, "done")?.is_truthy(py)? {
            return Ok(());
        }
        match (self.error.take(), self.answer.take()) {
            (Some(error), _) => self.future.call_method1(py, "set_exception", (error.into_value(py),))?,
            (None, answer) => self.future.call_method1(py, "set_result", (answer,))?,
        };
        Ok(())
    }
}

/// Callback of a future that aborts the operation if the future was cancelled.
#[pyclass(frozen)]
struct AbortOnCancel(AbortHandle);

#[pymethods]
impl AbortOnCancel {
    fn __call__(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        if future.call_method0("cancelled")?.is_truthy()? {
            self.0.abort();
        }
        Ok(())
    }
}

/// Maximum delay of a signal handler.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);
