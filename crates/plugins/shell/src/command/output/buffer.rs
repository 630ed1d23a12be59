//! Buffer between the pipe of a stream and the next reply.

use std::io;

use rustix::buffer::spare_capacity;
use tokio::net::unix::pipe;
use tokio::time::Instant;

use crate::codepage::PageEncoder;

/// Output of one stream that no reply has carried yet.
pub(super) struct Buffer {
    /// INVARIANT: never longer than [`MAX_BUFFER`]. It is swapped with the buffer of the reply, so that a command with
    /// endless output allocates memory only at the beginning.
    pub(super) bytes: Vec<u8>,
    /// Time at which the oldest byte was read, or an upper bound of it.
    pub(super) since: Option<Instant>,
    /// Time of the last read.
    newest: Option<Instant>,
    conversion: Option<PageEncoder>,
    /// Input of the converter; unused without one.
    raw: Vec<u8>,
}

impl Buffer {
    pub(super) fn new(conversion: Option<PageEncoder>) -> Self {
        Self { bytes: Vec::new(), since: None, newest: None, conversion, raw: Vec::new() }
    }

    /// Returns whether there is less room than a whole chunk.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > MAX_BUFFER - MIN_ROOM
    }

    pub(super) fn read(&mut self, pipe: &pipe::Receiver) -> io::Result<usize> {
        let read = match &mut self.conversion {
            None => {
                reserve(&mut self.bytes);
                rustix::io::read(pipe, spare_capacity(&mut self.bytes))?
            }
            Some(conversion) => {
                self.raw.clear();
                self.raw.reserve_exact(MIN_ROOM);
                let read = rustix::io::read(pipe, spare_capacity(&mut self.raw))?;
                conversion.convert(&self.raw, &mut self.bytes);
                read
            }
        };
        self.date();
        Ok(read)
    }

    /// Ends the stream.
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
        // The arrival time of the remaining bytes is unknown, but not later than the last read. Keeping the old time
        // would make the next bytes of a streaming command appear to wait since its first ones.
        self.since = self.newest.filter(|_| !self.bytes.is_empty());
    }

    /// Updates the times. Bytes of an incomplete character do not count.
    fn date(&mut self) {
        if !self.bytes.is_empty() {
            let now = Instant::now();
            self.since.get_or_insert(now);
            self.newest = Some(now);
        }
    }
}

/// Reserves room for a read: little for commands that write little, doubled each time it is used up.
fn reserve(bytes: &mut Vec<u8>) {
    let (capacity, len) = (bytes.capacity(), bytes.len());
    if capacity > MAX_BUFFER {
        // A read fills the whole capacity, and the swapped buffer may have the size of a large reply.
        bytes.shrink_to(MAX_BUFFER);
    } else if capacity.saturating_sub(len) < MIN_READ {
        let wanted = capacity.saturating_mul(2).clamp(2 * MIN_READ, MAX_BUFFER);
        bytes.reserve_exact(wanted.saturating_sub(len));
    }
}

/// Maximum number of buffered bytes per stream: somewhat more than a reply of the default `MaxEnvelopeSizekb`.
pub(super) const MAX_BUFFER: usize = 512 * 1024;
/// Minimum room in bytes for a read.
const MIN_ROOM: usize = 64 * 1024;
const MIN_READ: usize = 4 * 1024;
