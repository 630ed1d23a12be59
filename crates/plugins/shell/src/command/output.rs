//! Standard output and standard error of a command, from the pipes to the replies.
//!
//! A task, [`pump()`], moves output into one buffer per stream and stops reading when a buffer is full, so that the
//! pipe fills up and the command blocks. [`Output::receive`] hands out as much as a reply can hold. That output is kept
//! until the reply was written, so that a reply lost with its connection is delivered again.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use locks::Mutex;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::buffer::Buffer;
pub(super) use self::pump::{Source, pump};
use crate::codepage::CodePage;
use crate::error::CommandError;

mod buffer;
mod pump;

/// Output stream of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Streams that a Receive requests (`DesiredStream`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamSet {
    /// Standard output only.
    Stdout,
    /// Standard error only.
    Stderr,
    /// Both streams, as most clients request.
    Both,
}

impl StreamSet {
    /// Returns whether the set contains `stream`.
    pub fn contains(self, stream: Stream) -> bool {
        match self {
            Self::Stdout => stream == Stream::Stdout,
            Self::Stderr => stream == Stream::Stderr,
            Self::Both => true,
        }
    }
}

/// State of a command in a reply (MS-WSMV 3.1.4.14, `CommandState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandState {
    /// The command is running, or has output that no reply has carried yet.
    Running,
    /// The command has ended and all requested streams were delivered.
    Done {
        /// Exit code; 128 plus the signal number if a signal has ended the command, -1 if the code is unknown.
        exit_code: i32,
    },
}

/// Content of one reply to Receive: at most one chunk per stream.
///
/// The output counts as delivered when [`Delivery::commit`] is called. If the delivery is dropped instead, because the
/// reply did not arrive, the next Receive returns the same output again. The next Receive waits until one of the two
/// has happened.
#[must_use = "a delivery that is not committed is delivered again"]
pub struct Delivery {
    output: Arc<Output>,
    uncommitted: OwnedMutexGuard<Uncommitted>,
    stdout: usize,
    stderr: usize,
    state: CommandState,
}

impl Delivery {
    /// Returns the chunks that are not empty, standard output first.
    pub fn chunks(&self) -> impl Iterator<Item = (Stream, &[u8])> {
        let stdout = self.uncommitted.stdout.get(..self.stdout).unwrap_or_default();
        let stderr = self.uncommitted.stderr.get(..self.stderr).unwrap_or_default();
        [(Stream::Stdout, stdout), (Stream::Stderr, stderr)]
            .into_iter()
            .filter(|(_, bytes)| !bytes.is_empty())
    }

    /// Returns the state of the command; `Done` marks the last delivery.
    pub fn state(&self) -> CommandState {
        self.state
    }

    /// Confirms that the reply arrived and discards its output. After `Done` nothing follows.
    pub fn commit(mut self) -> CommitResult {
        let (stdout, stderr) = (self.stdout, self.stderr);
        self.uncommitted.stdout.drain(..stdout);
        self.uncommitted.stderr.drain(..stderr);
        let mut buffers = self.output.buffers.lock();
        match (self.state, buffers.ending) {
            (CommandState::Done { .. }, Ending::Ended { delivery, .. }) => {
                buffers.ending = Ending::Reported;
                if delivery == EndDelivery::Released { CommitResult::Released } else { CommitResult::Kept }
            }
            _ => CommitResult::Kept,
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // Has no effect after a commit, which has replaced `Ending::Ended`.
        if let CommandState::Done { .. } = self.state
            && let Ending::Ended { delivery, .. } = &mut self.output.buffers.lock().ending
        {
            *delivery = EndDelivery::NotSent;
        }
    }
}

/// State of the command after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitResult {
    /// The command stays as it was.
    Kept,
    /// The client has released the command meanwhile with [`super::Command::release`].
    Released,
}

/// When a command that its client has released can be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Now: the client has received its end.
    Now,
    /// When the pending delivery that contains the end is committed.
    WithDelivery,
    /// Not yet: it has undelivered output, or has not ended.
    NotYet,
}

/// Output taken out of the buffers and not yet committed.
#[derive(Default)]
struct Uncommitted {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Stream that is served first if both do not fit. They alternate, so that neither starves.
    first: Option<Stream>,
}

impl Uncommitted {
    fn stream(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn len(&self, wanted: StreamSet) -> usize {
        let stdout = if wanted.contains(Stream::Stdout) { self.stdout.len() } else { 0 };
        let stderr = if wanted.contains(Stream::Stderr) { self.stderr.len() } else { 0 };
        stdout.saturating_add(stderr)
    }

    fn order(&mut self) -> [Stream; 2] {
        let order = match self.first {
            Some(Stream::Stderr) => [Stream::Stderr, Stream::Stdout],
            _ => [Stream::Stdout, Stream::Stderr],
        };
        self.first = order.last().copied();
        order
    }
}

/// State shared by the pump and the Receives.
pub(super) struct Output {
    buffers: Mutex<Buffers>,
    /// Locked by the Receive that is being answered; the others wait.
    uncommitted: Arc<tokio::sync::Mutex<Uncommitted>>,
    /// Wakes the Receive when a reply may be worthwhile.
    arrived: Notify,
    /// Wakes the pump when a full buffer has room again.
    room: Notify,
    /// Wakes the waiting Receives when the command is closed.
    closed: Notify,
}

struct Buffers {
    stdout: Buffer,
    stderr: Buffer,
    ending: Ending,
    /// Capacity of the waiting Receive in bytes; it is not woken for less.
    reply: usize,
}

impl Buffers {
    fn stream(&mut self, stream: Stream) -> &mut Buffer {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn wanted(&self, wanted: StreamSet) -> impl Iterator<Item = &Buffer> {
        let both = [(Stream::Stdout, &self.stdout), (Stream::Stderr, &self.stderr)];
        both.into_iter().filter(move |(stream, _)| wanted.contains(*stream)).map(|(_, buffer)| buffer)
    }
}

/// Progress of the command towards its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    NotYet,
    /// The command has ended and its pipes were read to the end.
    Ended {
        exit_code: i32,
        delivery: EndDelivery,
    },
    /// A client has received the end.
    Reported,
    /// The command was closed, whether it had ended or not.
    Closed,
}

/// Delivery state of the end of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndDelivery {
    /// No delivery contains it.
    NotSent,
    /// A pending delivery contains it.
    Sent,
    /// Contained in a pending delivery, and the client has released the command, so the reply has most likely arrived.
    Released,
}

/// Next step of a Receive.
enum Next {
    Deliver,
    Wait { until: Instant },
}

impl Output {
    pub(super) fn new(page: CodePage) -> Self {
        let buffers = Buffers {
            stdout: Buffer::new(page.output()),
            stderr: Buffer::new(page.output()),
            ending: Ending::NotYet,
            reply: usize::MAX,
        };
        Self {
            buffers: Mutex::new(buffers),
            uncommitted: Arc::default(),
            arrived: Notify::new(),
            room: Notify::new(),
            closed: Notify::new(),
        }
    }

    /// See [`super::Command::receive`].
    pub(super) async fn receive(
        self: Arc<Self>,
        limit: usize,
        wanted: StreamSet,
        wait: Duration,
    ) -> Result<Delivery, CommandError> {
        let limit = limit.max(1);
        let now = Instant::now();
        let deadline = now.checked_add(wait).unwrap_or(now + FOREVER);
        let mut uncommitted = self.turn(deadline).await?;
        loop {
            match self.next(uncommitted.len(wanted), limit, wanted, deadline)? {
                Next::Deliver => break,
                // The buffers are checked again in either case.
                Next::Wait { until } => _ = timeout_at(until, self.arrived.notified()).await,
            }
        }
        let (stdout, stderr, state) = self.take_output(&mut uncommitted, limit, wanted);
        Ok(Delivery { output: self, uncommitted, stdout, stderr, state })
    }

    /// Waits until every earlier delivery is committed or dropped.
    async fn turn(&self, deadline: Instant) -> Result<OwnedMutexGuard<Uncommitted>, CommandError> {
        let closed = pin!(self.closed.notified());
        // The notification covers a close from here on, the state one before.
        if self.buffers.lock().ending == Ending::Closed {
            return Err(CommandError::Closed);
        }
        tokio::select! {
            biased;
            uncommitted = Arc::clone(&self.uncommitted).lock_owned() => Ok(uncommitted),
            () = closed => Err(CommandError::Closed),
            () = sleep_until(deadline) => Err(CommandError::TimedOut),
        }
    }

    /// Fails every pending Receive.
    pub(super) fn close(&self) {
        self.buffers.lock().ending = Ending::Closed;
        self.closed.notify_waiters();
        self.arrived.notify_one();
    }

    /// See [`super::Command::release`].
    pub(super) fn release(&self) -> Release {
        match &mut self.buffers.lock().ending {
            Ending::Reported | Ending::Closed => Release::Now,
            Ending::Ended { delivery: delivery @ (EndDelivery::Sent | EndDelivery::Released), .. } => {
                *delivery = EndDelivery::Released;
                Release::WithDelivery
            }
            Ending::Ended { .. } | Ending::NotYet => Release::NotYet,
        }
    }

    /// Returns whether the command produces nothing more.
    pub(super) fn is_reported(&self) -> bool {
        matches!(self.buffers.lock().ending, Ending::Reported | Ending::Closed)
    }

    /// Returns the number of bytes in the buffers.
    pub(super) fn buffered(&self) -> usize {
        let buffers = self.buffers.lock();
        buffers.stdout.bytes.len().saturating_add(buffers.stderr.bytes.len())
    }

    fn next(
        &self,
        uncommitted: usize,
        limit: usize,
        wanted: StreamSet,
        deadline: Instant,
    ) -> Result<Next, CommandError> {
        let mut buffers = self.buffers.lock();
        match buffers.ending {
            Ending::NotYet => {}
            Ending::Ended { .. } => return Ok(Next::Deliver),
            Ending::Reported => return Err(CommandError::AlreadyDone),
            Ending::Closed => {
                // Wakes the next waiting Receive.
                self.arrived.notify_one();
                return Err(CommandError::Closed);
            }
        }
        let now = Instant::now();
        let buffered: usize = buffers.wanted(wanted).map(|buffer| buffer.bytes.len()).sum();
        // Output that was delayed once is not delayed again.
        let worth_a_reply =
            uncommitted > 0 || buffered >= limit || buffers.wanted(wanted).any(Buffer::is_full);
        let oldest = buffers.wanted(wanted).filter_map(|buffer| buffer.since).min();
        let until = oldest.map_or(deadline, |since| deadline.min(since + HOLD));
        let next = match (worth_a_reply || now >= until, buffered > 0 || uncommitted > 0) {
            (true, true) => Next::Deliver,
            (true, false) => return Err(CommandError::TimedOut),
            (false, _) => Next::Wait { until },
        };
        buffers.reply = limit;
        Ok(next)
    }

    /// Moves as much output into `uncommitted` as a reply of `limit` bytes can hold. Returns its sizes and the state.
    fn take_output(
        &self,
        uncommitted: &mut Uncommitted,
        limit: usize,
        wanted: StreamSet,
    ) -> (usize, usize, CommandState) {
        let mut buffers = self.buffers.lock();
        let (mut stdout, mut stderr, mut all) = (0, 0, true);
        for stream in uncommitted.order().into_iter().filter(|&stream| wanted.contains(stream)) {
            let room = limit.saturating_sub(stdout).saturating_sub(stderr);
            let buffer = buffers.stream(stream);
            let was_full = buffer.is_full();
            let taken = uncommitted.stream(stream);
            buffer.take(taken, room.saturating_sub(taken.len()));
            if was_full && !buffer.is_full() {
                self.room.notify_one();
            }
            all &= buffer.bytes.is_empty() && taken.len() <= room;
            match stream {
                Stream::Stdout => stdout = taken.len().min(room),
                Stream::Stderr => stderr = taken.len().min(room),
            }
        }
        let state = match &mut buffers.ending {
            Ending::Ended { exit_code, delivery } if all => {
                *delivery = EndDelivery::Sent;
                CommandState::Done { exit_code: *exit_code }
            }
            _ => CommandState::Running,
        };
        (stdout, stderr, state)
    }

    /// Reads a chunk of `stream` into its buffer.
    fn read(&self, stream: Stream, pipe: &pipe::Receiver) -> io::Result<usize> {
        let mut buffers = self.buffers.lock();
        let reply = buffers.reply;
        let other = match stream {
            Stream::Stdout => buffers.stderr.bytes.len(),
            Stream::Stderr => buffers.stdout.bytes.len(),
        };
        let buffer = buffers.stream(stream);
        let before = buffer.bytes.len();
        let read = pipe.try_io(|| buffer.read(pipe))?;
        let after = buffer.bytes.len();
        let enough = other.saturating_add(after) >= reply || buffer.is_full();
        if after > before && (before == 0 || enough) {
            self.arrived.notify_one();
        }
        Ok(read)
    }

    /// Reads data that is in `pipe` now, independent of the runtime's readiness state. Returns `None` if it is empty.
    fn read_rest(&self, stream: Stream, pipe: &pipe::Receiver) -> Option<usize> {
        let mut buffers = self.buffers.lock();
        let read = buffers.stream(stream).read(pipe).ok();
        self.arrived.notify_one();
        read
    }

    /// Marks the stream as ended.
    fn finish(&self, stream: Stream) {
        self.buffers.lock().stream(stream).finish();
        self.arrived.notify_one();
    }

    fn is_full(&self, stream: Stream) -> bool {
        self.buffers.lock().stream(stream).is_full()
    }

    fn end(&self, exit_code: i32) {
        let mut buffers = self.buffers.lock();
        if buffers.ending == Ending::NotYet {
            buffers.ending = Ending::Ended { exit_code, delivery: EndDelivery::NotSent };
            self.arrived.notify_one();
        }
    }
}

/// How long output is held back in case the command ends. Short commands are then answered by a single reply, on which
/// some clients rely.
const HOLD: Duration = Duration::from_millis(200);
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
