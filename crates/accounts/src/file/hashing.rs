//! A bound on the memory and the processors that password hashes take.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Maximum number of password hashes that are computed at the same time.
///
/// Each takes 19 MiB and a processor for some 35 ms, so more of them at once would only take memory. The callers wait
/// here in no particular order: [`SignIn`](crate::SignIn) lets few of them in, and decides whose turn it is.
#[derive(Debug)]
pub(super) struct HashingLimit {
    free: Mutex<usize>,
    freed: Condvar,
}

/// Held while a hash is computed.
pub(super) struct HashingPermit<'a>(&'a HashingLimit);

impl HashingLimit {
    /// One for each processor, at most 4.
    pub(super) fn of_this_machine() -> Self {
        let permits = thread::available_parallelism().map_or(1, usize::from).clamp(1, 4);
        Self { free: Mutex::new(permits), freed: Condvar::new() }
    }

    /// Waits for a permit.
    pub(super) fn acquire(&self) -> HashingPermit<'_> {
        let mut free = self.lock();
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        HashingPermit(self)
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HashingPermit<'_> {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.freed.notify_one();
    }
}
