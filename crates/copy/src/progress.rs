//! Reports of a running copy.

use std::path::Path;

/// Receiver of reports, which can also cancel the copy. Its functions are called often and must not block.
pub trait Progress: Send + Sync {
    /// More bytes will be copied.
    fn expect(&self, _bytes: u64) {}

    /// Bytes were copied, or were found at the target by a resumed copy.
    fn advance(&self, _bytes: u64) {}

    /// An entry of a directory is not copied.
    fn skip(&self, _path: &Path, _reason: &str) {}

    /// Returns whether the copy must end as soon as possible.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Ignores all reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}
