//! Runspace pools and pipelines of PowerShell remoting.

use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use telarch::Error;
use telarch::remoting::{
    Argument, Availability, Command, ErrorRecord, Guid, InformationRecord, InformationalRecord, Merge,
    PipelineControls, PipelineEvent, PipelineOutcome, ProgressRecord, RunspacePoolBuilder, RunspaceRequest,
    StreamMerges,
};

use crate::operation::Operation;
use crate::raise::raised;
use crate::slot::Slot;
use crate::value::{Reader, SecureString, to_value};

/// An open runspace pool.
#[pyclass(frozen, module = "telarch._telarch", name = "Runspaces")]
pub(crate) struct Runspaces {
    pool: Slot<telarch::remoting::RunspacePool>,
    #[pyo3(get)]
    id: String,
}

/// A running pipeline.
#[pyclass(frozen, module = "telarch._telarch", name = "Pipeline")]
pub(crate) struct Pipeline {
    pipeline: Slot<telarch::remoting::Pipeline>,
    /// Handle for input and stops, independent of the reader of the events.
    controls: PipelineControls,
    #[pyo3(get)]
    id: String,
}

impl Runspaces {
    pub(crate) fn new(pool: telarch::remoting::RunspacePool) -> Self {
        let id = pool.id().to_string();
        Self { pool: Slot::new(pool), id }
    }
}

impl Pipeline {
    fn new(pipeline: telarch::remoting::Pipeline) -> Self {
        let (id, controls) = (pipeline.id().to_string(), pipeline.controls());
        Self { pipeline: Slot::new(pipeline), controls, id }
    }
}

#[pymethods]
impl Runspaces {
    /// Starts a pipeline of commands, each `(separator, text, is_script, use_local_scope, arguments, merges)`.
    #[pyo3(signature = (commands, has_input, is_nested=false))]
    fn start(&self, commands: Vec<CommandArgument>, has_input: bool, is_nested: bool) -> PyResult<Operation> {
        let pool = self.pool.handle()?;
        Ok(Operation::new(async move {
            let builder = {
                let pool = pool.lock().await;
                let pool = pool.as_ref().ok_or_else(closed)?;
                let mut commands = commands.into_iter();
                let Some(first) = commands.next() else { return Err(empty()) };
                commands.fold(pool.pipeline(first.command), |builder, next| match next.is_statement {
                    true => builder.statement(next.command),
                    false => builder.pipe_to(next.command),
                })
            };
            let builder = if has_input { builder.with_input() } else { builder };
            let builder = if is_nested { builder.nested() } else { builder };
            builder.start().await.map(Pipeline::new)
        }))
    }

    /// Encrypts text.
    fn protect(&self, text: String) -> PyResult<Operation> {
        let pool = self.pool.handle()?;
        Ok(Operation::new(async move {
            let pool = pool.lock().await.clone().ok_or_else(closed)?;
            pool.protect(&text).await.map(SecureString)
        }))
    }

    /// Returns the data with which the service describes itself.
    fn private_data(&self) -> PyResult<Operation> {
        let pool = self.pool.handle()?;
        Ok(Operation::new(async move {
            let pool = pool.lock().await.clone().ok_or_else(closed)?;
            Ok(Converted(pool.private_data()))
        }))
    }

    /// Returns the number of runspaces without a pipeline.
    fn available(&self) -> PyResult<Operation> {
        self.request(RunspaceRequest::CountAvailable)
    }

    /// Changes the minimum number of runspaces; returns whether the service did.
    fn set_minimum(&self, count: i32) -> PyResult<Operation> {
        self.request(RunspaceRequest::SetMin(count))
    }

    /// Changes the maximum number of runspaces; returns whether the service did.
    fn set_maximum(&self, count: i32) -> PyResult<Operation> {
        self.request(RunspaceRequest::SetMax(count))
    }

    /// Removes all variables and functions; returns whether the service did.
    fn reset(&self) -> PyResult<Operation> {
        self.request(RunspaceRequest::ResetState)
    }

    #[pyo3(signature = (idle_timeout=None))]
    fn disconnect(&self, idle_timeout: Option<f64>) -> PyResult<Operation> {
        let (pool, limit) = (self.pool.handle()?, seconds("idle_timeout", idle_timeout)?);
        Ok(Operation::new(async move {
            let pool = pool.lock().await.clone().ok_or_else(closed)?;
            pool.disconnect(limit).await
        }))
    }

    /// Leaves the disconnected pool to another client, unless this one reconnects.
    fn leave(&self) -> PyResult<Operation> {
        let pool = self.pool.handle()?;
        Ok(Operation::new(async move {
            pool.lock().await.as_ref().ok_or_else(closed)?.leave();
            Ok(())
        }))
    }

    /// Connects to a running pipeline of the pool.
    fn connect_pipeline(&self, id: &str) -> PyResult<Operation> {
        let (pool, id) = (self.pool.handle()?, identifier(id)?);
        Ok(Operation::new(async move {
            let pool = pool.lock().await.clone().ok_or_else(closed)?;
            pool.connect_pipeline(id).await.map(Pipeline::new)
        }))
    }

    /// Returns the minimum and maximum number of runspaces.
    fn runspaces(&self) -> PyResult<Operation> {
        let pool = self.pool.handle()?;
        Ok(Operation::new(async move {
            let pool = pool.lock().await.clone().ok_or_else(closed)?;
            Ok(pool.runspaces())
        }))
    }

    fn reconnect(&self) -> PyResult<Operation> {
        let pool = self.pool.handle()?;
        Ok(Operation::new(async move {
            let pool = pool.lock().await.clone().ok_or_else(closed)?;
            pool.reconnect().await
        }))
    }

    fn close(&self) -> PyResult<Operation> {
        let pool = self.pool.handle()?;
        Ok(Operation::new(async move {
            match pool.lock().await.take() {
                Some(pool) => pool.close().await,
                None => Ok(()),
            }
        }))
    }
}

impl Runspaces {
    fn request(&self, request: RunspaceRequest) -> PyResult<Operation> {
        let pool = self.pool.handle()?;
        Ok(Operation::new(async move {
            let pool = pool.lock().await.clone().ok_or_else(closed)?;
            pool.request(request).await.map(Answer)
        }))
    }
}

#[pymethods]
impl Pipeline {
    /// Waits until `take` returns steps.
    fn ready(&self) -> PyResult<Operation> {
        let pipeline = self.pipeline.handle()?;
        Ok(Operation::new(async move {
            let mut pipeline = pipeline.lock().await;
            pipeline.as_mut().ok_or_else(closed)?.wait_ready().await
        }))
    }

    /// Returns the steps that have arrived, without waiting: events, `("output", value)`, and at the end the result,
    /// `("completed", None)`, `("stopped", None)` or `("failed", error)`. An event that cannot be converted is
    /// `("raise", exception)`.
    ///
    /// The list is empty if there is none, or while another thread waits in `ready`.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let pipeline = self.pipeline.handle()?;
        let (events, outcome) = {
            let Ok(mut pipeline) = pipeline.try_lock() else { return Ok(PyList::empty(py)) };
            let pipeline = pipeline.as_mut().ok_or_else(|| raised(py, &closed()))?;
            (pipeline.take_ready(), pipeline.outcome().cloned())
        };
        let mut reader = Reader::new(py)?;
        let steps = PyList::empty(py);
        for event in events {
            steps.append(step(event_of(&mut reader, py, &event), py)?)?;
        }
        if let Some(outcome) = outcome {
            steps.append(step(result_of(&mut reader, py, &outcome), py)?)?;
        }
        Ok(steps)
    }

    fn send(&self, values: Vec<Bound<'_, PyAny>>) -> PyResult<Operation> {
        self.pipeline.require()?;
        let values = values.iter().map(to_value).collect::<PyResult<Vec<_>>>()?;
        let controls = self.controls.clone();
        Ok(Operation::new(async move { controls.send(values).await }))
    }

    fn end_input(&self) -> PyResult<Operation> {
        self.pipeline.require()?;
        let controls = self.controls.clone();
        Ok(Operation::new(async move { controls.end_input().await }))
    }

    fn stop(&self) -> PyResult<Operation> {
        self.pipeline.require()?;
        let controls = self.controls.clone();
        Ok(Operation::new(async move { controls.stop().await }))
    }

    fn finish(&self) -> PyResult<Operation> {
        let pipeline = self.pipeline.handle()?;
        Ok(Operation::new(async move {
            match pipeline.lock().await.take() {
                Some(pipeline) => pipeline.finish().await,
                None => Ok(()),
            }
        }))
    }
}

/// A command of a pipeline, and whether it begins a statement.
pub(crate) struct CommandArgument {
    is_statement: bool,
    command: Command,
}

impl<'py> FromPyObject<'_, 'py> for CommandArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let command = object.getattr("text")?.extract::<String>()?;
        let mut command = match object.getattr("is_script")?.is_truthy()? {
            true => Command::script(&command),
            false => Command::named(&command),
        };
        command.use_local_scope = object.getattr("use_local_scope")?.extract()?;
        for argument in object.getattr("arguments")?.try_iter()? {
            let (name, value) = argument?.extract::<(Option<String>, Bound<'py, PyAny>)>()?;
            command.arguments.push(Argument { name, value: to_value(&value)? });
        }
        for merge in object.getattr("merges")?.cast::<PyDict>().map_err(PyErr::from)? {
            let (stream, target) = (merge.0.extract::<String>()?, merge.1.extract::<String>()?);
            command.merges = merged(command.merges, &stream, &target)?;
        }
        Ok(Self { is_statement: object.getattr("is_statement")?.is_truthy()?, command })
    }
}

/// Redirects a stream.
fn merged(merges: StreamMerges, stream: &str, target: &str) -> PyResult<StreamMerges> {
    let merge = match target {
        "none" => Merge::None,
        "output" => Merge::Output,
        "null" => Merge::Null,
        _ => return Err(PyValueError::new_err("the target of a stream is none, output or null")),
    };
    Ok(match (stream, merge) {
        ("error", Merge::Output) => merges.errors_to_output(),
        ("error", _) => StreamMerges { error: merge, ..merges },
        ("warning", _) => StreamMerges { warning: merge, ..merges },
        ("verbose", _) => StreamMerges { verbose: merge, ..merges },
        ("debug", _) => StreamMerges { debug: merge, ..merges },
        ("information", _) => StreamMerges { information: merge, ..merges },
        _ => {
            let message = "the streams are error, warning, verbose, debug and information";
            return Err(PyValueError::new_err(message));
        }
    })
}

/// A value, or None.
struct Converted(Option<telarch::remoting::Value>);

impl<'py> IntoPyObject<'py> for Converted {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.0 {
            Some(value) => Reader::new(py)?.value(&value),
            None => Ok(py.None().into_bound(py)),
        }
    }
}

/// Answer to a request about runspaces: a number, or whether the service did it.
struct Answer(Availability);

impl<'py> IntoPyObject<'py> for Answer {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self.0 {
            Availability::Changed(is_changed) => is_changed.into_pyobject(py)?.to_owned().into_any(),
            Availability::Available(count) => count.into_pyobject(py)?.into_any(),
        })
    }
}

/// Name of a step of a pipeline, and its value.
type Step<'py> = (&'py Bound<'py, PyString>, Bound<'py, PyAny>);

/// Returns a step as a tuple; the error of a conversion is a step of its own, so that later ones are not lost.
fn step<'py>(converted: PyResult<Step<'py>>, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
    match converted {
        Ok((name, value)) => PyTuple::new(py, [name.as_any(), &value]),
        Err(error) => PyTuple::new(py, [intern!(py, "raise").as_any(), error.value(py).as_any()]),
    }
}

fn event_of<'py>(reader: &mut Reader<'py>, py: Python<'py>, event: &PipelineEvent) -> PyResult<Step<'py>> {
    reader.begin_document();
    Ok(match event {
        PipelineEvent::Output(value) => (intern!(py, "output"), reader.value(value)?),
        PipelineEvent::Error(record) => (intern!(py, "error"), error_record(reader, py, record)?),
        PipelineEvent::Warning(record) => (intern!(py, "warning"), informational(reader, py, record)?),
        PipelineEvent::Verbose(record) => (intern!(py, "verbose"), informational(reader, py, record)?),
        PipelineEvent::Debug(record) => (intern!(py, "debug"), informational(reader, py, record)?),
        PipelineEvent::Progress(record) => (intern!(py, "progress"), progress(reader, py, record)?),
        PipelineEvent::Information(record) => (intern!(py, "information"), information(reader, py, record)?),
        // Pools are opened without a host, so the library refuses host calls.
        _ => (intern!(py, "host_call"), py.None().into_bound(py)),
    })
}

fn result_of<'py>(
    reader: &mut Reader<'py>,
    py: Python<'py>,
    outcome: &PipelineOutcome,
) -> PyResult<Step<'py>> {
    reader.begin_document();
    Ok(match outcome {
        PipelineOutcome::Failed(error) => (intern!(py, "failed"), error_record(reader, py, error)?),
        PipelineOutcome::Stopped => (intern!(py, "stopped"), py.None().into_bound(py)),
        PipelineOutcome::Completed => (intern!(py, "completed"), py.None().into_bound(py)),
    })
}

fn error_record<'py>(
    reader: &mut Reader<'py>,
    py: Python<'py>,
    record: &ErrorRecord,
) -> PyResult<Bound<'py, PyAny>> {
    let attributes = PyDict::new(py);
    attributes.set_item("text", record.message().unwrap_or_default())?;
    for (name, value) in [
        ("exception", &record.exception),
        ("target_object", &record.target),
        ("invocation_info", &record.invocation_info),
    ] {
        if let Some(value) = value {
            attributes.set_item(name, reader.value(value)?)?;
        }
    }
    attributes.set_item("fq_error", &record.fully_qualified_error_id)?;
    let category = &record.category;
    attributes.set_item("category", category.code)?;
    for (name, text) in [
        ("activity", &category.activity),
        ("reason", &category.reason),
        ("target_name", &category.target_name),
        ("target_type", &category.target_type),
        ("message", &category.message),
        ("details_message", &record.details_message),
        ("action", &record.recommended_action),
        ("script_stacktrace", &record.script_stack_trace),
    ] {
        attributes.set_item(name, text)?;
    }
    attributes.set_item("extended_info", reader.properties(&record.extended_info)?)?;
    reader.record("ErrorRecord", &attributes)
}

fn informational<'py>(
    reader: &mut Reader<'py>,
    py: Python<'py>,
    record: &InformationalRecord,
) -> PyResult<Bound<'py, PyAny>> {
    let attributes = PyDict::new(py);
    attributes.set_item("message", &record.message)?;
    attributes.set_item("extended_info", reader.properties(&record.extended_info)?)?;
    reader.record("InformationalRecord", &attributes)
}

fn progress<'py>(
    reader: &mut Reader<'py>,
    py: Python<'py>,
    record: &ProgressRecord,
) -> PyResult<Bound<'py, PyAny>> {
    let attributes = PyDict::new(py);
    attributes.set_item("activity", &record.activity)?;
    attributes.set_item("activity_id", record.activity_id)?;
    attributes.set_item("description", &record.status)?;
    attributes.set_item("current_operation", &record.current_operation)?;
    attributes.set_item("parent_id", record.parent_id)?;
    attributes.set_item("percent_complete", record.percent_complete)?;
    attributes.set_item("is_completed", record.is_completed)?;
    attributes.set_item("seconds_remaining", record.seconds_remaining)?;
    reader.record("ProgressRecord", &attributes)
}

fn information<'py>(
    reader: &mut Reader<'py>,
    py: Python<'py>,
    record: &InformationRecord,
) -> PyResult<Bound<'py, PyAny>> {
    let attributes = PyDict::new(py);
    attributes.set_item("message_data", reader.value(&record.data)?)?;
    attributes.set_item("source", &record.source)?;
    attributes
        .set_item("time_generated", record.time.as_ref().map(|time| reader.date_time(time)).transpose()?)?;
    attributes.set_item("tags", &record.tags)?;
    attributes.set_item("user", &record.user)?;
    attributes.set_item("computer", &record.computer)?;
    attributes.set_item("pid", record.process)?;
    attributes.set_item("native_thread_id", record.native_thread)?;
    attributes.set_item("managed_thread_id", record.managed_thread)?;
    reader.record("InformationRecord", &attributes)
}

/// Applies keyword arguments to a pool that is not open yet.
pub(crate) fn configured(
    mut builder: RunspacePoolBuilder,
    keywords: Option<&Bound<'_, PyDict>>,
) -> PyResult<RunspacePoolBuilder> {
    let (mut min, mut max) = (1, 1);
    for (name, value) in keywords.into_iter().flatten() {
        if value.is_none() {
            continue;
        }
        match name.extract::<String>()?.as_str() {
            "configuration" => builder = builder.configuration(&value.extract::<String>()?),
            "min_runspaces" => min = value.extract()?,
            "max_runspaces" => max = value.extract()?,
            "name" => builder = builder.name(&value.extract::<String>()?),
            "idle_timeout" => {
                if let Some(limit) = seconds("idle_timeout", Some(value.extract()?))? {
                    builder = builder.idle_timeout(limit);
                }
            }
            "open_timeout" => {
                if let Some(limit) = seconds("open_timeout", Some(value.extract()?))? {
                    builder = builder.open_timeout(limit);
                }
            }
            other => {
                return Err(PyTypeError::new_err(format!("unknown setting of a runspace pool: {other}")));
            }
        }
    }
    if min < 1 || max < min {
        let message =
            format!("min_runspaces is {min} and max_runspaces {max}; they must be 1 <= minimum <= maximum");
        return Err(PyValueError::new_err(message));
    }
    Ok(builder.runspaces(min, max))
}

/// Parses the identifier of a pool or pipeline.
pub(crate) fn identifier(text: &str) -> PyResult<Guid> {
    Guid::parse(text).map_err(|_| {
        PyValueError::new_err(format!("{text:?} is not the identifier of a runspace pool or pipeline"))
    })
}

fn seconds(name: &str, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let limit = seconds.map(Duration::try_from_secs_f64).transpose();
    limit.map_err(|error| PyValueError::new_err(format!("{name}: {error}")))
}

fn closed() -> Error {
    Error::Argument { what: "the runspace pool or pipeline is closed".to_owned(), fix: None }
}

fn empty() -> Error {
    Error::Argument { what: "the pipeline has no command; add a command or script".to_owned(), fix: None }
}
