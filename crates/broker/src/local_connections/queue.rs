//! Queue of local connections that wait for a worker. Users take turns.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use locks::{Condvar, Mutex};

use super::LocalConnection;

/// Function that serves one connection.
pub(super) type Serve = Box<dyn FnOnce(LocalConnection) + Send>;

/// A bounded set of queues, one for each user.
pub(super) struct Queue {
    most: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// The queue is full. Holds the rejected connection.
#[derive(Debug)]
pub(super) struct NotQueued(pub(super) LocalConnection);

/// INVARIANT: `turns` contains each user with waiting jobs once; `total` counts waiting jobs and those being served.
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

    /// Adds a connection. A quarter of the queue is reserved for privileged users.
    pub(super) fn push(
        &self,
        connection: LocalConnection,
        serve: Serve,
        is_privileged: bool,
    ) -> Result<(), NotQueued> {
        let mut waiting = self.waiting.lock();
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

    /// Serves connections on the current thread until the queue is closed.
    pub(super) fn work(&self) {
        while let Some(Job { connection, serve }) = self.next() {
            let uid = connection.uid;
            // The panic hook has already reported the panic itself.
            if catch_unwind(AssertUnwindSafe(|| serve(connection))).is_err() {
                tracing::error!(uid, "Serving a local connection panicked");
            }
            self.waiting.lock().finish(uid);
            self.changed.notify_all();
        }
    }

    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        loop {
            if waiting.is_closed {
                return None;
            }
            if let Some(job) = waiting.take() {
                return Some(job);
            }
            waiting = self.changed.wait(waiting);
        }
    }
}

impl Waiting {
    /// Removes and returns the oldest connection of the next user who is below the limit of workers per user.
    fn take(&mut self) -> Option<Job> {
        let turn = self
            .turns
            .iter()
            .position(|uid| self.in_work.get(uid).is_none_or(|count| *count < MAX_WORKERS_PER_USER))?;
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

/// Maximum number of workers for one user. A user who stops his host processes can block a worker for a second.
const MAX_WORKERS_PER_USER: usize = 2;

#[cfg(test)]
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
    fn users_take_turns_and_no_user_occupies_all_workers() {
        let queue = Queue::new(16);
        for _ in 0..12 {
            queue.push(connection(7), Box::new(drop), false).unwrap();
        }
        for uid in [7, 8] {
            assert!(queue.push(connection(uid), Box::new(drop), false).is_err(), "the rest is reserved");
        }
        queue.push(connection(0), Box::new(drop), true).unwrap();
        let mut waiting = queue.waiting.lock();
        let taken: Vec<_> = std::iter::from_fn(|| waiting.take()).map(|job| job.connection.uid).collect();
        assert_eq!(taken, [7, 0, 7], "no user has more than two workers");
        waiting.finish(7);
        assert_eq!(waiting.take().unwrap().connection.uid, 7);
        assert_eq!(waiting.total, 12);
    }
}
