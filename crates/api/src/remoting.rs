//! PowerShell remoting: runspace pools, pipelines, and objects in both directions.
//!
//! ```no_run
//! use telarch::remoting::{PipelineEvent, Value};
//!
//! # async fn example(session: telarch::Session) -> Result<(), telarch::Error> {
//! let pool = session.runspace_pool().configuration("PowerShell.7").runspaces(1, 4).open().await?;
//! let mut run = pool.script("Get-Process -Name $args[0]").argument("pwsh").start().await?;
//! while let Some(event) = run.next().await? {
//!     match event {
//!         PipelineEvent::Output(value) => println!("{:?}", value.property("Id").and_then(Value::as_i32)),
//!         PipelineEvent::Error(record) => eprintln!("{}", record.message().unwrap_or_default()),
//!         _ => {}
//!     }
//! }
//! println!("errors: {}", run.had_errors());
//! run.finish().await?;
//! pool.close().await
//! # }
//! ```

use std::sync::Arc;
use std::time::Duration;

pub use client::{Compression, DisconnectedPool, PipelineEvent, PipelineOutcome};
pub use psrp::clixml::{
    Content, DateTime, Decimal, Object, Primitive, Property, ReferenceId, SecureString, Text, TimeSpan,
    Value, Version,
};
pub use psrp::{
    Argument, Availability, Command, ErrorCategory, ErrorRecord, Guid, HostCall, HostInfo, HostMethod,
    InformationRecord, InformationalRecord, Merge, PoolState, ProgressRecord, RunspaceRequest, StreamMerges,
};

use client::PoolOptions;
use psrp::{CreatePipeline, RunspaceCount};

use crate::error::Error;
use crate::error_context::ErrorContext;
use crate::session::Session;

impl Session {
    /// Returns a builder for a runspace pool on the service.
    #[must_use]
    pub fn runspace_pool(&self) -> RunspacePoolBuilder {
        RunspacePoolBuilder {
            session: self.client.clone(),
            context: self.context(),
            options: PoolOptions::default(),
        }
    }

    /// Lists the disconnected runspace pools of the service.
    ///
    /// # Errors
    /// [`Error`] if a request or a response fails.
    pub async fn disconnected_pools(&self) -> Result<Vec<DisconnectedPool>, Error> {
        self.client.disconnected_pools().await.map_err(|error| self.explain(error))
    }
}

impl Session {
    /// Lists the pipelines of a disconnected runspace pool.
    ///
    /// # Errors
    /// [`Error`] if a request or a response fails, or the pool does not exist.
    pub async fn pipelines_of(&self, pool: Guid) -> Result<Vec<Guid>, Error> {
        self.client.pipelines_of(pool).await.map_err(|error| self.explain(error))
    }
}

/// Settings of a runspace pool that is not open yet.
#[derive(Clone, Debug)]
pub struct RunspacePoolBuilder {
    session: client::Session,
    context: Arc<ErrorContext>,
    options: PoolOptions,
}

impl RunspacePoolBuilder {
    /// Sets the name of the PowerShell endpoint (default: `Microsoft.PowerShell`).
    #[must_use]
    pub fn configuration(mut self, name: &str) -> Self {
        name.clone_into(&mut self.options.configuration);
        self
    }

    /// Sets the number of runspaces (default: one); the maximum is that of pipelines at the same time.
    #[must_use]
    pub fn runspaces(mut self, min: i32, max: i32) -> Self {
        self.options.runspaces = RunspaceCount { min, max };
        self
    }

    /// Sets the description of the host, whose calls then arrive as [`PipelineEvent::HostCall`] (default: no host,
    /// and the library refuses calls).
    #[must_use]
    pub fn host(mut self, host: HostInfo) -> Self {
        self.options.host = host;
        self
    }

    /// Sets the time without requests after which the service may close the pool.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.idle_timeout = Some(timeout);
        self
    }

    /// Sets the time limit for opening the pool (default: three minutes).
    #[must_use]
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.options.open_timeout = timeout;
        self
    }

    /// Sets the display name of the pool.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.options.name = Some(name.to_owned());
        self
    }

    /// Sets the compression of messages (default: none); services that do not support it ignore it.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.options.compression = compression;
        self
    }

    /// Opens the pool.
    ///
    /// # Errors
    /// [`Error`] if a request fails, or the service has no such endpoint.
    pub async fn open(self) -> Result<RunspacePool, Error> {
        let Self { session, context, options } = self;
        let pool = session.runspace_pool(options).await.map_err(|error| context.explain(error))?;
        Ok(RunspacePool { pool, context })
    }

    /// Connects to a pool that its client has disconnected from.
    ///
    /// # Errors
    /// [`Error`] if a request fails, the pool does not exist, or another client is connected.
    pub async fn connect(self, id: Guid) -> Result<RunspacePool, Error> {
        let Self { session, context, options } = self;
        let connected = session.connect_runspace_pool(id, options).await;
        let pool = connected.map_err(|error| context.explain(error))?;
        Ok(RunspacePool { pool, context })
    }
}

/// Open runspace pool, in which pipelines run. Clones share the pool; when the last clone and the last pipeline are
/// dropped, it is closed in the background if a tokio runtime is running.
#[derive(Clone, Debug)]
pub struct RunspacePool {
    pool: client::RunspacePool,
    context: Arc<ErrorContext>,
}

impl RunspacePool {
    /// Identifier of the pool.
    #[must_use]
    pub fn id(&self) -> Guid {
        self.pool.id()
    }

    /// Number of runspaces, as last agreed with the service: minimum and maximum.
    #[must_use]
    pub fn runspaces(&self) -> (i32, i32) {
        let count = self.pool.runspaces();
        (count.min, count.max)
    }

    /// State of the pool.
    #[must_use]
    pub fn state(&self) -> PoolState {
        self.pool.state()
    }

    /// Data with which the service describes itself, such as `PSVersionTable`; `None` until it arrives.
    #[must_use]
    pub fn private_data(&self) -> Option<Value> {
        self.pool.private_data()
    }

    /// Returns a pipeline that runs a script.
    #[must_use]
    pub fn script(&self, text: &str) -> PipelineBuilder {
        self.pipeline(Command::script(text))
    }

    /// Returns a pipeline that runs a command, such as `Get-Process`.
    #[must_use]
    pub fn command(&self, name: &str) -> PipelineBuilder {
        self.pipeline(Command::named(name))
    }

    /// Returns a pipeline that begins with a command or script.
    #[must_use]
    pub fn pipeline(&self, first: Command) -> PipelineBuilder {
        PipelineBuilder { pool: self.clone(), first, later: Vec::new(), has_input: false, is_nested: false }
    }

    /// Connects to a running pipeline of a pool that was connected to.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn connect_pipeline(&self, id: Guid) -> Result<Pipeline, Error> {
        let pipeline = self.pool.connect_pipeline(id).await.map_err(|error| self.context.explain(error))?;
        Ok(Pipeline::new(pipeline, Arc::clone(&self.context)))
    }

    /// Returns text in the form in which a secret travels; the first call exchanges keys with the service.
    ///
    /// # Errors
    /// [`Error`] if the exchange fails.
    pub async fn protect(&self, text: &str) -> Result<SecureString, Error> {
        self.pool.protect(text).await.map_err(|error| self.context.explain(error))
    }

    /// Sends a request about runspaces and returns the answer.
    ///
    /// # Errors
    /// [`Error`] if the request fails or no answer arrives.
    pub async fn request(&self, request: RunspaceRequest) -> Result<Availability, Error> {
        self.pool.request(request).await.map_err(|error| self.context.explain(error))
    }

    /// Disconnects from the pool, whose pipelines continue.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn disconnect(&self, idle_timeout: Option<Duration>) -> Result<(), Error> {
        self.pool.disconnect(idle_timeout).await.map_err(|error| self.context.explain(error))
    }

    /// Reconnects after [`Self::disconnect`].
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn reconnect(&self) -> Result<(), Error> {
        self.pool.reconnect().await.map_err(|error| self.context.explain(error))
    }

    /// Leaves a disconnected pool to another client: it is not closed when it is dropped.
    pub fn leave(&self) {
        self.pool.leave();
    }

    /// Closes the pool and ends its pipelines.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn close(self) -> Result<(), Error> {
        let Self { pool, context } = self;
        pool.close().await.map_err(|error| context.explain(error))
    }
}

/// Commands of a pipeline that is not started yet.
#[derive(Clone, Debug)]
pub struct PipelineBuilder {
    pool: RunspacePool,
    first: Command,
    later: Vec<(Separator, Command)>,
    has_input: bool,
    is_nested: bool,
}

/// Relation of a command to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    /// It receives the output of the other.
    Pipe,
    /// It begins another statement.
    Semicolon,
}

impl PipelineBuilder {
    /// Adds an argument to the last command.
    #[must_use]
    pub fn argument(self, value: impl Into<Value>) -> Self {
        self.with_argument(Argument { name: None, value: value.into() })
    }

    /// Adds a named parameter to the last command.
    #[must_use]
    pub fn parameter(self, name: &str, value: impl Into<Value>) -> Self {
        self.with_argument(Argument { name: Some(name.to_owned()), value: value.into() })
    }

    fn with_argument(mut self, argument: Argument) -> Self {
        let last = match self.later.last_mut() {
            Some((_, command)) => command,
            None => &mut self.first,
        };
        last.arguments.push(argument);
        self
    }

    /// Adds a command that receives the output of the last one.
    #[must_use]
    pub fn pipe(self, command: &str) -> Self {
        self.pipe_to(Command::named(command))
    }

    /// Adds a command or script that receives the output of the last one.
    #[must_use]
    pub fn pipe_to(mut self, command: Command) -> Self {
        self.later.push((Separator::Pipe, command));
        self
    }

    /// Adds a statement that begins with a command or script. Statements run one after the other.
    #[must_use]
    pub fn statement(mut self, command: Command) -> Self {
        self.later.push((Separator::Semicolon, command));
        self
    }

    /// Accepts input, which must end with [`Pipeline::end_input`].
    #[must_use]
    pub fn with_input(mut self) -> Self {
        self.has_input = true;
        self
    }

    /// Runs in the runspace of a pipeline that waits for the client, such as in a nested prompt.
    #[must_use]
    pub fn nested(mut self) -> Self {
        self.is_nested = true;
        self
    }

    /// Starts the pipeline.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn start(self) -> Result<Pipeline, Error> {
        let Self { pool: RunspacePool { pool, context }, first, later, has_input, is_nested } = self;
        let mut pipeline = CreatePipeline::new(first);
        for (separator, command) in later {
            match separator {
                Separator::Pipe => pipeline.pipe(command),
                Separator::Semicolon => pipeline.begin_statement(command),
            }
        }
        let mut pipeline = if has_input { pipeline.with_input() } else { pipeline };
        pipeline.is_nested = is_nested;
        let started = pool.start(pipeline).await.map_err(|error| context.explain(error))?;
        Ok(Pipeline::new(started, context))
    }

    /// Runs the pipeline without input to its end, and collects its output and errors.
    ///
    /// # Errors
    /// [`Error`] if a request fails. An error of the script is not an error; check
    /// [`had_errors`](PipelineResult::had_errors).
    pub async fn run(self) -> Result<PipelineResult, Error> {
        let mut pipeline = Self { has_input: false, ..self }.start().await?;
        let mut result = PipelineResult::default();
        while let Some(event) = pipeline.next().await? {
            match event {
                PipelineEvent::Output(value) => result.output.push(value),
                PipelineEvent::Error(record) => result.errors.push(*record),
                _ => {}
            }
        }
        if let Some(PipelineOutcome::Failed(error)) = pipeline.outcome() {
            result.errors.push(ErrorRecord::clone(error));
        }
        pipeline.finish().await?;
        Ok(result)
    }
}

/// Output and errors of a pipeline that has ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineResult {
    /// Objects of the output.
    pub output: Vec<Value>,
    /// Errors; the last one ended the pipeline if its outcome is a failure.
    pub errors: Vec<ErrorRecord>,
}

impl PipelineResult {
    /// Returns whether the pipeline has written an error or was ended by one.
    #[must_use]
    pub fn had_errors(&self) -> bool {
        !self.errors.is_empty()
    }
}

/// Running pipeline. Dropping it before [`Pipeline::finish`] stops it in the background.
#[derive(Debug)]
pub struct Pipeline {
    pipeline: client::Pipeline,
    controls: PipelineControls,
}

impl Pipeline {
    fn new(pipeline: client::Pipeline, context: Arc<ErrorContext>) -> Self {
        let controls = PipelineControls { controls: pipeline.controls(), context };
        Self { pipeline, controls }
    }

    /// Identifier of the pipeline.
    #[must_use]
    pub fn id(&self) -> Guid {
        self.pipeline.id()
    }

    /// Returns a handle for input, host calls and the end of the pipeline, usable while another task waits for
    /// [`Self::next`].
    #[must_use]
    pub fn controls(&self) -> PipelineControls {
        self.controls.clone()
    }

    /// Waits for the next event; `None` at the end. The future is cancellation-safe.
    ///
    /// # Errors
    /// [`Error`] if a request or a response fails.
    pub async fn next(&mut self) -> Result<Option<PipelineEvent>, Error> {
        self.pipeline.next().await.map_err(|error| self.controls.context.explain(error))
    }

    /// Waits until [`Self::take_ready`] returns events, or the pipeline has ended. The future is cancellation-safe.
    ///
    /// # Errors
    /// [`Error`] if a request or a response fails.
    pub async fn wait_ready(&mut self) -> Result<(), Error> {
        self.pipeline.wait_ready().await.map_err(|error| self.controls.context.explain(error))
    }

    /// Returns the events that have arrived, without waiting.
    #[must_use]
    pub fn take_ready(&mut self) -> Vec<PipelineEvent> {
        self.pipeline.take_ready()
    }

    /// Result of the pipeline; `None` until [`Self::next`] has returned `None`.
    #[must_use]
    pub fn outcome(&self) -> Option<&PipelineOutcome> {
        self.pipeline.outcome()
    }

    /// Returns whether the pipeline has written an error or was ended by one.
    #[must_use]
    pub fn had_errors(&self) -> bool {
        self.pipeline.had_errors()
    }

    /// Sends objects to the input.
    ///
    /// # Errors
    /// [`Error`] if a request fails, or if the pipeline has ended or takes no input.
    pub async fn send(&mut self, values: impl IntoIterator<Item = Value>) -> Result<(), Error> {
        self.controls.send(values).await
    }

    /// Ends the input.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn end_input(&mut self) -> Result<(), Error> {
        self.controls.end_input().await
    }

    /// Answers a host call, with the result of the method or an error.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn respond(
        &mut self,
        call: &HostCall,
        result: Result<Value, ErrorRecord>,
    ) -> Result<(), Error> {
        self.controls.respond(call, result).await
    }

    /// Answers a host call with the error that the client does not support it.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn refuse(&mut self, call: &HostCall) -> Result<(), Error> {
        self.controls.refuse(call).await
    }

    /// Stops the pipeline as Ctrl-C does; its last events and its outcome still arrive.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.controls.stop().await
    }

    /// Ends the pipeline if it is running, and releases its resources on the service.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn finish(self) -> Result<(), Error> {
        let Self { pipeline, controls } = self;
        pipeline.finish().await.map_err(|error| controls.context.explain(error))
    }
}

/// Handle for the input, the host calls and the end of a pipeline.
#[derive(Clone, Debug)]
pub struct PipelineControls {
    controls: client::PipelineControls,
    context: Arc<ErrorContext>,
}

impl PipelineControls {
    /// Sends objects to the input.
    ///
    /// # Errors
    /// [`Error`] if a request fails, or if the pipeline has ended or takes no input.
    pub async fn send(&self, values: impl IntoIterator<Item = Value>) -> Result<(), Error> {
        self.controls.send(values).await.map_err(|error| self.context.explain(error))
    }

    /// Ends the input.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn end_input(&self) -> Result<(), Error> {
        self.controls.end_input().await.map_err(|error| self.context.explain(error))
    }

    /// Answers a host call, with the result of the method or an error.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn respond(&self, call: &HostCall, result: Result<Value, ErrorRecord>) -> Result<(), Error> {
        self.controls.respond(call, result).await.map_err(|error| self.context.explain(error))
    }

    /// Answers a host call with the error that the client does not support it.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn refuse(&self, call: &HostCall) -> Result<(), Error> {
        self.controls.refuse(call).await.map_err(|error| self.context.explain(error))
    }

    /// Stops the pipeline as Ctrl-C does; its last events and its outcome still arrive.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn stop(&self) -> Result<(), Error> {
        self.controls.stop().await.map_err(|error| self.context.explain(error))
    }
}
