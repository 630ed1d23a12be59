//! Buffered output on a thread of its own.

use std::io::{self, Write as _};
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use cli::screen::Progress;
use cli_command::output;

/// Output in large pieces.
///
/// A separate thread writes it: a slow reader such as a pager must not delay the processing of responses, which would
/// then appear to be late.
#[derive(Default)]
pub(super) struct BufferedOutput {
    next: Vec<u8>,
    /// Time at which the first byte of `next` was added.
    since: Option<Instant>,
    writer: Option<Writer>,
    /// A progress line to clear before output.
    progress: Option<Rc<Progress>>,
    /// No further output follows, so that this thread may write as well.
    has_ended: bool,
    failure: Option<io::Error>,
}

type Writer = (Sender<Vec<u8>>, JoinHandle<io::Result<()>>);

impl BufferedOutput {
    /// Lets `write` append to the output.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.next.capacity() == 0 {
            self.next.reserve(PIECE);
        }
        write(&mut self.next);
        if self.next.is_empty() {
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        if self.next.len() >= PIECE {
            self.flush();
        }
    }

    /// Clears a progress line before each output.
    pub(super) fn show_after(&mut self, progress: Rc<Progress>) {
        self.progress = Some(progress);
    }

    /// Time at which [`Self::flush`] must be called at the latest.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        self.since.map(|since| since + MAX_DELAY)
    }

    /// Passes the buffered output to the writer.
    pub(super) fn flush(&mut self) {
        self.since = None;
        if self.next.is_empty() {
            return;
        }
        if let Some(progress) = &self.progress {
            progress.make_way();
        }
        if self.has_ended && self.writer.is_none() {
            if self.failure.is_none() {
                self.failure = print(&self.next).err();
            }
            self.next.clear();
            return;
        }
        if self.writer.is_none() {
            let (sender, receiver) = channel::<Vec<u8>>();
            let writer = Builder::new().spawn(move || receiver.iter().try_for_each(|piece| print(&piece)));
            // If no thread can be started, the output is kept until the end.
            self.writer = writer.ok().map(|writer| (sender, writer));
        }
        if let Some((sender, _)) = &self.writer {
            // The error of a writer that has ended is reported by `finish`.
            let _ = sender.send(std::mem::take(&mut self.next));
        }
    }

    /// Declares that no responses follow; if no writer was started, the calling thread may now write and block.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// Returns whether the reader has closed the output.
    pub(super) fn is_unread(&self) -> bool {
        self.writer.as_ref().is_some_and(|(_, writer)| writer.is_finished())
    }

    /// Writes the rest and waits until all output is written.
    pub(super) fn finish(self) -> io::Result<()> {
        let Some((sender, writer)) = self.writer else {
            return self.failure.map_or_else(|| print(&self.next), Err);
        };
        let _ = sender.send(self.next);
        drop(sender);
        writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer thread panicked")))
    }
}

fn print(piece: &[u8]) -> io::Result<()> {
    let mut out = output::out();
    out.write_all(piece)?;
    out.flush()
}

/// Size of a piece in bytes: the default capacity of a pipe (pipe(7)).
const PIECE: usize = 1 << 16;
/// Longest time for which output is buffered, too short to be noticed.
pub(super) const MAX_DELAY: Duration = Duration::from_millis(100);
