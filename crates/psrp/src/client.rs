//! Client's end of a runspace pool (MS-PSRP 3.1).

use std::collections::BTreeMap;

use crate::channel::{Channel, Event, Outgoing, PoolLimits, Stream};
use crate::clixml::{SecureString, Value, Version};
use crate::error::PsrpError;
use crate::guid::Guid;
use crate::host::HostResponse;
use crate::message::{Header, Role};
use crate::negotiation::{accept_server, has_session_keys};
use crate::record::{
    Body, CommandMetadataQuery, CreatePipeline, HostInfo, InitRunspacePool, PipelineStateRecord,
    PoolStateRecord, RunspaceCount, SessionCapability,
};
use crate::session_key::{ExchangeKey, TextProtection};
use crate::state::{PipelineState, PoolState};

/// Settings of a new [`ClientPool`].
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Newest version of the protocol to offer; 2.4 only over TLS or a sealed connection.
    pub protocol: Version,
    /// Number of runspaces.
    pub runspaces: RunspaceCount,
    /// Host of the client.
    pub host: HostInfo,
    /// Arguments of the application: a dictionary, or null.
    pub application_arguments: Value,
    /// Limits of what the server sends.
    pub limits: PoolLimits,
}

impl Default for ClientOptions {
    /// Version 2.3, one runspace, no host and no arguments.
    fn default() -> Self {
        Self {
            protocol: Version::new(2, 3),
            runspaces: RunspaceCount { min: 1, max: 1 },
            host: HostInfo::NONE,
            application_arguments: Value::NULL,
            limits: PoolLimits::default(),
        }
    }
}

/// Client's end of a runspace pool, without a transport.
///
/// The caller passes received bytes to [`receive`](Self::receive) and sends what [`take`](Self::take) returns.
/// Stop, disconnection and end of a pool are operations of the transport; the caller reports them.
#[derive(Debug)]
pub struct ClientPool {
    id: Guid,
    state: PoolState,
    options: ClientOptions,
    channel: Channel,
    ours: SessionCapability,
    /// Version of the protocol in use; `None` before the server's capability.
    protocol: Option<Version>,
    pipelines: BTreeMap<Guid, Pipeline>,
    next_call: i64,
    exchange_key: Option<ExchangeKey>,
    protection: Option<TextProtection>,
}

#[derive(Debug)]
struct Pipeline {
    state: PipelineState,
    accepts_input: bool,
}

impl ClientPool {
    /// Returns a pool that is not open; the caller draws the identifier at random.
    #[must_use]
    pub fn new(id: Guid, options: ClientOptions) -> Self {
        let channel = Channel::new(Role::Client, options.limits);
        let ours = SessionCapability::new(options.protocol);
        Self {
            id,
            state: PoolState::BeforeOpen,
            options,
            channel,
            ours,
            protocol: None,
            pipelines: BTreeMap::new(),
            next_call: 1,
            exchange_key: None,
            protection: None,
        }
    }

    /// Returns the identifier.
    #[must_use]
    pub fn id(&self) -> Guid {
        self.id
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> PoolState {
        self.state
    }

    /// Returns the version of the protocol in use; `None` before the server has answered.
    #[must_use]
    pub fn protocol(&self) -> Option<Version> {
        self.protocol
    }

    /// Returns the state of a pipeline; `None` for an unknown pipeline.
    #[must_use]
    pub fn pipeline_state(&self, pipeline: Guid) -> Option<PipelineState> {
        self.pipelines.get(&pipeline).map(|pipeline| pipeline.state)
    }

    /// Queues the messages that open the pool: capability and settings.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool was opened before.
    pub fn open(&mut self) -> Result<(), PsrpError> {
        self.require(PoolState::BeforeOpen, "open the pool")?;
        let settings = InitRunspacePool {
            runspaces: self.options.runspaces,
            thread_options: 0,
            apartment_state: 2,
            host: self.options.host.clone(),
            application_arguments: self.options.application_arguments.clone(),
        };
        self.send(None, &Body::SessionCapability(self.ours.clone()))?;
        self.send(None, &Body::InitRunspacePool(Box::new(settings)))?;
        self.state = PoolState::NegotiationSent;
        Ok(())
    }

    /// Queues the messages that connect to a pool that another client, or this one, disconnected from.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is open or being opened.
    pub fn connect(&mut self) -> Result<(), PsrpError> {
        if !matches!(self.state, PoolState::BeforeOpen | PoolState::Disconnected) {
            return Err(self.state_error("connect to the pool"));
        }
        self.send(None, &Body::SessionCapability(self.ours.clone()))?;
        self.send(None, &Body::ConnectRunspacePool(None))?;
        self.state = PoolState::Connecting;
        Ok(())
    }

    /// Marks the pool as disconnected, after the transport disconnected it.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is not open.
    pub fn mark_disconnected(&mut self) -> Result<(), PsrpError> {
        self.require(PoolState::Opened, "disconnect the pool")?;
        self.state = PoolState::Disconnected;
        self.replace_pipeline_states(PipelineState::Running, PipelineState::Disconnected);
        Ok(())
    }

    /// Marks the pool as open, after the transport reconnected it without messages.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is not disconnected.
    pub fn mark_reconnected(&mut self) -> Result<(), PsrpError> {
        self.require(PoolState::Disconnected, "reconnect the pool")?;
        self.state = PoolState::Opened;
        self.replace_pipeline_states(PipelineState::Disconnected, PipelineState::Running);
        Ok(())
    }

    /// Returns the number of runspaces, as last agreed with the server.
    #[must_use]
    pub fn runspaces(&self) -> RunspaceCount {
        self.options.runspaces
    }

    /// Marks the pool as closed, after the transport closed it.
    pub fn mark_closed(&mut self) {
        self.state = PoolState::Closed;
        self.pipelines.clear();
    }

    /// Queues the message that creates a pipeline; the caller draws the identifier at random.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is not open or the identifier is in use, and [`PsrpError::TooLarge`]
    /// if the pool knows too many pipelines.
    pub fn create_pipeline(&mut self, id: Guid, pipeline: CreatePipeline) -> Result<(), PsrpError> {
        let accepts_input = !pipeline.has_no_input;
        self.start(id, accepts_input, &Body::CreatePipeline(Box::new(pipeline)))
    }

    /// Queues the message that asks for descriptions of commands; the responses arrive as output of a pipeline.
    ///
    /// # Errors
    /// As [`create_pipeline`](Self::create_pipeline).
    pub fn query_commands(&mut self, id: Guid, query: CommandMetadataQuery) -> Result<(), PsrpError> {
        self.start(id, false, &Body::GetCommandMetadata(query))
    }

    fn start(&mut self, id: Guid, accepts_input: bool, body: &Body) -> Result<(), PsrpError> {
        self.require(PoolState::Opened, "create a pipeline")?;
        if id.is_zero() || self.pipelines.contains_key(&id) {
            return Err(self.state_error("create a pipeline with an identifier that is in use"));
        }
        let limit = self.options.limits.pipelines;
        if self.pipelines.len() >= limit {
            return Err(PsrpError::TooLarge { what: "number of pipelines", limit });
        }
        self.send(Some(id), body)?;
        self.pipelines.insert(id, Pipeline { state: PipelineState::Running, accepts_input });
        Ok(())
    }

    /// Adopts a running pipeline of a pool that was connected to.
    ///
    /// # Errors
    /// As [`create_pipeline`](Self::create_pipeline).
    pub fn adopt_pipeline(&mut self, id: Guid) -> Result<(), PsrpError> {
        let limit = self.options.limits.pipelines;
        if self.pipelines.len() >= limit {
            return Err(PsrpError::TooLarge { what: "number of pipelines", limit });
        }
        self.pipelines.entry(id).or_insert(Pipeline { state: PipelineState::Running, accepts_input: false });
        Ok(())
    }

    /// Queues an input object.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pipeline has ended or takes no input.
    pub fn input(&mut self, pipeline: Guid, value: Value) -> Result<(), PsrpError> {
        self.require_input(pipeline)?;
        self.send(Some(pipeline), &Body::PipelineInput(value))
    }

    /// Queues the end of the input.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pipeline has ended or takes no input.
    pub fn end_input(&mut self, pipeline: Guid) -> Result<(), PsrpError> {
        self.require_input(pipeline)?;
        self.send(Some(pipeline), &Body::EndOfPipelineInput)?;
        self.pipelines.entry(pipeline).and_modify(|pipeline| pipeline.accepts_input = false);
        Ok(())
    }

    fn require_input(&self, id: Guid) -> Result<(), PsrpError> {
        let pipeline = self.pipelines.get(&id).ok_or_else(|| PsrpError::UnknownPipeline(id.to_string()))?;
        if pipeline.accepts_input && pipeline.state == PipelineState::Running {
            return Ok(());
        }
        Err(PsrpError::State { operation: "send input to a pipeline", state: pipeline.state.name() })
    }

    /// Marks a pipeline as being stopped, after the transport sent the signal, and drops its unsent input.
    pub fn mark_stopping(&mut self, pipeline: Guid) {
        self.channel.forget(pipeline);
        let running = self.pipelines.get_mut(&pipeline).filter(|pipeline| !pipeline.state.is_final());
        if let Some(running) = running {
            *running = Pipeline { state: PipelineState::Stopping, accepts_input: false };
        }
    }

    /// Forgets a pipeline, after the transport closed it. Messages of it that still arrive are ignored.
    pub fn forget_pipeline(&mut self, pipeline: Guid) {
        self.channel.forget(pipeline);
        self.pipelines.remove(&pipeline);
    }

    /// Queues the response to a host call of a pipeline or, with `None`, of the pool.
    ///
    /// # Errors
    /// As [`clixml::write`](crate::clixml::write()).
    pub fn respond(&mut self, pipeline: Option<Guid>, response: HostResponse) -> Result<(), PsrpError> {
        let body = match pipeline {
            Some(_) => Body::PipelineHostResponse(response),
            None => Body::PoolHostResponse(response),
        };
        self.send(pipeline, &body)
    }

    /// Queues a request about runspaces and returns its number, which the RUNSPACE_AVAILABILITY repeats.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is not open.
    pub fn request(&mut self, request: RunspaceRequest) -> Result<i64, PsrpError> {
        self.require(PoolState::Opened, "send a request about runspaces")?;
        let call = self.next_call;
        self.next_call += 1;
        let body = match request {
            RunspaceRequest::SetMax(count) => Body::SetMaxRunspaces { count, call },
            RunspaceRequest::SetMin(count) => Body::SetMinRunspaces { count, call },
            RunspaceRequest::CountAvailable => Body::GetAvailableRunspaces(call),
            RunspaceRequest::ResetState => Body::ResetRunspaceState(call),
        };
        self.send(None, &body)?;
        Ok(call)
    }

    /// Queues the public key of an exchange. Version 2.4 needs none.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is not open or uses version 2.4.
    pub fn exchange_key(&mut self, key: ExchangeKey) -> Result<(), PsrpError> {
        self.require(PoolState::Opened, "exchange keys")?;
        if !self.protocol.is_some_and(has_session_keys) {
            return Err(self.state_error("exchange keys in version 2.4"));
        }
        self.send(None, &Body::PublicKey(key.public_key()?))?;
        self.exchange_key = Some(key);
        Ok(())
    }

    /// Returns the protection of text; `None` until the exchange of keys has ended.
    #[must_use]
    pub fn protection(&self) -> Option<&TextProtection> {
        self.protection.as_ref()
    }

    /// Returns text in the form in which it travels.
    ///
    /// # Errors
    /// [`PsrpError::Key`] before the exchange of keys.
    pub fn protect(&self, text: &str) -> Result<SecureString, PsrpError> {
        let protection = self.protection.as_ref();
        protection.ok_or(PsrpError::Key("no session key was exchanged"))?.protect(text)
    }

    /// Returns the next whole fragments for the transport, at most `limit` bytes for one target and stream;
    /// `None` if nothing is queued or `limit` is below 22.
    pub fn take(&mut self, limit: usize) -> Option<Outgoing> {
        self.channel.take(limit)
    }

    /// Returns the next whole fragments for a pipeline, or with `None` for the pool, at most `limit` bytes of one
    /// stream; `None` if nothing is queued for them or `limit` is below 22.
    ///
    /// A transport that sends to several targets at the same time takes the fragments of each target in order.
    pub fn take_for(&mut self, pipeline: Option<Guid>, stream: Stream, limit: usize) -> Option<Outgoing> {
        self.channel.take_for(pipeline, stream, limit)
    }

    /// Returns the length of the queued messages in bytes.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.channel.queued()
    }

    /// Reads whole fragments of the server and returns the messages that they complete, without messages of
    /// forgotten pipelines and of unknown types.
    ///
    /// # Errors
    /// [`PsrpError`] if a message is malformed, exceeds a limit or is not allowed. The pool is broken then.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Event>, PsrpError> {
        let events = self.receive_all(bytes);
        if events.is_err() {
            self.state = PoolState::Broken;
        }
        events
    }

    fn receive_all(&mut self, bytes: &[u8]) -> Result<Vec<Event>, PsrpError> {
        if matches!(self.state, PoolState::BeforeOpen | PoolState::Closed | PoolState::Broken) {
            return Err(self.state_error("receive messages"));
        }
        let mut events = Vec::new();
        for (header, body) in self.channel.receive(bytes)? {
            events.extend(self.apply(header, body)?);
        }
        Ok(events)
    }

    fn apply(&mut self, header: Header, body: Body) -> Result<Option<Event>, PsrpError> {
        if !header.pool.is_zero() && header.pool != self.id {
            return Err(PsrpError::Header("the message belongs to another pool"));
        }
        let pipeline = (!header.pipeline.is_zero()).then_some(header.pipeline);
        match &body {
            Body::SessionCapability(theirs) => self.apply_capability(theirs)?,
            Body::PoolState(PoolStateRecord { state, .. }) => self.apply_state(*state)?,
            Body::RunspacePoolInitData(count) => {
                if self.state != PoolState::Connecting || self.protocol.is_none() {
                    return Err(self.unexpected(&body));
                }
                self.options.runspaces = *count;
                self.state = PoolState::Opened;
                self.replace_pipeline_states(PipelineState::Disconnected, PipelineState::Running);
            }
            Body::EncryptedSessionKey(key) => {
                let exchange = self.exchange_key.take();
                let exchange = exchange.ok_or(PsrpError::Key("no exchange of keys was started"))?;
                self.protection = Some(TextProtection::SessionKey(exchange.open(key)?));
            }
            Body::PublicKeyRequest
            | Body::RunspaceAvailability { .. }
            | Body::UserEvent(_)
            | Body::ApplicationPrivateData(_)
            | Body::PoolHostCall(_) => {}
            Body::PipelineOutput(_)
            | Body::Error(_)
            | Body::Debug(_)
            | Body::Verbose(_)
            | Body::Warning(_)
            | Body::Progress(_)
            | Body::Information(_)
            | Body::PipelineHostCall(_)
            | Body::PipelineState(_) => return Ok(self.apply_to_pipeline(pipeline, body)),
            Body::Unknown(_) => return Ok(None),
            _ => return Err(self.unexpected(&body)),
        }
        Ok(Some(Event { pipeline, body }))
    }

    fn apply_capability(&mut self, theirs: &SessionCapability) -> Result<(), PsrpError> {
        let protocol = accept_server(&self.ours, theirs)?;
        match self.state {
            PoolState::NegotiationSent => self.state = PoolState::NegotiationSucceeded,
            PoolState::Connecting => {}
            _ => return Err(self.unexpected(&Body::SessionCapability(theirs.clone()))),
        }
        self.protocol = Some(protocol);
        if !has_session_keys(protocol) {
            self.protection = Some(TextProtection::Connection);
        }
        Ok(())
    }

    fn apply_state(&mut self, state: PoolState) -> Result<(), PsrpError> {
        let is_negotiated = !matches!(self.state, PoolState::NegotiationSent) && self.protocol.is_some();
        match state {
            PoolState::Opened if is_negotiated => self.state = state,
            PoolState::Opened => {
                return Err(PsrpError::Unexpected {
                    message: "RUNSPACEPOOL_STATE",
                    state: self.state.name(),
                });
            }
            PoolState::Closed | PoolState::Broken => {
                self.state = state;
                for pipeline in self.pipelines.values_mut().filter(|pipeline| !pipeline.state.is_final()) {
                    *pipeline = Pipeline { state: PipelineState::Failed, accepts_input: false };
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the event of a pipeline, or `None` if the client has forgotten it or it has ended.
    fn apply_to_pipeline(&mut self, id: Option<Guid>, body: Body) -> Option<Event> {
        let pipeline = self.pipelines.get_mut(&id?)?;
        if pipeline.state.is_final() {
            return None;
        }
        if let Body::PipelineState(PipelineStateRecord { state, .. }) = &body {
            let is_stopping = pipeline.state == PipelineState::Stopping && *state == PipelineState::Running;
            if !is_stopping {
                pipeline.state = *state;
            }
            if state.is_final() {
                pipeline.accepts_input = false;
            }
        }
        Some(Event { pipeline: id, body })
    }

    fn replace_pipeline_states(&mut self, from: PipelineState, to: PipelineState) {
        for pipeline in self.pipelines.values_mut().filter(|pipeline| pipeline.state == from) {
            pipeline.state = to;
        }
    }

    fn send(&mut self, pipeline: Option<Guid>, body: &Body) -> Result<(), PsrpError> {
        self.channel.send(self.id, pipeline, body)
    }

    fn require(&self, state: PoolState, operation: &'static str) -> Result<(), PsrpError> {
        if self.state == state { Ok(()) } else { Err(self.state_error(operation)) }
    }

    fn state_error(&self, operation: &'static str) -> PsrpError {
        PsrpError::State { operation, state: self.state.name() }
    }

    fn unexpected(&self, body: &Body) -> PsrpError {
        PsrpError::Unexpected { message: body.kind().name(), state: self.state.name() }
    }
}

/// Request about the runspaces of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunspaceRequest {
    /// Sets the maximum number of runspaces.
    SetMax(i32),
    /// Sets the minimum number of runspaces.
    SetMin(i32),
    /// Asks for the number of available runspaces.
    CountAvailable,
    /// Resets the variables of the only runspace; from 2.3.
    ResetState,
}
