//! Running pipelines: output, input, responses to host calls, and signals.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;

use psrp::clixml::Value;
use psrp::{ErrorRecord, Event, Guid, HostCall, HostResponse, PoolState, Stream};
use tokio::sync::Mutex as Turn;
use tokio::time::{Instant, sleep_until};
use wsman::shell::{CommandState, Received, SignalCode};

use super::events::{Content, PipelineEvent, PipelineOutcome};
use super::keeper::ConnectionLoss;
use super::pace::Pace;
use super::shared::{FULL_QUEUE, Shared, refuse};
use crate::error::Error;
use crate::shell::command::{PendingReceive, receive};
use crate::shell::{Channel, ignoring_gone, in_background};

/// Running pipeline in a runspace pool. Dropping it before [`Pipeline::finish`] stops it in the background, unless the
/// pool is disconnected: its pipelines continue without a client.
///
/// Output is requested only when [`Pipeline::next`] waits for it, so a slow reader slows the script.
pub struct Pipeline {
    controls: PipelineControls,
    /// Received events that were not returned yet.
    ready: VecDeque<PipelineEvent>,
    /// Pending Receive request. It survives a cancelled `next`, because the service sends output only once.
    receiving: Option<PendingReceive>,
    /// Number of disconnections of the pool when the request was sent.
    disconnections: u64,
    loss: ConnectionLoss,
    /// Pauses between requests; `None` for a script that exchanges objects with the client.
    pace: Option<Pace>,
    outcome: Option<PipelineOutcome>,
    had_errors: bool,
    is_finished: bool,
}

/// Handle for the input, the host calls and the end of a pipeline, usable while another task waits for its events.
#[derive(Clone)]
pub struct PipelineControls {
    shared: Arc<Shared>,
    id: Guid,
    channel: Channel,
    /// Input is sent in order.
    input_turn: Arc<Turn<()>>,
    /// Responses to host calls are sent in order, and do not wait for input.
    response_turn: Arc<Turn<()>>,
}

impl Pipeline {
    pub(super) fn new(shared: Arc<Shared>, id: Guid, channel: Channel, takes_input: bool) -> Self {
        let is_interactive = takes_input || shared.has_host;
        let controls = PipelineControls {
            shared,
            id,
            channel,
            input_turn: Arc::default(),
            response_turn: Arc::default(),
        };
        Self {
            controls,
            ready: VecDeque::new(),
            receiving: None,
            disconnections: 0,
            loss: ConnectionLoss::default(),
            pace: (!is_interactive).then(Pace::default),
            outcome: None,
            had_errors: false,
            is_finished: false,
        }
    }

    /// Identifier of the pipeline.
    #[must_use]
    pub fn id(&self) -> Guid {
        self.controls.id
    }

    /// Returns a handle for input, host calls and the end of the pipeline.
    #[must_use]
    pub fn controls(&self) -> PipelineControls {
        self.controls.clone()
    }

    /// Result of the pipeline; `None` until [`Self::next`] has returned `None`.
    #[must_use]
    pub fn outcome(&self) -> Option<&PipelineOutcome> {
        self.outcome.as_ref().filter(|_| self.ready.is_empty())
    }

    /// Returns whether the pipeline has written an error or was ended by one.
    #[must_use]
    pub fn had_errors(&self) -> bool {
        self.had_errors || matches!(self.outcome, Some(PipelineOutcome::Failed(_)))
    }

    /// Waits for the next event, for as long as the pipeline runs; `None` at its end. The future is cancellation-safe.
    ///
    /// Host calls are refused if the pool was opened without a host.
    ///
    /// # Errors
    /// [`Error`] if a request or a response fails, or the pool cannot be used.
    pub async fn next(&mut self) -> Result<Option<PipelineEvent>, Error> {
        self.wait_ready().await?;
        Ok(self.ready.pop_front())
    }

    /// Waits until [`Self::take_ready`] returns events, or the pipeline has ended. The future is cancellation-safe.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn wait_ready(&mut self) -> Result<(), Error> {
        loop {
            match self.ready.front() {
                Some(event) => {
                    let Some(call) = self.call_to_refuse(event) else { return Ok(()) };
                    let refusal = refuse(call);
                    self.ready.pop_front();
                    if let Some(refusal) = refusal {
                        self.controls.send_response(refusal).await?;
                    }
                }
                None if self.outcome.is_some() => return Ok(()),
                None => self.receive().await?,
            }
        }
    }

    /// Returns the events that have arrived, up to the next host call that the library refuses, without waiting.
    #[must_use]
    pub fn take_ready(&mut self) -> Vec<PipelineEvent> {
        let refused = self.ready.iter().position(|event| self.call_to_refuse(event).is_some());
        self.ready.drain(..refused.unwrap_or(self.ready.len())).collect()
    }

    /// Returns the host call of an event if no host answers it.
    fn call_to_refuse<'e>(&self, event: &'e PipelineEvent) -> Option<&'e HostCall> {
        match event {
            PipelineEvent::HostCall(call) if !self.controls.shared.has_host => Some(call),
            _ => None,
        }
    }

    async fn receive(&mut self) -> Result<(), Error> {
        let PipelineControls { shared, channel, .. } = &self.controls;
        let timeouts = shared.timeouts();
        if self.receiving.is_none()
            && let Some(next) = self.pace.as_ref().and_then(Pace::next_request)
        {
            sleep_until(next).await;
        }
        let receiving = self.receiving.get_or_insert_with(|| {
            self.disconnections = shared.disconnections();
            Box::pin(receive(channel.clone(), vec!["stdout".to_owned()], timeouts))
        });
        let asked = Instant::now();
        let received = receiving.await;
        self.receiving = None;
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                // The state of the pool explains a failed request better than the request.
                if let Some(unusable) = shared.unusable() {
                    return Err(unusable);
                }
                // The service has ended the request because the client disconnected in between.
                if matches!(error, Error::Fault(_)) && self.disconnections != shared.disconnections() {
                    return Ok(());
                }
                return self.loss.wait(error).await;
            }
        };
        self.loss = ConnectionLoss::default();
        let length = received.streams.iter().map(|piece| piece.octets.len()).sum();
        if let Some(pace) = &mut self.pace {
            pace.note(asked, Instant::now(), length);
        }
        self.take(received)?;
        // A response may also have a part of a long object, whose rest is requested at once.
        if length == 0 && self.outcome.is_none() {
            timeouts.wait_before_retry(asked).await?;
        }
        Ok(())
    }

    fn take(&mut self, received: Received) -> Result<(), Error> {
        for piece in received.streams.iter().filter(|piece| !piece.octets.is_empty()) {
            for Event { pipeline, body } in self.controls.shared.receive_piece(&piece.octets)? {
                if pipeline != Some(self.controls.id) {
                    tracing::debug!("Dropped a message of another pipeline");
                    continue;
                }
                match Content::of(body) {
                    Content::Event(event) => {
                        self.had_errors |= matches!(event, PipelineEvent::Error(_));
                        self.ready.push_back(event);
                    }
                    Content::End(outcome) => self.outcome = Some(outcome),
                    Content::Nothing => {}
                }
            }
        }
        if let Some(CommandState::Done { .. }) = received.state {
            self.outcome.get_or_insert_with(|| {
                let message = "The service ended the pipeline without reporting its state.";
                PipelineOutcome::Failed(Box::new(ErrorRecord::new(message, "PipelineEnded", 0)))
            });
        }
        Ok(())
    }

    /// Ends the pipeline if it is running, and releases its resources on the service.
    ///
    /// # Errors
    /// [`Error`] if the request fails; succeeds if the pipeline no longer exists.
    pub async fn finish(mut self) -> Result<(), Error> {
        drop(mem::take(&mut self.receiving));
        let PipelineControls { shared, id, channel, .. } = self.controls.clone();
        let finished = channel.terminate().await;
        self.is_finished = true;
        shared.core.lock().forget_pipeline(id);
        finished
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // A pending Receive would delay the end.
        drop(mem::take(&mut self.receiving));
        if !self.is_finished {
            let PipelineControls { shared, id, channel, .. } = self.controls.clone();
            if shared.state() == PoolState::Disconnected {
                return shared.core.lock().forget_pipeline(id);
            }
            in_background(async move {
                let ended = channel.terminate().await;
                shared.core.lock().forget_pipeline(id);
                ended
            });
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("id", &self.id())
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl PipelineControls {
    /// Sends objects to the input, in as few requests as their sizes allow.
    ///
    /// If the future is dropped before it is ready, an unknown part of the objects was sent.
    ///
    /// # Errors
    /// [`Error`] if a request fails; [`Error::PowerShell`] if the pipeline has ended or takes no input.
    pub async fn send(&self, values: impl IntoIterator<Item = Value>) -> Result<(), Error> {
        let mut values = values.into_iter();
        let mut queue = self.queue(&mut values)?;
        while queue == Queue::Full {
            // More objects are encoded while the service handles these.
            let sending = self.shared.send_full(&self.channel, self.id, &self.input_turn);
            let (sent, queued) = tokio::join!(sending, async { self.queue(&mut values) });
            sent?;
            queue = queued?;
        }
        self.flush().await
    }

    /// Queues at least one object, and then as many as the queue takes.
    fn queue(&self, values: &mut impl Iterator<Item = Value>) -> Result<Queue, Error> {
        for value in values {
            let mut core = self.shared.core.lock();
            core.input(self.id, value)?;
            if core.queued() > FULL_QUEUE {
                return Ok(Queue::Full);
            }
        }
        Ok(Queue::Complete)
    }

    /// Ends the input.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn end_input(&self) -> Result<(), Error> {
        self.shared.core.lock().end_input(self.id)?;
        self.flush().await
    }

    /// Answers a host call: with the result of the method, or with an error that the script receives.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn respond(&self, call: &HostCall, result: Result<Value, ErrorRecord>) -> Result<(), Error> {
        let result = result.map_err(Box::new);
        self.send_response(HostResponse { call: call.call, method: call.method, result }).await
    }

    /// Answers a host call with the error that the client does not support the method; does nothing if the call
    /// expects no response.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn refuse(&self, call: &HostCall) -> Result<(), Error> {
        match refuse(call) {
            Some(refusal) => self.send_response(refusal).await,
            None => Ok(()),
        }
    }

    async fn send_response(&self, response: HostResponse) -> Result<(), Error> {
        self.shared.core.lock().respond(Some(self.id), response)?;
        self.shared.send(&self.channel, Some(self.id), Stream::PromptResponse, &self.response_turn).await
    }

    /// Stops the pipeline as Ctrl-C does; its last events and its outcome still arrive.
    ///
    /// # Errors
    /// [`Error`] if the request fails; succeeds if the pipeline has ended.
    pub async fn stop(&self) -> Result<(), Error> {
        let signalled = ignoring_gone(self.channel.signal(SignalCode::PowerShellStop).await);
        self.shared.core.lock().mark_stopping(self.id);
        signalled
    }

    /// Sends the queued messages of the pipeline.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        self.shared.send(&self.channel, Some(self.id), Stream::Default, &self.input_turn).await
    }
}

impl fmt::Debug for PipelineControls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineControls").field("id", &self.id).finish_non_exhaustive()
    }
}

/// State of the queue after objects were added.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// More objects may follow once some were sent.
    Full,
    /// All objects are in the queue.
    Complete,
}
