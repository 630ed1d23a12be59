//! The PowerShell process of a pool: standard streams, acknowledgements and output.

mod io;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use locks::Mutex;
use psrp::out_of_proc::{Control, Packet};
use psrp::{Guid, Message, PsrpError};
use rustix::process::Signal;
use shells::ProcessLimiter;
use shells::process_group::{self, Group, GroupState, Program, supervise};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::PoolError;
use crate::output::{Batch, Channel};

pub(crate) use self::io::ErrorText;

/// Program, arguments and environment of a process.
pub(crate) struct ProcessSpec {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) directory: PathBuf,
    pub(crate) limiter: Arc<ProcessLimiter>,
    /// Maximum number of bytes of output that wait for the client.
    pub(crate) capacity: usize,
}

/// A running `pwsh -s`.
///
/// PowerShell handles each line of its input in a thread of its own, so that two lines for the same target could run in
/// any order. The next line for a target is therefore sent after the process has acknowledged the previous one.
pub(crate) struct Process {
    group: Arc<Group>,
    group_state: watch::Sender<GroupState>,
    exited: watch::Receiver<Option<i32>>,
    /// Lines for standard input; `None` once it is closed.
    lines: Mutex<Option<mpsc::Sender<String>>>,
    shared: Arc<Shared>,
}

/// State that the tasks of the process share with requests.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Notifies the task that reads output of free space.
    room: Notify,
    /// Whether the process has ended or was closed.
    is_over: watch::Sender<bool>,
    capacity: usize,
    errors: ErrorText,
}

struct State {
    /// The pool is the zero identifier.
    channels: HashMap<Guid, Channel>,
    waiting: HashMap<(Guid, Control), Waiting>,
    /// Number of bytes of output that wait for the client.
    buffered: usize,
    /// Whether output may be discarded when the buffer is full.
    may_discard: bool,
    /// Whether the pool is being closed, so that the process may end.
    is_closing: bool,
    /// Reason why the process has ended.
    end: Option<End>,
    /// Messages about the pool, for the plug-in.
    messages: Vec<Message>,
}

/// Reason why the process is not used any more.
#[derive(Clone, Debug)]
enum End {
    Closed,
    Exited(Option<i32>),
    Invalid(PsrpError),
}

/// A packet that the process has not acknowledged. The next packet for its target waits for it.
struct Waiting {
    done: oneshot::Sender<()>,
    _turn: OwnedSemaphorePermit,
}

impl Process {
    /// Starts the process.
    pub(crate) fn spawn(spec: &ProcessSpec) -> Result<Arc<Self>, PoolError> {
        if !spec.directory.is_dir() {
            return Err(PoolError::Directory { path: spec.directory.clone() });
        }
        let failed = |source| PoolError::Start { program: spec.program.clone(), source };
        let name = spec.program.file_name().unwrap_or(OsStr::new("pwsh"));
        let (leader, pipes) = process_group::spawn(&Program {
            path: &spec.program,
            name,
            arguments: &spec.arguments,
            environment: &spec.environment,
            directory: &spec.directory,
            limiter: &spec.limiter,
        })
        .map_err(failed)?;
        let group = leader.group();
        let streams = io::Streams::new(pipes).map_err(failed)?;
        let (group_state, state_changes) = watch::channel(GroupState::Running);
        let (exit, exited) = watch::channel(None);
        tokio::spawn(supervise(leader, state_changes, exit));
        let channels = HashMap::from([(Guid::ZERO, Channel::new(String::new()))]);
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                channels,
                waiting: HashMap::new(),
                buffered: 0,
                may_discard: false,
                is_closing: false,
                end: None,
                messages: Vec::new(),
            }),
            room: Notify::new(),
            is_over: watch::Sender::new(false),
            capacity: spec.capacity,
            errors: ErrorText::default(),
        });
        let (lines, queue) = mpsc::channel(1);
        streams.serve(queue, &shared, exited.clone());
        Ok(Arc::new(Self { group, group_state, exited, lines: Mutex::new(Some(lines)), shared }))
    }

    /// Returns the process group ID, which is the process ID.
    pub(crate) fn id(&self) -> u32 {
        self.group.id()
    }

    /// Sends a packet and waits for its acknowledgement. A packet that was written stays sent if the future is dropped.
    pub(crate) async fn send(&self, packet: &Packet, wait: Duration) -> Result<(), PoolError> {
        let (target, expected) = acknowledgement(packet);
        let turn = self.shared.with_channel(target, |channel| Arc::clone(&channel.sending))?;
        let exchange = async {
            let turn = turn.acquire_owned().await.map_err(|_| PoolError::Closed)?;
            let lines = self.lines.lock().clone().ok_or_else(|| self.shared.end())?;
            // The task that writes has ended, and the task that reads reports the reason.
            let Ok(slot) = lines.reserve().await else { return std::future::pending().await };
            let (done, acknowledged) = oneshot::channel();
            self.shared.state.lock().waiting.insert((target, expected), Waiting { done, _turn: turn });
            let mut line = String::new();
            packet.write(&mut line);
            slot.send(line);
            acknowledged.await.map_err(|_| match self.shared.end() {
                PoolError::Closed => PoolError::Terminated,
                end => end,
            })
        };
        let mut over = self.shared.is_over.subscribe();
        tokio::select! {
            biased;
            result = timeout(wait, exchange) => {
                result.unwrap_or(Err(PoolError::NoResponse { seconds: wait.as_secs() }))
            }
            _ = over.wait_for(|is_over| *is_over) => Err(self.shared.end()),
        }
    }

    /// Refuses input while too much output waits for the client.
    pub(crate) fn require_room(&self) -> Result<(), PoolError> {
        let is_full = self.shared.state.lock().buffered >= self.shared.capacity;
        if is_full { Err(PoolError::Busy) } else { Ok(()) }
    }

    /// Adds a pipeline.
    pub(crate) fn add_pipeline(&self, id: Guid, command_id: String, limit: usize) -> Result<(), PoolError> {
        let mut state = self.shared.state.lock();
        if state.end.is_some() {
            drop(state);
            return Err(self.shared.end());
        }
        // The pool itself is one of the channels.
        if state.channels.len() > limit {
            return Err(PoolError::TooManyPipelines);
        }
        if state.channels.contains_key(&id) {
            return Err(PoolError::Invalid(format!(
                "pipeline {id} already exists in the pool; choose another CommandId"
            )));
        }
        state.channels.insert(id, Channel::new(command_id));
        Ok(())
    }

    /// Forgets a pipeline, which ends a Receive that waits for its output.
    pub(crate) fn remove_pipeline(&self, id: Guid) {
        let mut state = self.shared.state.lock();
        if let Some(channel) = state.channels.remove(&id) {
            state.buffered = state.buffered.saturating_sub(channel.len());
            channel.arrived.notify_one();
        }
        state.waiting.retain(|(target, _), _| *target != id);
        drop(state);
        self.shared.room.notify_one();
    }

    /// Returns all pipelines with the identifiers of their commands, and whether they have ended.
    pub(crate) fn pipelines(&self) -> Vec<(Guid, String, bool)> {
        let state = self.shared.state.lock();
        let pipelines = state.channels.iter().filter(|(id, _)| !id.is_zero());
        pipelines.map(|(id, channel)| (*id, channel.command_id.clone(), channel.is_finished())).collect()
    }

    /// Changes a channel.
    pub(crate) fn with_channel<T>(
        &self,
        target: Guid,
        change: impl FnOnce(&mut Channel) -> T,
    ) -> Result<T, PoolError> {
        self.shared.with_channel(target, change)
    }

    /// Adds output of this service in front of that of the pool.
    pub(crate) fn push_front(&self, bytes: &[u8], kind: psrp::MessageType) {
        let mut state = self.shared.state.lock();
        if let Some(channel) = state.channels.get_mut(&Guid::ZERO) {
            channel.push_front(bytes, kind);
            state.buffered = state.buffered.saturating_add(bytes.len());
        }
    }

    /// Takes the messages about the pool that have arrived.
    pub(crate) fn take_messages(&self) -> Vec<Message> {
        std::mem::take(&mut self.shared.state.lock().messages)
    }

    /// Allows or forbids to discard output when the buffer is full.
    pub(crate) fn set_may_discard(&self, may_discard: bool) {
        self.shared.state.lock().may_discard = may_discard;
        self.shared.room.notify_one();
    }

    /// Wakes every waiting Receive, which then checks the state of the pool.
    pub(crate) fn wake_receivers(&self) {
        for channel in self.shared.state.lock().channels.values() {
            channel.arrived.notify_one();
        }
    }

    /// Waits for output of a target, and returns as many pieces as `fits` accepts. `is_interrupted` is checked whenever
    /// receivers are woken.
    pub(crate) async fn receive(
        self: &Arc<Self>,
        target: Guid,
        wait: Duration,
        mut fits: impl FnMut(usize) -> bool,
        is_interrupted: impl Fn() -> Option<PoolError>,
    ) -> Result<Delivery, PoolError> {
        let deadline = Instant::now() + wait;
        let (receiving, arrived) = self
            .shared
            .with_channel(target, |channel| (Arc::clone(&channel.receiving), Arc::clone(&channel.arrived)))?;
        let turn = tokio::select! {
            biased;
            turn = receiving.lock_owned() => turn,
            () = sleep_until(deadline) => return Err(PoolError::TimedOut),
        };
        loop {
            if let Some(error) = is_interrupted() {
                arrived.notify_one();
                return Err(error);
            }
            let batch = self.shared.peek(target, &mut fits)?;
            if let Some(batch) = batch {
                if batch.pieces.is_empty() && !batch.is_last {
                    return Err(PoolError::NoRoom { limit: 0 });
                }
                return Ok(Delivery { process: Arc::clone(self), target, batch, _turn: turn });
            }
            tokio::select! {
                biased;
                () = arrived.notified() => {}
                () = sleep_until(deadline) => return Err(PoolError::TimedOut),
            }
        }
    }

    /// Ends the process: first as PowerShell requires, then with SIGTERM, then with SIGKILL. Each step has the time
    /// `grace`.
    pub(crate) async fn end(&self, grace: Duration) {
        self.shared.state.lock().is_closing = true;
        let _ = timeout(grace, self.close_pool(grace)).await;
        self.lines.lock().take();
        if !self.exits_within(grace).await {
            tracing::debug!(process = self.id(), "PowerShell process does not end; terminating it");
            let _ = self.group.signal(Signal::TERM);
            let _ = self.group.signal(Signal::CONT);
            self.exits_within(grace).await;
        }
        self.kill();
        self.exits_within(KILL_WAIT).await;
    }

    async fn close_pool(&self, wait: Duration) {
        for (pipeline, _, is_finished) in self.pipelines() {
            if !is_finished {
                let _ = self.send(&Packet::Control(Control::Signal, pipeline), wait).await;
            }
            // The process does not close the pool before each of its pipelines.
            let _ = self.send(&Packet::Control(Control::Close, pipeline), wait).await;
        }
        let _ = self.send(&Packet::Control(Control::Close, Guid::ZERO), wait).await;
    }

    async fn exits_within(&self, wait: Duration) -> bool {
        let mut exited = self.exited.clone();
        let ended = timeout(wait, exited.wait_for(Option::is_some)).await;
        matches!(ended, Ok(Ok(_)))
    }

    /// Kills the process group.
    pub(crate) fn kill(&self) {
        if let Err(error) = self.group.signal(Signal::KILL) {
            tracing::warn!(process = self.id(), %error, "Cannot kill a PowerShell process");
        }
        self.group_state.send_replace(GroupState::Closed);
        self.shared.end_with(End::Closed);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Shared {
    fn with_channel<T>(&self, target: Guid, change: impl FnOnce(&mut Channel) -> T) -> Result<T, PoolError> {
        let mut state = self.state.lock();
        if let Some(channel) = state.channels.get_mut(&target) {
            return Ok(change(channel));
        }
        Err(PoolError::UnknownPipeline)
    }

    /// Returns output of a target; `None` before output arrives.
    fn peek(&self, target: Guid, fits: impl FnMut(usize) -> bool) -> Result<Option<Batch>, PoolError> {
        let state = self.state.lock();
        if matches!(state.end, Some(End::Closed)) {
            return Err(PoolError::Closed);
        }
        let Some(channel) = state.channels.get(&target) else { return Err(PoolError::Terminated) };
        if channel.has_output() {
            return Ok(Some(channel.peek(fits)));
        }
        let has_ended = state.end.is_some();
        drop(state);
        if has_ended { Err(self.end()) } else { Ok(None) }
    }

    /// Returns the error of an operation on a process that has ended.
    fn end(&self) -> PoolError {
        let (end, is_closing) = {
            let state = self.state.lock();
            (state.end.clone(), state.is_closing)
        };
        match end {
            None | Some(End::Closed) => PoolError::Closed,
            Some(End::Exited(_)) if is_closing => PoolError::Closed,
            Some(End::Invalid(error)) => PoolError::Child(error),
            Some(End::Exited(code)) => {
                let text = self.errors.text();
                let code = code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
                let text = if text.is_empty() { text } else { format!(": {text}") };
                PoolError::Ended { reason: code + &text }
            }
        }
    }

    /// Records the end and fails all pending requests. Only the first reason counts.
    fn end_with(&self, end: End) {
        {
            let mut state = self.state.lock();
            if state.end.is_none() {
                state.end = Some(end);
            }
            state.waiting.clear();
            for channel in state.channels.values() {
                channel.arrived.notify_one();
            }
        }
        self.is_over.send_replace(true);
        self.room.notify_one();
    }

    /// Handles a packet of the process.
    fn accept(&self, packet: Packet) -> Result<(), PsrpError> {
        let mut state = self.state.lock();
        let state = &mut *state;
        match packet {
            Packet::Data { target, data, .. } => {
                // Output of a pipeline that its client has released is dropped.
                let Some(channel) = state.channels.get_mut(&target) else { return Ok(()) };
                let mut messages = Vec::new();
                let added = channel.push(&data, &mut |message| messages.push(message))?;
                state.buffered = state.buffered.saturating_add(added);
                if target.is_zero() {
                    let room = MAX_MESSAGES.saturating_sub(state.messages.len());
                    state.messages.extend(messages.into_iter().take(room));
                }
                Ok(())
            }
            Packet::Control(control, target) => {
                if let Some(waiting) = state.waiting.remove(&(target, control)) {
                    let Waiting { done, _turn: turn } = waiting;
                    // Released before the notification, so that the next packet can be sent at once.
                    drop(turn);
                    let _ = done.send(());
                }
                Ok(())
            }
        }
    }

    /// Waits until output may be read.
    async fn wait_for_room(&self) {
        loop {
            {
                let mut state = self.state.lock();
                let state = &mut *state;
                if state.may_discard && state.buffered >= self.capacity {
                    let mut excess = (state.buffered - self.capacity).saturating_add(self.capacity / 4);
                    for channel in state.channels.values_mut() {
                        let gone = channel.discard(excess);
                        excess = excess.saturating_sub(gone);
                        state.buffered = state.buffered.saturating_sub(gone);
                    }
                }
                if state.buffered < self.capacity || state.end.is_some() {
                    return;
                }
            }
            self.room.notified().await;
        }
    }
}

/// Output for one response. It counts as delivered when [`Delivery::commit`] is called; otherwise the next Receive
/// returns it again.
pub(crate) struct Delivery {
    process: Arc<Process>,
    pub(crate) target: Guid,
    pub(crate) batch: Batch,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

impl Delivery {
    /// Removes the output, and returns whether the pipeline has ended with it.
    pub(crate) fn commit(self) -> bool {
        let mut state = self.process.shared.state.lock();
        if let Some(channel) = state.channels.get_mut(&self.target) {
            let removed = channel.remove(self.batch.pieces.len());
            state.buffered = state.buffered.saturating_sub(removed);
        }
        drop(state);
        self.process.shared.room.notify_one();
        self.batch.is_last
    }
}

/// Returns the target of a packet and the packet that acknowledges it.
fn acknowledgement(packet: &Packet) -> (Guid, Control) {
    match packet {
        Packet::Data { target, .. } => (*target, Control::DataAck),
        Packet::Control(Control::Command, target) => (*target, Control::CommandAck),
        Packet::Control(Control::Signal, target) => (*target, Control::SignalAck),
        Packet::Control(_, target) => (*target, Control::CloseAck),
    }
}

/// Returns the arguments with which PowerShell serves on its standard streams.
pub(crate) fn arguments(directory: Option<&Path>, configuration: Option<&Path>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-NoLogo", "-NoProfile", "-s"].map(OsString::from).to_vec();
    for (name, path) in [("-WorkingDirectory", directory), ("-ConfigurationFile", configuration)] {
        if let Some(path) = path {
            arguments.extend([OsString::from(name), path.into()]);
        }
    }
    arguments
}

/// Maximum number of messages about the pool that wait for the plug-in.
const MAX_MESSAGES: usize = 1_000;
/// Time for a killed process to end.
const KILL_WAIT: Duration = Duration::from_secs(2);
