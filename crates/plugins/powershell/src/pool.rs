//! Runspace pools: shells whose commands are pipelines of one PowerShell process.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use config::Config;
use locks::Mutex;
use psrp::out_of_proc::{Control, Packet};
use psrp::{Guid, Stream, xpress};
use sddl::Sid;
use service::BoxFuture;
use shells::{Lifetime, MAX_TIME, MonitoredShell, Operation, RemoteShell, ShellProcesses, Shells};
use wsman::shell::{BufferMode, CommandListing, ConnectionState, Disconnect, OpenShell, ShellState};
use wsman::{Compression, Fault, duration};

use crate::error::PoolError;
use crate::fault::MAX_PIPELINES;
use crate::handshake::{Handshake, Opening};
use crate::process::{Delivery, Process, ProcessSpec, arguments};

/// An open runspace pool.
pub(crate) struct Pool {
    id: String,
    pool: Guid,
    resource: String,
    name: Option<String>,
    owner: Sid,
    owner_name: String,
    client: IpAddr,
    input_streams: String,
    output_streams: String,
    lifetime: Lifetime,
    processes: ShellProcesses,
    process: Arc<Process>,
    handshake: Mutex<Handshake>,
    connection: Mutex<Connection>,
    runtime: tokio::runtime::Handle,
}

/// Connection to the client.
#[derive(Clone, Copy, Debug, Default)]
struct Connection {
    is_disconnected: bool,
    buffer_mode: BufferMode,
    /// Compression that the client has requested.
    compression: Compression,
}

/// Owner, program and settings of a pool that is opened.
pub(crate) struct OpenContext<'a> {
    pub(crate) owner: Sid,
    pub(crate) owner_name: &'a str,
    pub(crate) client: IpAddr,
    pub(crate) resource: &'a str,
    pub(crate) program: PathBuf,
    /// Session configuration file.
    pub(crate) configuration: Option<PathBuf>,
    pub(crate) compression: Compression,
    pub(crate) config: &'a Config,
}

impl Pool {
    /// Starts the process of a pool that is not registered yet.
    pub(crate) fn open(
        open: OpenShell,
        opening: &Opening,
        context: &OpenContext<'_>,
        shells: &Shells,
    ) -> Result<Arc<Self>, PoolError> {
        let winrs = &context.config.winrs;
        let id = open.shell_id.unwrap_or_else(|| format!("{:#}", opening.pool));
        let surroundings = shells.environment();
        let directory = open.working_directory.as_ref().map(|path| surroundings.home.join(path));
        let mut environment = surroundings.environment.clone();
        // PowerShell does not know its caller.
        let caller = [("TELARCH_USER", context.owner_name), ("TELARCH_CLIENT", &context.client.to_string())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (name, value) in open.environment.iter().chain(&caller) {
            environment.retain(|(known, _)| *known != **name);
            environment.push((OsString::from(name), OsString::from(value)));
        }
        let processes = shells.processes_of(&id, winrs);
        let memory = processes.limiter().limits().memory.map_or(u64::MAX, std::num::NonZeroU64::get);
        let process = Process::spawn(&ProcessSpec {
            program: context.program.clone(),
            arguments: arguments(directory.as_deref(), context.configuration.as_deref()),
            environment,
            directory: directory.unwrap_or_else(|| surroundings.home.clone()),
            limiter: Arc::clone(processes.limiter()),
            capacity: usize::try_from(memory).map_or(CAPACITY, |memory| memory.min(CAPACITY)),
        })?;
        tracing::debug!(shell = %id, process = process.id(), "PowerShell process started");
        let idle_timeout = open.idle_timeout.as_ref().map(|requested| requested.duration);
        Ok(Arc::new(Self {
            id,
            pool: opening.pool,
            resource: context.resource.to_owned(),
            name: open.name,
            owner: context.owner,
            owner_name: context.owner_name.to_owned(),
            client: context.client,
            input_streams: names_or_default(&open.input_streams, "stdin pr"),
            output_streams: names_or_default(&open.output_streams, "stdout"),
            lifetime: Lifetime::new(open.lifetime, idle_timeout, winrs),
            processes,
            process,
            handshake: Mutex::default(),
            connection: Mutex::new(Connection { compression: context.compression, ..Connection::default() }),
            runtime: tokio::runtime::Handle::current(),
        }))
    }

    /// Sends the first messages of the client, and waits until the process has read them.
    pub(crate) async fn begin(&self, opening: &Opening, wait: Duration) -> Result<(), PoolError> {
        self.handshake.lock().follow_client(&opening.fragments).map_err(PoolError::Client)?;
        self.send_data(Guid::ZERO, Stream::Default, opening.fragments.clone(), wait).await
    }

    /// Marks the shell as active until the returned guard is dropped.
    pub(crate) fn begin_operation(&self) -> Operation {
        self.lifetime.begin_operation()
    }

    /// Counts the process for the limits of the shell from now on.
    pub(crate) fn watch_processes(self: &Arc<Self>) {
        let shell: Arc<dyn MonitoredShell> = Arc::clone(self) as _;
        self.processes.mark_started(&shell);
    }

    /// Stops the pipelines of a pool whose connected client has sent no request for the given time. Ends with the pool.
    pub(crate) async fn stop_abandoned(pool: Weak<Self>, after: Duration) {
        loop {
            let Some(open) = pool.upgrade() else { return };
            let inactivity = open.lifetime.inactivity();
            let is_connected = !open.connection.lock().is_disconnected;
            if inactivity >= after && is_connected {
                open.stop_running(after).await;
            }
            drop(open);
            let left = after.saturating_sub(inactivity);
            tokio::time::sleep(if left.is_zero() { after } else { left }).await;
        }
    }

    async fn stop_running(&self, after: Duration) {
        for (pipeline, command, is_finished) in self.process.pipelines() {
            if is_finished {
                continue;
            }
            tracing::warn!(
                shell = %self.id, command, after = ?after,
                "Pipeline stopped: its client has neither received nor sent anything for AbandonedCommandTimeoutms"
            );
            if let Err(error) = self.stop(pipeline, CLOSE_WAIT).await {
                tracing::warn!(shell = %self.id, command, %error, "Cannot stop an abandoned pipeline");
            }
        }
    }

    /// Refuses input for a stream that the pool was not opened with.
    pub(crate) fn input_stream(&self, name: &str) -> Result<Stream, Fault> {
        let declared = self.input_streams.split(' ').any(|stream| stream.eq_ignore_ascii_case(name));
        match name {
            _ if !declared => Err(shells::fault::undeclared_stream(name)),
            name if name.eq_ignore_ascii_case("pr") => Ok(Stream::PromptResponse),
            _ => Ok(Stream::Default),
        }
    }

    /// Refuses a Receive of a stream that the pool was not opened with.
    pub(crate) fn require_output(&self, names: &[String]) -> Result<(), Fault> {
        let is_declared =
            |name: &str| self.output_streams.split(' ').any(|stream| stream.eq_ignore_ascii_case(name));
        match names.iter().find(|name| !is_declared(name)) {
            Some(unknown) => Err(shells::fault::no_such_stream(unknown)),
            None => Ok(()),
        }
    }

    /// Refuses requests while no client is connected.
    pub(crate) fn require_connected(&self) -> Result<(), PoolError> {
        if self.connection.lock().is_disconnected { Err(PoolError::Disconnected) } else { Ok(()) }
    }

    /// Returns the pipeline with the identifier of a command; `None` is the pool itself.
    pub(crate) fn target(&self, command: Option<&str>) -> Result<Guid, PoolError> {
        let Some(command) = command else { return Ok(Guid::ZERO) };
        let pipelines = self.process.pipelines();
        let found = pipelines.into_iter().find(|(_, id, _)| id.eq_ignore_ascii_case(command));
        found.map(|(pipeline, ..)| pipeline).ok_or(PoolError::UnknownPipeline)
    }

    /// Returns input of the client without the compression of the connection.
    pub(crate) fn decompress(&self, data: Vec<u8>) -> Result<Vec<u8>, PoolError> {
        match self.compression() {
            Compression::None => Ok(data),
            Compression::Xpress => xpress::decompress_chunks(&data, LONGEST_INPUT).map_err(PoolError::Client),
        }
    }

    /// Compression of input and output.
    pub(crate) fn compression(&self) -> Compression {
        self.connection.lock().compression
    }

    /// Starts a pipeline with its first fragments.
    pub(crate) async fn start(
        &self,
        pipeline: Guid,
        command_id: String,
        fragments: Vec<u8>,
        wait: Duration,
    ) -> Result<(), PoolError> {
        self.process.require_room()?;
        self.process.add_pipeline(pipeline, command_id, MAX_PIPELINES)?;
        let started = async {
            self.process.send(&Packet::Control(Control::Command, pipeline), wait).await?;
            self.send_data(pipeline, Stream::Default, fragments, wait).await
        };
        let started = started.await;
        if started.is_err() {
            self.process.remove_pipeline(pipeline);
        }
        started
    }

    /// Sends input to a pipeline or the pool.
    pub(crate) async fn send(
        &self,
        target: Guid,
        stream: Stream,
        data: Vec<u8>,
        wait: Duration,
    ) -> Result<(), PoolError> {
        // PowerShell ends when it receives an empty packet.
        if data.is_empty() {
            return Ok(());
        }
        self.process.require_room()?;
        if target.is_zero() {
            self.handshake.lock().follow_client(&data).map_err(PoolError::Client)?;
        }
        self.send_data(target, stream, data, wait).await
    }

    async fn send_data(
        &self,
        target: Guid,
        stream: Stream,
        data: Vec<u8>,
        wait: Duration,
    ) -> Result<(), PoolError> {
        self.process.send(&Packet::Data { stream, target, data }, wait).await
    }

    /// Waits for output of a pipeline or the pool.
    pub(crate) async fn receive(
        &self,
        target: Guid,
        wait: Duration,
        fits: impl FnMut(usize) -> bool,
    ) -> Result<Delivery, PoolError> {
        let delivery = self.process.receive(target, wait, fits, || self.require_connected().err()).await?;
        if target.is_zero() {
            self.follow_process();
        }
        Ok(delivery)
    }

    /// Releases a pipeline whose end was delivered.
    pub(crate) fn finish(self: &Arc<Self>, pipeline: Guid) {
        let pool = Arc::clone(self);
        self.runtime.spawn(async move { pool.release(pipeline, CLOSE_WAIT).await });
    }

    /// Stops a pipeline; its output can still be received.
    pub(crate) async fn stop(&self, pipeline: Guid, wait: Duration) -> Result<(), PoolError> {
        self.process.send(&Packet::Control(Control::Signal, pipeline), wait).await
    }

    /// Stops a pipeline if it runs, and releases it.
    pub(crate) async fn terminate(&self, pipeline: Guid, wait: Duration) -> Result<(), PoolError> {
        let is_running = self.process.with_channel(pipeline, |channel| !channel.is_finished())?;
        if is_running {
            self.stop(pipeline, wait).await?;
        }
        self.release(pipeline, wait).await;
        Ok(())
    }

    /// Closes a pipeline in the process and forgets it.
    async fn release(&self, pipeline: Guid, wait: Duration) {
        if let Err(error) = self.process.send(&Packet::Control(Control::Close, pipeline), wait).await {
            tracing::debug!(shell = %self.id, %error, "Cannot close a pipeline");
        }
        self.process.remove_pipeline(pipeline);
    }

    /// Disconnects the client. Pending requests for output end.
    pub(crate) fn disconnect(&self, disconnect: Disconnect) {
        {
            let mut connection = self.connection.lock();
            connection.is_disconnected = true;
            connection.buffer_mode = disconnect.buffer_mode.unwrap_or(connection.buffer_mode);
            self.process.set_may_discard(connection.buffer_mode == BufferMode::Drop);
        }
        if let Some(idle_timeout) = disconnect.idle_timeout {
            self.lifetime.set_idle_timeout(idle_timeout);
        }
        self.process.wake_receivers();
    }

    /// Connects the same client again.
    pub(crate) fn reconnect(&self) {
        self.connection.lock().is_disconnected = false;
        self.process.set_may_discard(false);
    }

    /// Connects a new client with its messages, and returns the messages for it.
    pub(crate) fn connect(&self, fragments: &[u8], compression: Compression) -> Result<Vec<u8>, PoolError> {
        if !self.connection.lock().is_disconnected {
            return Err(PoolError::InUse);
        }
        self.follow_process();
        let answer = self.handshake.lock().connect(self.pool, fragments)?;
        self.process.push_front(&answer.private_data, psrp::MessageType::ApplicationPrivateData);
        self.reconnect();
        self.connection.lock().compression = compression;
        Ok(answer.response)
    }

    /// Reads the messages of the process about the pool that have arrived.
    fn follow_process(&self) {
        let messages = self.process.take_messages();
        let mut handshake = self.handshake.lock();
        for message in messages {
            handshake.follow_process(&message);
        }
    }

    /// Ends the process in the background, and waits for at most two seconds.
    pub(crate) async fn delete(self: Arc<Self>) {
        let runtime = self.runtime.clone();
        let task = runtime.spawn(async move {
            self.lifetime.mark_closed();
            self.end(GRACE).await;
        });
        let _ = tokio::time::timeout(DELETE_WAIT, task).await;
    }

    /// Ends the process and everything that it has started. Each step has the time `grace`.
    async fn end(&self, grace: Duration) {
        self.process.end(grace).await;
        self.processes.begin_close();
        self.processes.close().await;
        tracing::debug!(shell = %self.id, "Runspace pool closed");
    }

    /// Kills the process.
    pub(crate) fn kill(&self) {
        self.process.kill();
        self.processes.begin_close();
    }
}

impl RemoteShell for Pool {
    fn id(&self) -> &str {
        &self.id
    }

    fn owner(&self) -> Sid {
        self.owner
    }

    fn resource(&self) -> &str {
        &self.resource
    }

    fn state(&self) -> ShellState {
        let connection = *self.connection.lock();
        ShellState {
            shell_id: self.id.clone(),
            name: self.name.clone(),
            resource_uri: self.resource.clone(),
            owner: self.owner_name.clone(),
            client_ip: self.client.to_string(),
            idle_timeout: duration::write(self.lifetime.idle_timeout()),
            input_streams: self.input_streams.clone(),
            output_streams: self.output_streams.clone(),
            run_time: self.lifetime.age(),
            inactivity: self.lifetime.inactivity(),
            connection: Some(ConnectionState {
                is_disconnected: connection.is_disconnected,
                buffer_mode: connection.buffer_mode,
                max_idle_timeout: MAX_TIME,
                compression: connection.compression,
            }),
            ..ShellState::default()
        }
    }

    fn running_command(&self) -> Option<String> {
        None
    }

    fn command_states(&self) -> Vec<CommandListing> {
        let pipelines = self.process.pipelines().into_iter();
        let listing = pipelines.map(|(_, command_id, is_finished)| CommandListing {
            command_id,
            command_line: String::new(),
            state: if is_finished { "Done" } else { "Running" },
        });
        listing.collect()
    }

    fn groups(&self) -> Vec<u32> {
        vec![self.process.id()]
    }

    fn processes(&self) -> &ShellProcesses {
        &self.processes
    }

    fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.lifetime.mark_closed();
            self.end(SHORT_GRACE).await;
        })
    }
}

fn names_or_default(names: &[String], default: &str) -> String {
    if names.is_empty() { default.to_owned() } else { names.join(" ") }
}

/// Maximum length of a decompressed piece of input in bytes; an envelope has 500 KiB.
const LONGEST_INPUT: usize = 1 << 20;
/// Maximum number of bytes of output that wait for the client.
const CAPACITY: usize = 16 << 20;
/// Time for each step of the end of a process: closing, the end of its input, SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// The same when the service ends or the shell has expired.
const SHORT_GRACE: Duration = Duration::from_secs(1);
/// Maximum time that the client waits for the end of the process.
const DELETE_WAIT: Duration = Duration::from_secs(2);
/// Time for the process to close a pipeline.
const CLOSE_WAIT: Duration = Duration::from_secs(60);
