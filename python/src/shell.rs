//! Shells and commands.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use telarch::{CommandOptions, Console, Error, Interpreter, Output, Profile, ShellOptions, SignalCode};

use crate::operation::Operation;
use crate::slot::Slot;

/// Result of a finished command.
#[pyclass(frozen, module = "telarch", name = "Finished")]
pub(crate) struct Finished(telarch::CommandResult);

impl From<telarch::CommandResult> for Finished {
    fn from(finished: telarch::CommandResult) -> Self {
        Self(finished)
    }
}

#[pymethods]
impl Finished {
    #[getter]
    fn stdout<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.stdout)
    }

    #[getter]
    fn stderr<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.stderr)
    }

    #[getter]
    fn exit_code(&self) -> i32 {
        self.0.exit_code
    }

    #[getter]
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    /// Returns the result itself if the command succeeded.
    fn check(slf: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        if slf.0.exit_code == 0 {
            return Ok(slf);
        }
        let py = slf.py();
        let stderr = String::from_utf8_lossy(&slf.0.stderr);
        let message = match stderr.trim() {
            "" => format!("the command ended with exit code {}", slf.0.exit_code),
            text => format!("the command ended with exit code {}: {text}", slf.0.exit_code),
        };
        let exception = py.import("telarch._errors")?.getattr("CommandError")?.call1((message,))?;
        exception.setattr("finished", slf)?;
        Err(PyErr::from_value(exception))
    }

    fn __repr__(&self) -> String {
        let telarch::CommandResult { stdout, stderr, exit_code } = &self.0;
        format!(
            "<Finished {exit_code}, {} bytes of output, {} bytes of error output>",
            stdout.len(),
            stderr.len()
        )
    }
}

/// A shell on the service.
#[pyclass(frozen, module = "telarch._telarch")]
pub(crate) struct Shell {
    shell: Slot<telarch::Shell>,
    #[pyo3(get)]
    id: String,
}

/// A command in a shell.
#[pyclass(frozen, module = "telarch._telarch")]
pub(crate) struct Command {
    command: Slot<telarch::Command>,
    /// Controls for input and signals, independent of the reader of the output.
    controls: telarch::Controls,
    #[pyo3(get)]
    id: String,
}

impl Shell {
    pub(crate) fn new(shell: telarch::Shell) -> Self {
        let id = shell.id().to_owned();
        Self { shell: Slot::new(shell), id }
    }
}

impl Command {
    fn new(command: telarch::Command) -> Self {
        let (id, controls) = (command.id().to_owned(), command.controls());
        Self { command: Slot::new(command), controls, id }
    }
}

#[pymethods]
impl Shell {
    fn run(&self, command: String, arguments: Vec<String>) -> PyResult<Operation> {
        let shell = self.shell.handle()?;
        Ok(Operation::new(async move {
            let shell = shell.lock().await;
            let finished = shell.as_ref().ok_or_else(closed)?.run(&command, &arguments).await;
            finished.map(Finished::from)
        }))
    }

    #[pyo3(signature = (command, arguments, *, console=false, skip_shell=false))]
    fn start(
        &self,
        command: String,
        arguments: Vec<String>,
        console: bool,
        skip_shell: bool,
    ) -> PyResult<Operation> {
        let shell = self.shell.handle()?;
        let options = CommandOptions {
            console: if console { Console::Console } else { Console::Pipe },
            interpreter: if skip_shell { Interpreter::Skipped } else { Interpreter::Used },
        };
        Ok(Operation::new(async move {
            let shell = shell.lock().await;
            let started = shell.as_ref().ok_or_else(closed)?.start(&command, &arguments, options).await;
            started.map(Command::new)
        }))
    }

    fn close(&self) -> PyResult<Operation> {
        let shell = self.shell.handle()?;
        Ok(Operation::new(async move {
            match shell.lock().await.take() {
                Some(shell) => shell.close().await,
                None => Ok(()),
            }
        }))
    }
}

#[pymethods]
impl Command {
    /// Returns the next piece of output, `("stdout", octets)`, or the exit code at the end.
    fn next_output(&self) -> PyResult<Operation> {
        let command = self.command.handle()?;
        Ok(Operation::new(async move {
            let mut command = command.lock().await;
            command.as_mut().ok_or_else(closed)?.next_output().await.map(Piece)
        }))
    }

    fn write(&self, octets: Vec<u8>) -> PyResult<Operation> {
        self.command.require()?;
        let controls = self.controls.clone();
        Ok(Operation::new(async move { controls.write(&octets).await }))
    }

    fn close_input(&self) -> PyResult<Operation> {
        self.command.require()?;
        let controls = self.controls.clone();
        Ok(Operation::new(async move { controls.close_input().await }))
    }

    fn signal(&self, name: &str) -> PyResult<Operation> {
        self.command.require()?;
        let code = match name {
            "terminate" => SignalCode::Terminate,
            "ctrl_c" => SignalCode::CtrlC,
            "ctrl_break" => SignalCode::CtrlBreak,
            _ => return Err(PyValueError::new_err("the signal must be terminate, ctrl_c or ctrl_break")),
        };
        let controls = self.controls.clone();
        Ok(Operation::new(async move { controls.signal(code).await }))
    }

    fn finish(&self) -> PyResult<Operation> {
        let command = self.command.handle()?;
        Ok(Operation::new(async move {
            match command.lock().await.take() {
                Some(command) => command.finish().await,
                None => Ok(()),
            }
        }))
    }
}

/// Output or exit code of a command, as a tuple or a number.
struct Piece(Output);

impl<'py> IntoPyObject<'py> for Piece {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (name, octets) = match self.0 {
            Output::Stdout(octets) => ("stdout".to_owned(), octets),
            Output::Stderr(octets) => ("stderr".to_owned(), octets),
            Output::Stream { name, octets } => (name, octets),
            Output::Done { exit_code } => return Ok(exit_code.into_pyobject(py)?.into_any()),
            _ => ("unknown".to_owned(), Vec::new()),
        };
        Ok((name, PyBytes::new(py, &octets)).into_pyobject(py)?.into_any())
    }
}

/// Converts keyword arguments to shell options.
pub(crate) fn shell_options(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<ShellOptions> {
    let mut options = ShellOptions::default();
    for (name, value) in keywords.into_iter().flatten() {
        if value.is_none() {
            continue;
        }
        match name.extract::<String>()?.as_str() {
            "environment" => {
                for (name, value) in value.cast::<PyDict>().map_err(PyErr::from)? {
                    options.environment.push((name.extract()?, value.str()?.to_string()));
                }
            }
            "directory" => options.directory = Some(value.extract()?),
            "code_page" => options.code_page = value.extract()?,
            "no_profile" if value.is_truthy()? => options.profile = Profile::Skipped,
            "no_profile" => {}
            "name" => options.name = Some(value.extract()?),
            "idle_timeout" => {
                let seconds: f64 = value.extract()?;
                let limit = std::time::Duration::try_from_secs_f64(seconds);
                let limit = limit.map_err(|error| PyValueError::new_err(format!("idle_timeout: {error}")))?;
                options.idle_timeout = Some(limit);
            }
            "output_limit" => options.output_limit = value.extract()?,
            "input_streams" => options.input_streams = value.extract()?,
            "output_streams" => options.output_streams = value.extract()?,
            other => return Err(PyTypeError::new_err(format!("unknown shell setting {other}"))),
        }
    }
    Ok(options)
}

fn closed() -> Error {
    Error::Argument { what: "the shell or command is closed".to_owned(), fix: None }
}
