//! Standard output in large pieces, which nobody who asks controllers waits for.

use std::io::{self, Write as _};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use cli_command::output;

/// What is to be printed.
///
/// It is written by a thread of its own: whoever reads it may take their time, as a pager does, and the answers that
/// come meanwhile must not be taken for late.
#[derive(Default)]
pub(super) struct Pieces {
    next: Vec<u8>,
    /// When the first of that was added.
    since: Option<Instant>,
    writer: Option<Writer>,
    /// Whether this thread may write as well.
    has_ended: bool,
    failure: Option<io::Error>,
}

type Writer = (Sender<Vec<u8>>, JoinHandle<io::Result<()>>);

impl Pieces {
    /// Adds what is written to the text that it is given.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.next.capacity() == 0 {
            self.next.reserve(PIPE_OCTETS);
        }
        write(&mut self.next);
        if self.next.is_empty() {
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        if self.next.len() >= PIPE_OCTETS {
            self.flush();
        }
    }

    /// When what there is should not wait any longer for more.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        self.since.map(|since| since + LATEST)
    }

    /// Gives away what there is.
    pub(super) fn flush(&mut self) {
        self.since = None;
        if self.next.is_empty() {
            return;
        }
        if self.has_ended && self.writer.is_none() {
            if self.failure.is_none() {
                self.failure = print(&self.next).err();
            }
            self.next.clear();
            return;
        }
        if self.writer.is_none() {
            let (give, given) = channel::<Vec<u8>>();
            let writer = Builder::new().spawn(move || given.iter().try_for_each(|piece| print(&piece)));
            // Without a thread it is kept for the end.
            self.writer = writer.ok().map(|writer| (give, writer));
        }
        if let Some((give, _)) = &self.writer {
            // A writer that has ended says at the end why.
            let _ = give.send(std::mem::take(&mut self.next));
        }
    }

    /// No answers come any more: where no other thread writes yet, this one may wait for whoever reads.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// Whether it cannot be written any more.
    pub(super) fn is_unread(&self) -> bool {
        self.writer.as_ref().is_some_and(|(_, writer)| writer.is_finished())
    }

    /// Waits until everything is written.
    pub(super) fn finish(self) -> io::Result<()> {
        let Some((give, writer)) = self.writer else {
            return self.failure.map_or_else(|| print(&self.next), Err);
        };
        let _ = give.send(self.next);
        drop(give);
        writer.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes has failed")))
    }
}

fn print(piece: &[u8]) -> io::Result<()> {
    let mut out = output::out();
    out.write_all(piece)?;
    out.flush()
}

/// As much at a time as a pipe takes; there may be a hundred thousand lines.
const PIPE_OCTETS: usize = 1 << 16;
/// Nobody sees that something has waited so long, and where all answer quickly it is all there before.
pub(super) const LATEST: Duration = Duration::from_millis(100);
