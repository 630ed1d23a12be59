//! What waits between the pipe of one stream and the next reply.

use std::io;

use rustix::buffer::spare_capacity;
use tokio::net::unix::pipe;
use tokio::time::Instant;

use crate::codepage::ToPage;

/// What the command wrote to one stream and no reply has carried yet.
pub(super) struct Buffer {
    /// INVARIANT: never longer than [`LONGEST`]. The allocation changes places with the one that is lent, so that a
    /// command which writes for ever allocates only in the beginning.
    pub(super) bytes: Vec<u8>,
    /// When the oldest of them came.
    pub(super) since: Option<Instant>,
    /// When the last read was.
    newest: Option<Instant>,
    conversion: Option<ToPage>,
    /// A piece before its conversion; not used without one.
    raw: Vec<u8>,
}

impl Buffer {
    pub(super) fn new(conversion: Option<ToPage>) -> Self {
        Self { bytes: Vec::new(), since: None, newest: None, conversion, raw: Vec::new() }
    }

    /// Too little room for a piece worth reading.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > LONGEST - PIECE
    }

    pub(super) fn read(&mut self, pipe: &pipe::Receiver) -> io::Result<usize> {
        let read = match &mut self.conversion {
            None => {
                reserve(&mut self.bytes);
                rustix::io::read(pipe, spare_capacity(&mut self.bytes))?
            }
            Some(conversion) => {
                self.raw.clear();
                self.raw.reserve_exact(PIECE);
                let read = rustix::io::read(pipe, spare_capacity(&mut self.raw))?;
                conversion.convert(&self.raw, &mut self.bytes);
                read
            }
        };
        self.date();
        Ok(read)
    }

    /// The stream has ended.
    pub(super) fn finish(&mut self) {
        if let Some(conversion) = &mut self.conversion {
            conversion.finish(&mut self.bytes);
            self.date();
        }
    }

    /// Appends up to `limit` bytes to `taken`.
    pub(super) fn take(&mut self, taken: &mut Vec<u8>, limit: usize) {
        if taken.is_empty() && self.bytes.len() <= limit {
            std::mem::swap(taken, &mut self.bytes);
        } else {
            taken.extend(self.bytes.drain(..self.bytes.len().min(limit)));
        }
        // Of what stays nobody knows when it came, only that it was not later than this. A command that streams would
        // otherwise look as if its next bytes had been waiting since its first ones.
        self.since = self.newest.filter(|_| !self.bytes.is_empty());
    }

    /// Half a character that waits for its other half is nothing yet.
    fn date(&mut self) {
        if !self.bytes.is_empty() {
            let now = Instant::now();
            self.since.get_or_insert(now);
            self.newest = Some(now);
        }
    }
}

/// Makes room for a read: little for a command that writes little, doubled as often as the room is used up.
fn reserve(bytes: &mut Vec<u8>) {
    let (capacity, len) = (bytes.capacity(), bytes.len());
    if capacity > LONGEST {
        // A read fills all there is, and what was lent may have grown to the size of a large reply.
        bytes.shrink_to(LONGEST);
    } else if capacity.saturating_sub(len) < SMALLEST_READ {
        let wanted = capacity.saturating_mul(2).clamp(2 * SMALLEST_READ, LONGEST);
        bytes.reserve_exact(wanted.saturating_sub(len));
    }
}

/// The most that waits of one stream: a reply of the default `MaxEnvelopeSizekb` and some more.
pub(super) const LONGEST: usize = 512 * 1024;
/// A buffer with less room than this is not read into.
const PIECE: usize = 64 * 1024;
const SMALLEST_READ: usize = 4 * 1024;
