//! State that a pool shares with its pipelines, and its requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use locks::Mutex;
use psrp::{
    Availability, Body, ClientPool, ErrorCategory, ErrorRecord, Event, Guid, HostCall, HostResponse,
    PoolState, Stream, xpress,
};
use tokio::sync::{Mutex as Turn, Notify};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use wsman::shell::{CommandLine, StreamData, option, parse_command_response, stream_capacity};
use wsman::{Compression, OptionSet, ShellVerb};

use crate::error::{Error, Waiting};
use crate::session::Retry;
use crate::shell::stdin::{End, LARGEST_ENVELOPE};
use crate::shell::{Channel, in_background};
use crate::timeouts::Timeouts;

/// State of a runspace pool.
pub(super) struct Shared {
    /// The shell of the pool.
    pub(super) channel: Channel,
    pub(super) core: Mutex<ClientPool>,
    /// Whether the client declared a host, which answers calls.
    pub(super) has_host: bool,
    /// Signals a new state, a key, or an answer about runspaces.
    changed: Notify,
    /// Requests about runspaces that wait for their answer.
    answers: Mutex<BTreeMap<i64, Option<Availability>>>,
    /// Data that the service describes itself with.
    private_data: Mutex<Option<psrp::clixml::Value>>,
    /// Reason why the pool cannot be used any more.
    failure: Mutex<Option<String>>,
    /// Task that receives the messages of the pool.
    keeper: Mutex<Option<AbortHandle>>,
    /// Messages to the pool are sent one after the other.
    turn: Turn<()>,
    is_released: Mutex<bool>,
    /// Number of times that the client has disconnected, which ends the requests of pipelines.
    disconnections: AtomicU64,
    /// Compression that the service has chosen.
    compression: Mutex<Compression>,
}

impl Shared {
    pub(super) fn new(channel: Channel, core: ClientPool, has_host: bool) -> Self {
        Self {
            channel,
            core: Mutex::new(core),
            has_host,
            changed: Notify::new(),
            answers: Mutex::default(),
            private_data: Mutex::default(),
            failure: Mutex::default(),
            keeper: Mutex::default(),
            turn: Turn::default(),
            is_released: Mutex::new(false),
            disconnections: AtomicU64::new(0),
            compression: Mutex::default(),
        }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.channel.session.timeouts()
    }

    pub(super) fn state(&self) -> PoolState {
        self.core.lock().state()
    }

    /// Replaces the task that receives the messages of the pool, and ends the previous one.
    pub(super) fn set_keeper(&self, keeper: Option<AbortHandle>) {
        let previous = std::mem::replace(&mut *self.keeper.lock(), keeper);
        if let Some(previous) = previous {
            previous.abort();
        }
    }

    /// Marks the shell as deleted or left to another client, so that it is not deleted again.
    pub(super) fn release(&self) {
        *self.is_released.lock() = true;
        self.set_keeper(None);
    }

    /// Returns the number of times that the client has disconnected.
    pub(super) fn disconnections(&self) -> u64 {
        self.disconnections.load(Ordering::Acquire)
    }

    /// Counts a disconnection, before the service ends the requests.
    pub(super) fn note_disconnection(&self) {
        self.disconnections.fetch_add(1, Ordering::AcqRel);
    }

    /// Marks the shell as one of this client again, which deletes it at the end.
    pub(super) fn retain(&self) {
        *self.is_released.lock() = false;
    }

    /// Marks the pool as unusable.
    pub(super) fn fail(&self, reason: String) {
        self.failure.lock().get_or_insert(reason);
        self.changed.notify_waiters();
    }

    /// Returns the error of an operation on a pool that cannot be used; `None` if it is open.
    pub(super) fn unusable(&self) -> Option<Error> {
        if let Some(reason) = self.failure.lock().clone() {
            return Some(Error::PoolUnusable { reason });
        }
        match self.state() {
            PoolState::Broken => Some(unusable("its messages were invalid")),
            PoolState::Closed => Some(unusable("it is closed")),
            PoolState::Disconnected => Some(unusable("it is disconnected; reconnect it first")),
            _ => None,
        }
    }

    /// Sets the compression that the service has chosen.
    pub(super) fn set_compression(&self, compression: Compression) {
        *self.compression.lock() = compression;
    }

    /// Reads a piece of a stream of the service and returns the messages for pipelines.
    pub(super) fn receive_piece(&self, piece: &[u8]) -> Result<Vec<Event>, Error> {
        if *self.compression.lock() == Compression::None {
            return self.receive(piece);
        }
        let fragments = xpress::decompress_chunks(piece, LONGEST_PIECE);
        self.receive(&fragments.inspect_err(|error| self.fail(error.to_string()))?)
    }

    /// Reads fragments of the service and returns the messages for pipelines.
    pub(super) fn receive(&self, fragments: &[u8]) -> Result<Vec<Event>, Error> {
        let received = self.core.lock().receive(fragments);
        let events = received.inspect_err(|error| self.fail(error.to_string()))?;
        let mut of_pipelines = Vec::new();
        for event in events {
            match event.pipeline {
                Some(_) => of_pipelines.push(event),
                None => self.apply(event.body),
            }
        }
        Ok(of_pipelines)
    }

    /// Applies a message to the pool.
    fn apply(&self, body: Body) {
        match body {
            Body::PoolState(record) => {
                let reason = record.error.as_ref().and_then(|error| error.message());
                match record.state {
                    PoolState::Closed | PoolState::Broken => {
                        self.fail(reason.unwrap_or("the service has closed it").to_owned());
                    }
                    _ => {}
                }
            }
            Body::RunspaceAvailability { result, call } => {
                if let Some(answer) = self.answers.lock().get_mut(&call) {
                    *answer = Some(result);
                }
            }
            Body::ApplicationPrivateData(data) => *self.private_data.lock() = Some(data),
            Body::PoolHostCall(call) => {
                if let Some(refusal) = refuse(&call) {
                    // The response is sent by the keeper, after all messages of its Receive.
                    let refused = self.core.lock().respond(None, refusal);
                    tracing::debug!(method = call.method.name(), ?refused, "Refused a host call of the pool");
                }
            }
            _ => {}
        }
        self.changed.notify_waiters();
    }

    pub(super) fn private_data(&self) -> Option<psrp::clixml::Value> {
        self.private_data.lock().clone()
    }

    /// Waits until a condition holds; fails with the pool, and after a minute.
    pub(super) async fn wait_for<T>(&self, mut condition: impl FnMut() -> Option<T>) -> Result<T, Error> {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = condition() {
                    return Ok(found);
                }
                if let Some(error) = self.unusable() {
                    return Err(error);
                }
                changed.await;
            }
        };
        let waited = timeout(ANSWER_TIMEOUT, waiting).await;
        waited.unwrap_or(Err(Error::TimedOut { what: Waiting::Silence, after: ANSWER_TIMEOUT }))
    }

    /// Sends a request about runspaces and waits for its answer.
    pub(super) async fn request(&self, request: psrp::RunspaceRequest) -> Result<Availability, Error> {
        let call = self.core.lock().request(request)?;
        self.answers.lock().insert(call, None);
        let answer = match self.send(&self.channel, None, Stream::Default, &self.turn).await {
            Ok(()) => self.wait_for(|| self.answers.lock().get(&call).copied().flatten()).await,
            Err(error) => Err(error),
        };
        self.answers.lock().remove(&call);
        answer
    }

    /// Sends the queued messages of the pool.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        self.send(&self.channel, None, Stream::PromptResponse, &self.turn).await?;
        self.send(&self.channel, None, Stream::Default, &self.turn).await
    }

    /// Sends the queued messages for a target, one request after the other.
    pub(super) async fn send(
        &self,
        channel: &Channel,
        pipeline: Option<Guid>,
        stream: Stream,
        turn: &Turn<()>,
    ) -> Result<(), Error> {
        let _turn = turn.lock().await;
        let timeouts = self.timeouts();
        while let Some(fragments) = self.take(pipeline, stream) {
            self.send_fragments(channel, stream, fragments, &timeouts).await?;
        }
        Ok(())
    }

    /// Sends queued input of a pipeline in full requests, as long as the queue is full.
    pub(super) async fn send_full(
        &self,
        channel: &Channel,
        pipeline: Guid,
        turn: &Turn<()>,
    ) -> Result<(), Error> {
        let _turn = turn.lock().await;
        let timeouts = self.timeouts();
        while self.core.lock().queued() > FULL_QUEUE
            && let Some(fragments) = self.take(Some(pipeline), Stream::Default)
        {
            self.send_fragments(channel, Stream::Default, fragments, &timeouts).await?;
        }
        Ok(())
    }

    /// Sends fragments in one request.
    async fn send_fragments(
        &self,
        channel: &Channel,
        stream: Stream,
        mut fragments: Vec<u8>,
        timeouts: &Timeouts,
    ) -> Result<(), Error> {
        let name = match stream {
            Stream::Default => "stdin",
            Stream::PromptResponse => "pr",
        };
        let compression = *self.compression.lock();
        if compression == Compression::Xpress {
            fragments = xpress::compress_chunks(&fragments);
        }
        channel.send(StreamData { name, octets: &fragments }, End::Open, timeouts).await
    }

    /// Returns the next fragments for a target that fit into a request.
    pub(super) fn take(&self, pipeline: Option<Guid>, stream: Stream) -> Option<Vec<u8>> {
        let mut core = self.core.lock();
        // Services since 2.2 accept large envelopes; of an older one, or before its answer, the size is not known.
        let largest = match core.protocol() {
            Some(protocol) if protocol >= psrp::clixml::Version::new(2, 2) => LARGE_ENVELOPE,
            _ => LARGEST_ENVELOPE,
        };
        let envelope = self.channel.session.max_envelope_size().min(largest);
        core.take_for(pipeline, stream, stream_capacity(envelope)).map(|outgoing| outgoing.fragments)
    }

    /// Starts a pipeline whose first message is queued, and returns its channel.
    pub(super) async fn start(&self, id: Guid) -> Result<Channel, Error> {
        let first = self.take(Some(id), Stream::Default).unwrap_or_default();
        let line = CommandLine {
            command_id: Some(format!("{id:#}")),
            command: String::new(),
            arguments: vec![STANDARD.encode(first)],
        };
        let switches = OptionSet::new().with(option::SKIP_CMD_SHELL, "False");
        let timeouts = self.timeouts();
        let started =
            self.channel.ask(ShellVerb::Command, switches, Retry::Unsafe, &timeouts, |body| line.write(body));
        let answer = started.await?;
        let command_id = answer.content_named("CommandResponse").and_then(parse_command_response);
        let command_id = command_id
            .ok_or_else(|| self.channel.session.missing("the identifier of the command", &answer))?;
        Ok(Channel { command_id: Some(command_id), ..self.channel.clone() })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.set_keeper(None);
        if !*self.is_released.lock() {
            in_background(self.channel.clone().delete());
        }
    }
}

/// Returns the response to a call that no host answers; `None` if the service expects none.
pub(super) fn refuse(call: &HostCall) -> Option<HostResponse> {
    if !call.has_response() {
        return None;
    }
    let message = format!("The client has no host that supports {}.", call.method.name());
    let category = ErrorCategory { code: NOT_IMPLEMENTED, ..ErrorCategory::default() };
    let error = ErrorRecord {
        category,
        ..ErrorRecord::new(&message, "RemoteHostExecutionException", NOT_IMPLEMENTED)
    };
    Some(HostResponse { call: call.call, method: call.method, result: Err(Box::new(error)) })
}

fn unusable(reason: &str) -> Error {
    Error::PoolUnusable { reason: reason.to_owned() }
}

/// Number of the category "not implemented" (MS-PSRP 2.2.3.9).
const NOT_IMPLEMENTED: i32 = 11;
/// Maximum length of a decompressed piece of a stream in bytes.
const LONGEST_PIECE: usize = 4 << 20;
/// Longest wait for the answer to a request about runspaces or keys.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Size of queued input in bytes from which it is sent: more than one request takes, so that most requests are full.
pub(super) const FULL_QUEUE: usize = 512 * 1_024;
/// Envelope size that services with version 2.2 and later accept, in bytes.
const LARGE_ENVELOPE: u32 = 512_000;
