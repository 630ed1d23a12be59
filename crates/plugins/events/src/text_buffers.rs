//! Memory for the texts of messages, which is used again.

use locks::Mutex;
use winevent::delivery::TextBuffer;

/// Buffers that no message uses. There are never more than messages that were read at the same time, and large ones are
/// released at once.
#[derive(Debug, Default)]
pub(crate) struct TextBuffers(Mutex<Vec<TextBuffer>>);

impl TextBuffers {
    /// Returns a buffer.
    pub(crate) fn take(&self) -> TextBuffer {
        self.0.lock().pop().unwrap_or_default()
    }

    /// Keeps a buffer for the next message.
    pub(crate) fn put_back(&self, buffer: TextBuffer) {
        let mut free = self.0.lock();
        if buffer.capacity() <= LARGEST && free.len() < MOST {
            free.push(buffer);
        }
    }
}

/// Largest buffer in bytes that is kept: for a message of the usual maximum size of Windows, without compression.
const LARGEST: usize = 512 << 10;
/// Maximum number of buffers that are kept.
const MOST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_buffers_are_used_again() {
        let buffers = TextBuffers::default();
        let mut buffer = buffers.take();
        buffer.decode(&[b'a'; 1_000]);
        buffers.put_back(buffer);
        assert!(buffers.take().capacity() >= 1_000);
        let mut large = TextBuffer::default();
        large.decode(&vec![b'a'; LARGEST + 1]);
        buffers.put_back(large);
        assert_eq!(buffers.take().capacity(), 0);
        (0..20).for_each(|_| buffers.put_back(TextBuffer::default()));
        assert_eq!(buffers.0.lock().len(), MOST);
    }
}
