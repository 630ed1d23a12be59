//! The command's standard output and standard error, from the pipes to the replies.
//!
//! One task, [`pump()`], moves what the command writes into a buffer per stream and stops reading where a buffer is
//! full, so that the pipe fills up and the command waits. [`Output::receive`] lends out what a reply can hold. What
//! is lent stays here until the reply was written, so that a reply lost with its connection is delivered again.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::buffer::Buffer;
pub(super) use self::pump::{Source, pump};
use crate::codepage::CodePage;
use crate::error::CommandError;

mod buffer;
mod pump;

/// One of the two streams a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The streams a Receive asks for (`DesiredStream`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamSet {
    /// Standard output alone.
    Stdout,
    /// Standard error alone.
    Stderr,
    /// What nearly every client asks for.
    Both,
}

impl StreamSet {
    /// Whether `stream` is asked for.
    pub fn contains(self, stream: Stream) -> bool {
        match self {
            Self::Stdout => stream == Stream::Stdout,
            Self::Stderr => stream == Stream::Stderr,
            Self::Both => true,
        }
    }
}

/// Whether more may come (MS-WSMV 3.1.4.14, `CommandState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandState {
    /// The command runs, or there is output that no reply has carried yet.
    Running,
    /// The command has ended and every stream asked for was delivered.
    Done {
        /// What the command returned; 128 and the signal's number where a signal ended it; -1 where the system did
        /// not tell.
        exit_code: i32,
    },
}

/// What one Receive answers: at most one piece of each stream.
///
/// The output counts as delivered after [`Delivery::commit`], however late that is. A delivery dropped without it,
/// because the reply did not arrive, leaves everything as it was, and the next Receive gets it again. While a delivery
/// is alive nobody knows which of the two it will be, and the next Receive waits.
#[must_use = "a delivery that is not committed is delivered again"]
pub struct Delivery {
    output: Arc<Output>,
    lent: OwnedMutexGuard<Lent>,
    stdout: usize,
    stderr: usize,
    state: CommandState,
}

impl Delivery {
    /// The streams that have something to say, standard output first.
    pub fn chunks(&self) -> impl Iterator<Item = (Stream, &[u8])> {
        let stdout = self.lent.stdout.get(..self.stdout).unwrap_or_default();
        let stderr = self.lent.stderr.get(..self.stderr).unwrap_or_default();
        [(Stream::Stdout, stdout), (Stream::Stderr, stderr)]
            .into_iter()
            .filter(|(_, bytes)| !bytes.is_empty())
    }

    /// Whether this is the last delivery.
    pub fn state(&self) -> CommandState {
        self.state
    }

    /// The reply arrived: its output is forgotten, and if it said Done, nothing follows.
    pub fn commit(mut self) -> Committed {
        let (stdout, stderr) = (self.stdout, self.stderr);
        self.lent.stdout.drain(..stdout);
        self.lent.stderr.drain(..stderr);
        let mut buffers = self.output.locked();
        match (self.state, buffers.ending) {
            (CommandState::Done { .. }, Ending::Ended { offer, .. }) => {
                buffers.ending = Ending::Reported;
                if offer == Offer::Released { Committed::Released } else { Committed::Kept }
            }
            _ => Committed::Kept,
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // After a commit there is nothing to take back.
        if let CommandState::Done { .. } = self.state
            && let Ending::Ended { offer, .. } = &mut self.output.locked().ending
        {
            *offer = Offer::Open;
        }
    }
}

/// What a commit leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The command as it was.
    Kept,
    /// A command that the client is done with: [`super::Command::release`] was called meanwhile.
    Released,
}

/// What becomes of a command that its client is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The end was told, and it can go.
    Now,
    /// It can go when the delivery that tells the end is committed.
    WithDelivery,
    /// It has something to tell yet.
    NotYet,
}

/// Output taken out of the buffers and not yet committed.
#[derive(Default)]
struct Lent {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Which stream is served first when both do not fit; they take turns, so that neither starves the other.
    first: Option<Stream>,
}

impl Lent {
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

/// Where the pump and the Receives meet.
pub(super) struct Output {
    buffers: Mutex<Buffers>,
    /// Held by the one Receive that is being answered; the others queue.
    lent: Arc<tokio::sync::Mutex<Lent>>,
    /// Wakes the Receive: it may have enough now.
    arrived: Notify,
    /// Wakes the pump: a full buffer has room again.
    room: Notify,
    /// Wakes the Receives that queue.
    closed: Notify,
}

struct Buffers {
    stdout: Buffer,
    stderr: Buffer,
    ending: Ending,
    /// How much the waiting Receive can carry; less than this is not worth waking it for.
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

/// How far the command has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    NotYet,
    /// It has ended and its pipes are read to the end.
    Ended {
        exit_code: i32,
        offer: Offer,
    },
    /// A client was told.
    Reported,
    /// The command was closed, ended or not.
    Closed,
}

/// Whether the end is on its way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    /// No.
    Open,
    /// A delivery that tells it is alive.
    Made,
    /// The same, and the client is done with the command: so it has most likely arrived.
    Released,
}

/// What a Receive is to do now.
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
            lent: Arc::default(),
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
        let mut lent = self.turn(deadline).await?;
        loop {
            match self.next(lent.len(wanted), limit, wanted, deadline)? {
                Next::Deliver => break,
                // Whether woken or not, the buffers are looked at again.
                Next::Wait { until } => _ = timeout_at(until, self.arrived.notified()).await,
            }
        }
        let (stdout, stderr, state) = self.lend(&mut lent, limit, wanted);
        Ok(Delivery { output: self, lent, stdout, stderr, state })
    }

    /// Waits until every delivery before is committed or dropped.
    async fn turn(&self, deadline: Instant) -> Result<OwnedMutexGuard<Lent>, CommandError> {
        let closed = pin!(self.closed.notified());
        // The notification counts from here on, the state for what was before.
        if self.locked().ending == Ending::Closed {
            return Err(CommandError::Closed);
        }
        tokio::select! {
            biased;
            lent = Arc::clone(&self.lent).lock_owned() => Ok(lent),
            () = closed => Err(CommandError::Closed),
            () = sleep_until(deadline) => Err(CommandError::TimedOut),
        }
    }

    /// Ends every Receive.
    pub(super) fn close(&self) {
        self.locked().ending = Ending::Closed;
        self.closed.notify_waiters();
        self.arrived.notify_one();
    }

    /// See [`super::Command::release`].
    pub(super) fn release(&self) -> Release {
        match &mut self.locked().ending {
            Ending::Reported | Ending::Closed => Release::Now,
            Ending::Ended { offer: offer @ (Offer::Made | Offer::Released), .. } => {
                *offer = Offer::Released;
                Release::WithDelivery
            }
            Ending::Ended { .. } | Ending::NotYet => Release::NotYet,
        }
    }

    /// Whether nothing more can come.
    pub(super) fn is_reported(&self) -> bool {
        matches!(self.locked().ending, Ending::Reported | Ending::Closed)
    }

    /// How many bytes wait in the buffers.
    pub(super) fn buffered(&self) -> usize {
        let buffers = self.locked();
        buffers.stdout.bytes.len().saturating_add(buffers.stderr.bytes.len())
    }

    fn next(
        &self,
        lent: usize,
        limit: usize,
        wanted: StreamSet,
        deadline: Instant,
    ) -> Result<Next, CommandError> {
        let mut buffers = self.locked();
        match buffers.ending {
            Ending::NotYet => {}
            Ending::Ended { .. } => return Ok(Next::Deliver),
            Ending::Reported => return Err(CommandError::AlreadyDone),
            Ending::Closed => {
                // For the next one in the queue.
                self.arrived.notify_one();
                return Err(CommandError::Closed);
            }
        }
        let now = Instant::now();
        let buffered: usize = buffers.wanted(wanted).map(|buffer| buffer.bytes.len()).sum();
        // A reply that was lost is not held a second time.
        let worth_a_reply = lent > 0 || buffered >= limit || buffers.wanted(wanted).any(Buffer::is_full);
        let oldest = buffers.wanted(wanted).filter_map(|buffer| buffer.since).min();
        let until = oldest.map_or(deadline, |since| deadline.min(since + HOLD));
        let next = match (worth_a_reply || now >= until, buffered > 0 || lent > 0) {
            (true, true) => Next::Deliver,
            (true, false) => return Err(CommandError::TimedOut),
            (false, _) => Next::Wait { until },
        };
        buffers.reply = limit;
        Ok(next)
    }

    /// Moves into `lent` what a reply of `limit` bytes has room for.
    fn lend(&self, lent: &mut Lent, limit: usize, wanted: StreamSet) -> (usize, usize, CommandState) {
        let mut buffers = self.locked();
        let (mut stdout, mut stderr, mut all) = (0, 0, true);
        for stream in lent.order().into_iter().filter(|&stream| wanted.contains(stream)) {
            let room = limit.saturating_sub(stdout).saturating_sub(stderr);
            let buffer = buffers.stream(stream);
            let was_full = buffer.is_full();
            let taken = lent.stream(stream);
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
            Ending::Ended { exit_code, offer } if all => {
                *offer = Offer::Made;
                CommandState::Done { exit_code: *exit_code }
            }
            _ => CommandState::Running,
        };
        (stdout, stderr, state)
    }

    /// Reads one piece of `stream` into its buffer.
    fn read(&self, stream: Stream, pipe: &pipe::Receiver) -> io::Result<usize> {
        let mut buffers = self.locked();
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

    /// Reads what is in `pipe` this moment, whatever the runtime knows of it. `None`: it was empty.
    fn read_rest(&self, stream: Stream, pipe: &pipe::Receiver) -> Option<usize> {
        let mut buffers = self.locked();
        let read = buffers.stream(stream).read(pipe).ok();
        self.arrived.notify_one();
        read
    }

    /// The stream has ended.
    fn finish(&self, stream: Stream) {
        self.locked().stream(stream).finish();
        self.arrived.notify_one();
    }

    fn is_full(&self, stream: Stream) -> bool {
        self.locked().stream(stream).is_full()
    }

    fn end(&self, exit_code: i32) {
        let mut buffers = self.locked();
        if buffers.ending == Ending::NotYet {
            buffers.ending = Ending::Ended { exit_code, offer: Offer::Open };
            self.arrived.notify_one();
        }
    }

    fn locked(&self) -> MutexGuard<'_, Buffers> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a reply is held back after output came, in case the command ends: short commands then answer everything
/// in one reply, which some clients rely on.
const HOLD: Duration = Duration::from_millis(200);
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
