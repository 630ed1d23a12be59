//! Connections that wait for a worker: users take turns.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::LocalConnection;

/// Serves one connection.
pub(super) type Serve = Box<dyn FnOnce(LocalConnection) + Send>;

/// A bounded queue for each user.
pub(super) struct Queue {
    most: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// The queue is full.
#[derive(Debug)]
pub(super) struct NotQueued(pub(super) LocalConnection);

/// INVARIANT: `turns` has each user once who has jobs, and `total` is the number of all jobs and of all in work.
#[derive(Default)]
struct Waiting {
    is_closed: bool,
    total: usize,
    turns: VecDeque<u32>,
    jobs: HashMap<u32, VecDeque<Job>>,
    in_work: HashMap<u32, usize>,
}

struct Job {
    connection: LocalConnection,
    serve: Serve,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { most, waiting: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds a connection. Users without privileges leave a quarter of the queue to the others.
    pub(super) fn push(
        &self,
        connection: LocalConnection,
        serve: Serve,
        is_privileged: bool,
    ) -> Result<(), NotQueued> {
        let mut waiting = self.lock();
        let most = if is_privileged { self.most } else { self.most - self.most / 4 };
        if waiting.total >= most {
            return Err(NotQueued(connection));
        }
        waiting.total += 1;
        let uid = connection.uid;
        let jobs = waiting.jobs.entry(uid).or_default();
        jobs.push_back(Job { connection, serve });
        if jobs.len() == 1 {
            waiting.turns.push_back(uid);
        }
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Serves connections until the queue is closed.
    pub(super) fn work(&self) {
        while let Some(Job { connection, serve }) = self.next() {
            let uid = connection.uid;
            // The panic itself was already reported by the hook of the process.
            if catch_unwind(AssertUnwindSafe(|| serve(connection))).is_err() {
                tracing::error!(uid, "Serving a local connection panicked");
            }
            self.lock().finish(uid);
            self.changed.notify_all();
        }
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if waiting.is_closed {
                return None;
            }
            if let Some(job) = waiting.take() {
                return Some(job);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Each change under the lock is whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Returns the oldest connection of the user whose turn it is and who does not have as many workers as one may.
    fn take(&mut self) -> Option<Job> {
        let in_work = |uid: &u32| self.in_work.get(uid).copied().unwrap_or(0);
        let turn = self.turns.iter().position(|uid| in_work(uid) < MOST_IN_WORK_OF_ONE)?;
        let uid = self.turns.remove(turn)?;
        let jobs = self.jobs.get_mut(&uid)?;
        let job = jobs.pop_front()?;
        if jobs.is_empty() {
            self.jobs.remove(&uid);
        } else {
            self.turns.push_back(uid);
        }
        *self.in_work.entry(uid).or_default() += 1;
        Some(job)
    }

    fn finish(&mut self, uid: u32) {
        self.total = self.total.saturating_sub(1);
        if let Some(count) = self.in_work.get_mut(&uid) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.in_work.remove(&uid);
            }
        }
    }
}

/// A user whose process hosts are stopped can hold a worker for a second; the others are for other users.
const MOST_IN_WORK_OF_ONE: usize = 2;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::net::UnixStream;

    use limits::{Capacity, KeyedLimit};

    use super::*;

    fn connection(uid: u32) -> LocalConnection {
        let (stream, _) = UnixStream::pair().unwrap();
        let open = KeyedLimit::new().acquire(uid, Capacity { total: 1, per_key: 1 }).unwrap();
        LocalConnection { stream, uid, open }
    }

    #[test]
    fn users_take_turns_and_none_has_all_workers() {
        let queue = Queue::new(16);
        let push = |uid, is_privileged| queue.push(connection(uid), Box::new(drop), is_privileged);
        for _ in 0..12 {
            push(7, false).unwrap();
        }
        assert!(push(7, false).is_err() && push(8, false).is_err(), "the rest is reserved");
        push(0, true).unwrap();
        let mut waiting = queue.lock();
        let taken: Vec<_> = std::iter::from_fn(|| waiting.take()).map(|job| job.connection.uid).collect();
        assert_eq!(taken, [7, 0, 7], "nobody has more than two workers");
        waiting.finish(7);
        assert_eq!(waiting.take().unwrap().connection.uid, 7);
        assert_eq!(waiting.total, 12);
    }
}
