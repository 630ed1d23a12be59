//! A limit on the memory and processor time that password hashing uses.

use std::thread;

use locks::{Condvar, Mutex};

/// Maximum number of password hashes that are computed at the same time.
///
/// Each hash takes 19 MiB and about 35 ms of one processor, so more of them at once would only use more memory. Callers
/// wait in no particular order: [`SignIn`](crate::SignIn) admits only a few and decides who is next.
#[derive(Debug)]
pub(super) struct HashingLimit {
    free: Mutex<usize>,
    freed: Condvar,
}

/// Permit for computing one hash.
pub(super) struct HashingPermit<'a>(&'a HashingLimit);

impl HashingLimit {
    /// Returns a limit of one hash per processor, at most 4.
    pub(super) fn of_this_machine() -> Self {
        let permits = thread::available_parallelism().map_or(1, usize::from).clamp(1, 4);
        Self { free: Mutex::new(permits), freed: Condvar::new() }
    }

    /// Waits for a permit.
    pub(super) fn acquire(&self) -> HashingPermit<'_> {
        let mut free = self.free.lock();
        while *free == 0 {
            free = self.freed.wait(free);
        }
        *free -= 1;
        HashingPermit(self)
    }
}

impl Drop for HashingPermit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.freed.notify_one();
    }
}
