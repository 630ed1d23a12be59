//! Server's end of a runspace pool (MS-PSRP 3.2).

use std::collections::BTreeMap;

use crate::channel::{Channel, Event, Outgoing, PoolLimits};
use crate::clixml::{SecureString, Value, Version};
use crate::error::PsrpError;
use crate::error_record::ErrorRecord;
use crate::guid::Guid;
use crate::host::{HostCall, HostMethod, NO_RESPONSE};
use crate::message::{Header, Role};
use crate::negotiation::{answer_client, has_session_keys};
use crate::record::{
    Availability, Body, InitRunspacePool, PipelineStateRecord, PoolStateRecord, RunspaceCount,
    SessionCapability,
};
use crate::session_key::{SessionKey, TextProtection};
use crate::state::{PipelineState, PoolState};

/// Settings of a new [`ServerPool`].
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Newest version of the protocol.
    pub protocol: Version,
    /// Session key, which the caller draws at random; a client may ask for it up to version 2.3.
    pub session_key: SessionKey,
    /// Data about the server for the client: a dictionary.
    pub private_data: Value,
    /// Limits of what the client sends.
    pub limits: PoolLimits,
}

/// Server's end of a runspace pool, without a transport and without PowerShell.
///
/// The caller passes received bytes to [`receive`](Self::receive), runs the pipelines that the returned events
/// create, and sends what [`take`](Self::take) returns. Capability, settings, numbers of runspaces and key
/// exchange are answered here.
#[derive(Debug)]
pub struct ServerPool {
    /// Identifier that the client chose; zero before its first message.
    id: Guid,
    state: PoolState,
    options: ServerOptions,
    channel: Channel,
    protocol: Option<Version>,
    runspaces: RunspaceCount,
    pipelines: BTreeMap<Guid, Pipeline>,
    next_call: i64,
    /// Host calls without response.
    calls: BTreeMap<i64, PendingCall>,
    protection: Option<TextProtection>,
}

#[derive(Debug)]
struct Pipeline {
    state: PipelineState,
    accepts_input: bool,
}

#[derive(Debug)]
struct PendingCall {
    pipeline: Option<Guid>,
    method: HostMethod,
}

impl ServerPool {
    /// Returns a pool that waits for the messages of its client.
    #[must_use]
    pub fn new(options: ServerOptions) -> Self {
        let channel = Channel::new(Role::Server, options.limits);
        Self {
            id: Guid::ZERO,
            state: PoolState::BeforeOpen,
            options,
            channel,
            protocol: None,
            runspaces: RunspaceCount { min: 1, max: 1 },
            pipelines: BTreeMap::new(),
            next_call: 1,
            calls: BTreeMap::new(),
            protection: None,
        }
    }

    /// Returns the identifier that the client chose; zero before its first message.
    #[must_use]
    pub fn id(&self) -> Guid {
        self.id
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> PoolState {
        self.state
    }

    /// Returns the version of the protocol in use; `None` before the client's capability.
    #[must_use]
    pub fn protocol(&self) -> Option<Version> {
        self.protocol
    }

    /// Returns the number of runspaces that the client wants.
    #[must_use]
    pub fn runspaces(&self) -> RunspaceCount {
        self.runspaces
    }

    /// Returns the state of a pipeline; `None` for an unknown pipeline.
    #[must_use]
    pub fn pipeline_state(&self, pipeline: Guid) -> Option<PipelineState> {
        self.pipelines.get(&pipeline).map(|pipeline| pipeline.state)
    }

    /// Queues a record of a pipeline: output, error, debug, verbose, warning, progress or information.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pipeline has ended or the record is of another kind.
    pub fn write(&mut self, pipeline: Guid, record: Body) -> Result<(), PsrpError> {
        let is_record = matches!(
            record,
            Body::PipelineOutput(_)
                | Body::Error(_)
                | Body::Debug(_)
                | Body::Verbose(_)
                | Body::Warning(_)
                | Body::Progress(_)
                | Body::Information(_)
        );
        let state = self.require_running(pipeline)?;
        if !is_record {
            return Err(PsrpError::State { operation: "write this message", state: state.name() });
        }
        self.send(Some(pipeline), &record)
    }

    /// Ends a pipeline: queues its state, and forgets it.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pipeline has ended or `state` is not final.
    pub fn end(
        &mut self,
        pipeline: Guid,
        state: PipelineState,
        error: Option<ErrorRecord>,
    ) -> Result<(), PsrpError> {
        let before = self.require_running(pipeline)?;
        if !state.is_final() {
            return Err(PsrpError::State { operation: "end a pipeline", state: before.name() });
        }
        let record = PipelineStateRecord { state, error: error.map(Box::new) };
        self.send(Some(pipeline), &Body::PipelineState(record))?;
        self.pipelines.remove(&pipeline);
        self.calls.retain(|_, call| call.pipeline != Some(pipeline));
        Ok(())
    }

    /// Marks a pipeline as being stopped, after the transport received the signal.
    pub fn mark_stopping(&mut self, pipeline: Guid) {
        if let Some(pipeline) = self.pipelines.get_mut(&pipeline) {
            *pipeline = Pipeline { state: PipelineState::Stopping, accepts_input: false };
        }
    }

    /// Queues a host call of a pipeline or, with `None`, of the pool, and returns its number. The response arrives
    /// as an event; void methods have none.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is not open or the pipeline has ended, and [`PsrpError::TooLarge`] if
    /// 1,000 calls wait.
    pub fn call_host(
        &mut self,
        pipeline: Option<Guid>,
        method: HostMethod,
        parameters: Vec<Value>,
    ) -> Result<i64, PsrpError> {
        self.require_open("call the host")?;
        if let Some(pipeline) = pipeline {
            self.require_running(pipeline)?;
        }
        if self.calls.len() >= MAX_CALLS {
            return Err(PsrpError::TooLarge { what: "number of waiting host calls", limit: MAX_CALLS });
        }
        let call = if method.has_response() { self.next_call } else { NO_RESPONSE };
        let body = HostCall { call, method, parameters };
        let body = if pipeline.is_some() { Body::PipelineHostCall(body) } else { Body::PoolHostCall(body) };
        self.send(pipeline, &body)?;
        if method.has_response() {
            self.next_call += 1;
            self.calls.insert(call, PendingCall { pipeline, method });
        }
        Ok(call)
    }

    /// Queues an event of the server.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is not open.
    pub fn raise(&mut self, event: crate::record::UserEvent) -> Result<(), PsrpError> {
        self.require_open("raise an event")?;
        self.send(None, &Body::UserEvent(Box::new(event)))
    }

    /// Answers a RESET_RUNSPACE_STATE.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is not open.
    pub fn answer_reset(&mut self, call: i64, is_reset: bool) -> Result<(), PsrpError> {
        self.require_open("answer a reset")?;
        let result = Availability::Changed(is_reset);
        self.send(None, &Body::RunspaceAvailability { result, call })
    }

    /// Marks the pool as broken and queues the error for the client.
    ///
    /// # Errors
    /// As [`clixml::write`](crate::clixml::write()).
    pub fn fail(&mut self, error: ErrorRecord) -> Result<(), PsrpError> {
        self.state = PoolState::Broken;
        self.pipelines.clear();
        let record = PoolStateRecord { state: PoolState::Broken, error: Some(Box::new(error)) };
        self.send(None, &Body::PoolState(record))
    }

    /// Marks the pool as disconnected, after the transport disconnected it. Pipelines continue.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is not open.
    pub fn mark_disconnected(&mut self) -> Result<(), PsrpError> {
        self.require_open("disconnect the pool")?;
        self.state = PoolState::Disconnected;
        self.channel.drop_incomplete();
        Ok(())
    }

    /// Marks the pool as open, after the transport reconnected it without messages.
    ///
    /// # Errors
    /// [`PsrpError::State`] if the pool is not disconnected.
    pub fn mark_reconnected(&mut self) -> Result<(), PsrpError> {
        if self.state != PoolState::Disconnected {
            return Err(PsrpError::State { operation: "reconnect the pool", state: self.state.name() });
        }
        self.state = PoolState::Opened;
        Ok(())
    }

    /// Returns text in the form in which it travels.
    ///
    /// # Errors
    /// [`PsrpError::Key`] before the exchange of keys.
    pub fn protect(&self, text: &str) -> Result<SecureString, PsrpError> {
        let protection = self.protection.as_ref();
        protection.ok_or(PsrpError::Key("no session key was exchanged"))?.protect(text)
    }

    /// Returns the protection of text; `None` until the client has asked for the session key.
    #[must_use]
    pub fn protection(&self) -> Option<&TextProtection> {
        self.protection.as_ref()
    }

    /// Returns the next whole fragments for the transport, at most `limit` bytes for one target and stream;
    /// `None` if nothing is queued or `limit` is below 22.
    pub fn take(&mut self, limit: usize) -> Option<Outgoing> {
        self.channel.take(limit)
    }

    /// Returns the length of the queued messages in bytes.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.channel.queued()
    }

    /// Reads whole fragments of the client and returns the messages that they complete, without messages to
    /// pipelines that have ended, responses to calls that do not wait, and messages of unknown types.
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
        if matches!(self.state, PoolState::Closed | PoolState::Broken) {
            return Err(PsrpError::State { operation: "receive messages", state: self.state.name() });
        }
        let mut events = Vec::new();
        for (header, body) in self.channel.receive(bytes)? {
            events.extend(self.apply(header, body)?);
        }
        Ok(events)
    }

    fn apply(&mut self, header: Header, body: Body) -> Result<Option<Event>, PsrpError> {
        if !self.id.is_zero() && header.pool != self.id {
            return Err(PsrpError::Header("the message belongs to another pool"));
        }
        let pipeline = (!header.pipeline.is_zero()).then_some(header.pipeline);
        match &body {
            Body::SessionCapability(theirs) => self.negotiate(header.pool, theirs)?,
            Body::InitRunspacePool(settings) => self.open(settings)?,
            Body::ConnectRunspacePool(count) => self.connect(*count)?,
            Body::PublicKey(key) => self.send_key(key)?,
            Body::SetMaxRunspaces { count, call } => {
                let wanted = RunspaceCount { max: *count, ..self.runspaces };
                self.resize(wanted, *call)?;
            }
            Body::SetMinRunspaces { count, call } => {
                let wanted = RunspaceCount { min: *count, ..self.runspaces };
                self.resize(wanted, *call)?;
            }
            Body::GetAvailableRunspaces(call) => self.count_available(*call)?,
            Body::ResetRunspaceState(_) => self.require_open_for(&body)?,
            Body::CreatePipeline(create) => self.create(pipeline, !create.has_no_input, &body)?,
            Body::GetCommandMetadata(_) => self.create(pipeline, false, &body)?,
            Body::PipelineInput(_) | Body::EndOfPipelineInput => {
                if !self.accept_input(pipeline, &body) {
                    return Ok(None);
                }
            }
            Body::PoolHostResponse(response) | Body::PipelineHostResponse(response) => {
                let waits = self.calls.get(&response.call).is_some_and(|call| call.method == response.method);
                if !waits {
                    return Ok(None);
                }
                self.calls.remove(&response.call);
            }
            Body::Unknown(_) => return Ok(None),
            _ => return Err(self.unexpected(&body)),
        }
        Ok(Some(Event { pipeline, body }))
    }

    fn negotiate(&mut self, pool: Guid, theirs: &SessionCapability) -> Result<(), PsrpError> {
        let ours = SessionCapability::new(self.options.protocol);
        let protocol = answer_client(&ours, theirs)?;
        self.state = match self.state {
            PoolState::BeforeOpen if !pool.is_zero() => PoolState::NegotiationSucceeded,
            PoolState::Disconnected => PoolState::Connecting,
            _ => return Err(self.unexpected(&Body::SessionCapability(theirs.clone()))),
        };
        self.id = pool;
        self.protocol = Some(protocol);
        if !has_session_keys(protocol) {
            self.protection = Some(TextProtection::Connection);
        }
        // Windows sends this message with a pool identifier of zero.
        self.channel.send(Guid::ZERO, None, &Body::SessionCapability(SessionCapability::new(protocol)))
    }

    fn open(&mut self, settings: &InitRunspacePool) -> Result<(), PsrpError> {
        if self.state != PoolState::NegotiationSucceeded || !is_valid(settings.runspaces) {
            return Err(self.unexpected(&Body::InitRunspacePool(Box::new(settings.clone()))));
        }
        self.runspaces = settings.runspaces;
        self.state = PoolState::Opened;
        self.send(None, &Body::ApplicationPrivateData(self.options.private_data.clone()))?;
        let record = PoolStateRecord { state: PoolState::Opened, error: None };
        self.send(None, &Body::PoolState(record))
    }

    fn connect(&mut self, count: Option<RunspaceCount>) -> Result<(), PsrpError> {
        let fits = count.is_none_or(|count| count == self.runspaces);
        if self.state != PoolState::Connecting || !fits {
            return Err(self.unexpected(&Body::ConnectRunspacePool(count)));
        }
        self.state = PoolState::Opened;
        self.send(None, &Body::RunspacePoolInitData(self.runspaces))?;
        self.send(None, &Body::ApplicationPrivateData(self.options.private_data.clone()))
    }

    fn send_key(&mut self, public_key: &str) -> Result<(), PsrpError> {
        let body = Body::PublicKey(public_key.to_owned());
        self.require_open_for(&body)?;
        if !self.protocol.is_some_and(has_session_keys) {
            return Err(self.unexpected(&body));
        }
        let key = self.options.session_key.clone();
        let sealed = key.seal_for(public_key)?;
        self.protection = Some(TextProtection::SessionKey(key));
        self.channel.send(Guid::ZERO, None, &Body::EncryptedSessionKey(sealed))
    }

    fn resize(&mut self, wanted: RunspaceCount, call: i64) -> Result<(), PsrpError> {
        self.require_open("change the number of runspaces")?;
        let is_changed = is_valid(wanted);
        if is_changed {
            self.runspaces = wanted;
        }
        let result = Availability::Changed(is_changed);
        self.send(None, &Body::RunspaceAvailability { result, call })
    }

    fn count_available(&mut self, call: i64) -> Result<(), PsrpError> {
        self.require_open("count runspaces")?;
        let busy = i64::try_from(self.pipelines.len()).unwrap_or(i64::MAX);
        let available = i64::from(self.runspaces.max).saturating_sub(busy).max(0);
        self.send(None, &Body::RunspaceAvailability { result: Availability::Available(available), call })
    }

    fn create(&mut self, id: Option<Guid>, accepts_input: bool, body: &Body) -> Result<(), PsrpError> {
        self.require_open_for(body)?;
        let id = id.filter(|id| !self.pipelines.contains_key(id)).ok_or_else(|| self.unexpected(body))?;
        let limit = self.channel.limits().pipelines;
        if self.pipelines.len() >= limit {
            return Err(PsrpError::TooLarge { what: "number of pipelines", limit });
        }
        self.pipelines.insert(id, Pipeline { state: PipelineState::Running, accepts_input });
        Ok(())
    }

    /// Returns whether a running pipeline takes the input.
    fn accept_input(&mut self, id: Option<Guid>, body: &Body) -> bool {
        let pipeline = id.and_then(|id| self.pipelines.get_mut(&id));
        let Some(pipeline) = pipeline.filter(|pipeline| pipeline.accepts_input) else { return false };
        pipeline.accepts_input = *body != Body::EndOfPipelineInput;
        true
    }

    fn require_running(&self, id: Guid) -> Result<PipelineState, PsrpError> {
        self.pipeline_state(id).ok_or_else(|| PsrpError::UnknownPipeline(id.to_string()))
    }

    fn require_open(&self, operation: &'static str) -> Result<(), PsrpError> {
        if self.state == PoolState::Opened {
            return Ok(());
        }
        Err(PsrpError::State { operation, state: self.state.name() })
    }

    fn require_open_for(&self, body: &Body) -> Result<(), PsrpError> {
        if self.state == PoolState::Opened { Ok(()) } else { Err(self.unexpected(body)) }
    }

    fn send(&mut self, pipeline: Option<Guid>, body: &Body) -> Result<(), PsrpError> {
        self.channel.send(self.id, pipeline, body)
    }

    fn unexpected(&self, body: &Body) -> PsrpError {
        PsrpError::Unexpected { message: body.kind().name(), state: self.state.name() }
    }
}

/// Maximum number of host calls that wait for a response.
const MAX_CALLS: usize = 1_000;

fn is_valid(count: RunspaceCount) -> bool {
    count.min >= 1 && count.max >= count.min
}
