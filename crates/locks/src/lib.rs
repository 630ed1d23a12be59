//! The locks of the standard library without poisoning.
//!
//! A thread that panics while it holds a lock must not make the lock unusable for all other threads: the error of one
//! request must not end the service. Code that holds a lock therefore changes the value so that it is valid after each
//! step.
//!
//! ```
//! use telarch_locks::Mutex;
//!
//! let count = Mutex::new(0);
//! *count.lock() += 1;
//! assert_eq!(*count.lock(), 1);
//! ```

use std::fmt;
use std::sync::{self, LockResult, PoisonError};
use std::time::Duration;

pub use std::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard, WaitTimeoutResult};

/// A [`std::sync::Mutex`] that stays usable after a panic.
#[derive(Default)]
pub struct Mutex<T: ?Sized>(sync::Mutex<T>);

impl<T> Mutex<T> {
    /// Creates an unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        usable(self.0.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until no other thread holds the lock, and locks the value.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        usable(self.0.lock())
    }

    /// Returns the value without locking, because no other thread can refer to it.
    pub fn get_mut(&mut self) -> &mut T {
        usable(self.0.get_mut())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A [`std::sync::RwLock`] that stays usable after a panic.
#[derive(Default)]
pub struct RwLock<T: ?Sized>(sync::RwLock<T>);

impl<T> RwLock<T> {
    /// Creates an unlocked reader-writer lock.
    pub const fn new(value: T) -> Self {
        Self(sync::RwLock::new(value))
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until no other thread writes, and locks the value for reading.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        usable(self.0.read())
    }

    /// Waits until no other thread holds the lock, and locks the value for writing.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        usable(self.0.write())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A [`std::sync::Condvar`] for a [`Mutex`] of this crate.
#[derive(Debug, Default)]
pub struct Condvar(sync::Condvar);

impl Condvar {
    /// Creates a condition variable.
    #[must_use]
    pub const fn new() -> Self {
        Self(sync::Condvar::new())
    }

    /// Unlocks the mutex until the condition variable is notified. May return without a notification.
    pub fn wait<'m, T>(&self, guard: MutexGuard<'m, T>) -> MutexGuard<'m, T> {
        usable(self.0.wait(guard))
    }

    /// Unlocks the mutex while the condition holds, until a notification after which it does not.
    pub fn wait_while<'m, T>(
        &self,
        guard: MutexGuard<'m, T>,
        condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'m, T> {
        usable(self.0.wait_while(guard, condition))
    }

    /// Unlocks the mutex until the condition variable is notified or the time has passed. May return earlier.
    pub fn wait_timeout<'m, T>(
        &self,
        guard: MutexGuard<'m, T>,
        time: Duration,
    ) -> (MutexGuard<'m, T>, WaitTimeoutResult) {
        usable(self.0.wait_timeout(guard, time))
    }

    /// Unlocks the mutex while the condition holds, until a notification after which it does not, or until the time has
    /// passed.
    pub fn wait_timeout_while<'m, T>(
        &self,
        guard: MutexGuard<'m, T>,
        time: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'m, T>, WaitTimeoutResult) {
        usable(self.0.wait_timeout_while(guard, time, condition))
    }

    /// Wakes one waiting thread.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes all waiting threads.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Returns the guard or value even if another thread has panicked with the lock.
fn usable<G>(locked: LockResult<G>) -> G {
    locked.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_with_the_lock_does_not_make_it_unusable() {
        let (mut mutex, lock) = (Mutex::new(1), RwLock::new(1));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let (mut first, mut second) = (mutex.lock(), lock.write());
            (*first, *second) = (2, 2);
            panic!("with both locks");
        }));
        assert!(panicked.is_err());
        assert_eq!(*mutex.lock(), 2);
        assert_eq!(*lock.read(), 2);
        assert_eq!(*lock.write(), 2);
        *mutex.get_mut() += 1;
        let (guard, result) = Condvar::new().wait_timeout(mutex.lock(), Duration::ZERO);
        assert_eq!((*guard, result.timed_out()), (3, true));
        drop(guard);
        assert_eq!(mutex.into_inner(), 3);
    }
}
