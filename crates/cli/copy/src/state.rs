//! State of a running copy: counted bytes, skipped entries, and cancellation.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cli::screen::ByteCount;
use copy::Progress;

/// Progress of the copies on one machine.
pub(super) struct CopyState {
    bytes: Arc<ByteCount>,
    is_cancelled: AtomicBool,
    skipped: Mutex<Skipped>,
}

/// Messages about entries that were not copied.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    pub(super) messages: Vec<String>,
    /// Number of further entries.
    pub(super) more: usize,
}

impl CopyState {
    pub(super) fn new(bytes: Arc<ByteCount>) -> Self {
        Self { bytes, is_cancelled: AtomicBool::new(false), skipped: Mutex::default() }
    }

    /// Ends the copy as soon as possible.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn take_skipped(&self) -> Skipped {
        std::mem::take(&mut *self.skipped.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Progress for CopyState {
    fn expect(&self, bytes: u64) {
        self.bytes.expect(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.bytes.advance(bytes);
    }

    fn skip(&self, path: &Path, reason: &str) {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        if skipped.messages.len() < MOST_MESSAGES {
            skipped.messages.push(format!("skipped {}: {reason}", path.display()));
        } else {
            skipped.more += 1;
        }
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}

/// Maximum number of messages that are kept.
const MOST_MESSAGES: usize = 100;
