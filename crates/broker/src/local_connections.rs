//! Connections of programs of this machine: limited for each user before anything is done for them.
//!
//! The kernel names the user of a connection (unix(7), `SO_PEERCRED`). A connection counts from the moment it is
//! accepted until the gateway reports its end, or the gateway itself ends.

mod queue;

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use limits::{Capacity, FoldedWarnings, KeyedLimit, Permit, Report};
use rustix::net::sockopt;

use self::queue::{NotQueued, Queue};

/// Admits local connections and hands them to workers.
///
/// A user who has too many connections is answered with HTTP 503. Users take turns: however many connections one
/// opens, the others wait for at most one of them.
pub struct LocalConnections {
    open: KeyedLimit<u32>,
    queue: Arc<Queue>,
    refused: Mutex<FoldedWarnings<u32>>,
}

/// A connection that was admitted. Only [`LocalConnections`] makes one, so its user is the one that the kernel names.
#[derive(Debug)]
pub struct LocalConnection {
    pub(crate) stream: UnixStream,
    pub(crate) uid: u32,
    pub(crate) open: Permit<u32>,
}

impl LocalConnection {
    /// Returns the user at the other end.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Answers with HTTP 503 and closes the connection.
    pub fn decline(self) {
        decline(&self.stream);
    }
}

/// Answers with HTTP 503. A client that does not read holds up nothing, and one that reads has room for the answer.
fn decline(mut stream: &UnixStream) {
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write_all(UNAVAILABLE);
    }
}

/// Reason why a local connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Limit(#[from] limits::Refusal),
    #[error("too many local connections wait to be served")]
    Busy,
}

impl LocalConnections {
    /// Starts the workers. `open_files` is the limit of open files of this process; connections that wait use at most
    /// a quarter of it.
    ///
    /// # Errors
    /// The system's.
    pub fn start(open_files: Option<u64>) -> io::Result<Self> {
        let quarter = open_files.map_or(usize::MAX, |limit| usize::try_from(limit / 4).unwrap_or(usize::MAX));
        let queue = Arc::new(Queue::new(MOST_WAITING.min(quarter.max(FEWEST_WAITING))));
        for _ in 0..WORKERS {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("local".to_owned()).spawn(move || queue.work())?;
        }
        Ok(Self {
            open: KeyedLimit::new(),
            queue,
            refused: Mutex::new(FoldedWarnings::new(ONE_RECORD_IN, MOST_FOLDED)),
        })
    }

    /// Counts a connection that was accepted just now, and has a worker serve it; or refuses it with HTTP 503.
    ///
    /// The socket must have been accepted by this process: on one that another process has made, such as one that is
    /// connected to another service, the kernel names the user of that service.
    pub fn admit(&self, accepted: UnixStream, serve: impl FnOnce(LocalConnection) + Send + 'static) {
        let uid = match sockopt::socket_peercred(&accepted) {
            Ok(credentials) => credentials.uid.as_raw(),
            Err(error) => {
                tracing::warn!(%error, "The kernel does not name the user of a local connection");
                return;
            }
        };
        let capacity = Capacity {
            total: if is_privileged(uid) { MOST_OPEN } else { MOST_OPEN - RESERVED },
            per_key: MOST_OPEN_OF_ONE,
        };
        let open = match self.open.acquire(uid, capacity) {
            Ok(open) => open,
            Err(error) => return self.refuse(&accepted, uid, error.into()),
        };
        let connection = LocalConnection { stream: accepted, uid, open };
        if let Err(NotQueued(connection)) = self.queue.push(connection, Box::new(serve), is_privileged(uid)) {
            self.refuse(&connection.stream, uid, Refusal::Busy);
        }
    }

    /// Logs a refused connection; a user who is refused all the time has one record in ten seconds.
    pub fn warn(&self, uid: u32, error: &dyn std::error::Error) {
        let report = self.folding().note(uid, Instant::now());
        if let Some(Report { repeated, others }) = report {
            tracing::warn!(uid, repeated, others, error = error.to_string(), "Local connection refused");
        }
    }

    /// Returns the number of connections that are open or wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.total()
    }

    fn refuse(&self, stream: &UnixStream, uid: u32, refusal: Refusal) {
        self.warn(uid, &refusal);
        decline(stream);
    }

    fn folding(&self) -> MutexGuard<'_, FoldedWarnings<u32>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LocalConnections {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Returns whether a user has a part of the connections in reserve: root, and the user of this process.
fn is_privileged(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Answer to a connection that is not served.
const UNAVAILABLE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n";

/// Maximum number of local connections of one user: more than programs need that do one thing after the other.
const MOST_OPEN_OF_ONE: usize = 64;
/// Maximum number of local connections, as many as the gateway has for all transports.
const MOST_OPEN: usize = 640;
/// Number of these that only root and the service itself can use.
const RESERVED: usize = 128;
/// Maximum number of connections that wait for a worker or are in work; each has a descriptor.
const MOST_WAITING: usize = 256;
/// That number where the limit of open files is very low.
const FEWEST_WAITING: usize = 32;
/// Number of threads. Each reads the lists of users, which takes a fraction of a millisecond.
const WORKERS: usize = 4;
/// Interval between two records of one user.
const ONE_RECORD_IN: Duration = Duration::from_secs(10);
/// Number of users whose refusals are counted separately.
const MOST_FOLDED: usize = 256;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read as _;
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn one_user_has_64_connections_and_gets_503_for_more_until_some_are_closed() {
        let local = LocalConnections::start(Some(1_024)).unwrap();
        let (sender, served) = mpsc::channel();
        let admit = || {
            let (client, accepted) = UnixStream::pair().unwrap();
            let sender = sender.clone();
            local.admit(accepted, move |connection| sender.send(connection).unwrap());
            client
        };
        let clients: Vec<_> = (0..MOST_OPEN_OF_ONE).map(|_| admit()).collect();
        let connections: Vec<_> = clients.iter().map(|_| served.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(local.count(), MOST_OPEN_OF_ONE);
        let mut refused = admit();
        let mut answer = String::new();
        refused.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(served.try_recv().is_err());
        drop(connections);
        assert_eq!(local.count(), 0);
        let _client = admit();
        served.recv_timeout(PATIENCE).unwrap();
    }
}
