//! Pool of threads that are reused for many requests.
//!
//! A new thread for each request costs memory permanently: glibc gives threads separate heaps, and PAM modules keep
//! data per thread. The worker that became idle last gets the next job, so that the number of threads follows the load,
//! and a worker ends after it was idle for a while.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use locks::Mutex;

/// A job for a worker.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A thread pool. It has as many threads as concurrent jobs, whose number the caller bounds.
pub(crate) struct Workers(Arc<Pool>);

struct Pool {
    name: &'static str,
    idle_time: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    threads: usize,
    last: u64,
    /// Idle workers; the one that became idle last is at the end.
    idle: Vec<Idle>,
}

/// An idle worker, which waits for exactly one job.
struct Idle {
    number: u64,
    jobs: SyncSender<Job>,
}

/// Counts a thread until it ends, also if it panics.
struct Counted<'a>(&'a Pool);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.threads = state.threads.saturating_sub(1);
    }
}

impl Workers {
    /// Creates an empty pool. `name` is the name of its threads, `idle_time` how long an idle thread lives.
    pub(crate) fn new(name: &'static str, idle_time: Duration) -> Self {
        Self(Arc::new(Pool { name, idle_time, state: Mutex::default() }))
    }

    /// Runs a job on an idle thread or a new one. A panic ends only the job.
    ///
    /// # Errors
    /// I/O errors if no thread can be created; the job is dropped.
    pub(crate) fn run(&self, job: Job) -> io::Result<()> {
        let mut state = self.0.state.lock();
        let job = match state.idle.pop() {
            None => job,
            // The channel has room for one job, so this does not block.
            Some(worker) => match worker.jobs.send(job) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(job)) => job,
            },
        };
        state.threads += 1;
        state.last = state.last.wrapping_add(1);
        let number = state.last;
        drop(state);
        let pool = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name(self.0.name.to_owned());
        let started = thread.spawn(move || pool.work(number, job));
        if started.is_err() {
            drop(Counted(&self.0));
        }
        started.map(drop)
    }

    /// Returns the number of threads.
    #[cfg(test)]
    fn threads(&self) -> usize {
        self.0.state.lock().threads
    }
}

impl Pool {
    fn work(&self, number: u64, first: Job) {
        let _counted = Counted(self);
        let (sender, jobs) = mpsc::sync_channel::<Job>(1);
        let mut job = first;
        loop {
            // The panic hook has already reported the panic itself.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!(thread = self.name, "A job panicked");
            }
            self.state.lock().idle.push(Idle { number, jobs: sender.clone() });
            job = match jobs.recv_timeout(self.idle_time) {
                Ok(job) => job,
                Err(_) if self.withdraw(number) => return,
                // The job was sent just after the timeout.
                Err(_) => match jobs.recv() {
                    Ok(job) => job,
                    Err(_) => return,
                },
            };
        }
    }

    /// Removes a worker from the idle list; returns `false` if a job was already sent to it.
    fn withdraw(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        let before = state.idle.len();
        state.idle.retain(|worker| worker.number != number);
        state.idle.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn sequential_jobs_share_few_threads_and_panics_end_none() {
        let workers = Workers::new("test", PATIENCE);
        let (sender, done) = mpsc::channel();
        for number in 0..1_000 {
            let sender = sender.clone();
            workers
                .run(Box::new(move || {
                    sender.send(number).unwrap();
                    assert!(number % 100 != 0, "this one panics");
                }))
                .unwrap();
            assert_eq!(done.recv_timeout(PATIENCE), Ok(number));
        }
        // The thread of a job may still be busy when the next job arrives.
        assert!(workers.threads() <= 20, "{}", workers.threads());
    }

    #[test]
    fn jobs_run_concurrently_and_idle_threads_end() {
        let workers = Workers::new("test", Duration::from_millis(1));
        let (sender, begun) = mpsc::channel();
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock();
        for _ in 0..8 {
            let (sender, gate) = (sender.clone(), Arc::clone(&gate));
            workers
                .run(Box::new(move || {
                    sender.send(()).unwrap();
                    drop(gate.lock());
                }))
                .unwrap();
        }
        for _ in 0..8 {
            begun.recv_timeout(PATIENCE).unwrap();
        }
        assert_eq!(workers.threads(), 8);
        drop(held);
        let until = std::time::Instant::now() + PATIENCE;
        while workers.threads() > 0 {
            assert!(std::time::Instant::now() < until, "threads stay");
            std::thread::yield_now();
        }
        workers.run(Box::new(move || sender.send(()).unwrap())).unwrap();
        begun.recv_timeout(PATIENCE).unwrap();
    }
}
