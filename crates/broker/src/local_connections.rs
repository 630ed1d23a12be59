//! Connections of local programs, limited per user before any work is done for them.
//!
//! The kernel reports the user of a connection (unix(7), `SO_PEERCRED`). A connection counts from the moment it is
//! accepted until the gateway reports its end, or the gateway itself ends.

mod queue;

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use limits::{Capacity, FoldedWarnings, KeyedLimit, Permit, Report};
use locks::Mutex;
use rustix::net::sockopt;

use self::queue::{NotQueued, Queue};

/// Admits local connections and distributes them to worker threads.
///
/// A user with too many connections receives HTTP 503. Users are served in turn: the number of connections of one user
/// does not delay the others by more than one connection.
pub struct LocalConnections {
    open: KeyedLimit<u32>,
    queue: Arc<Queue>,
    refused: Mutex<FoldedWarnings<u32>>,
}

/// An admitted connection. Only [`LocalConnections`] creates one, so its user is the one that the kernel reported.
#[derive(Debug)]
pub struct LocalConnection {
    pub(crate) stream: UnixStream,
    pub(crate) uid: u32,
    pub(crate) open: Permit<u32>,
}

impl LocalConnection {
    /// Returns the user ID of the client.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Responds with HTTP 503 and closes the connection.
    pub fn decline(self) {
        decline(&self.stream);
    }
}

/// Responds with HTTP 503 without blocking: the response always fits into the buffer of a new socket.
fn decline(mut stream: &UnixStream) {
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write_all(UNAVAILABLE);
    }
}

/// Reason why a local connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Limit(#[from] limits::Refusal),
    #[error("too many local connections are waiting")]
    Busy,
}

impl LocalConnections {
    /// Starts the worker threads. `open_files` is the process limit of open files; waiting connections use at most a
    /// quarter of it.
    ///
    /// # Errors
    /// I/O errors if a thread cannot be created.
    pub fn start(open_files: Option<u64>) -> io::Result<Self> {
        let quarter = open_files.map_or(usize::MAX, |limit| usize::try_from(limit / 4).unwrap_or(usize::MAX));
        let queue = Arc::new(Queue::new(MAX_WAITING.min(quarter.max(MIN_WAITING_LIMIT))));
        for _ in 0..WORKERS {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("local".to_owned()).spawn(move || queue.work())?;
        }
        Ok(Self {
            open: KeyedLimit::new(),
            queue,
            refused: Mutex::new(FoldedWarnings::new(LOG_INTERVAL, MAX_FOLDED)),
        })
    }

    /// Counts a connection and queues it for a worker, or refuses it with HTTP 503.
    ///
    /// The socket must have been accepted by this process: for a socket created elsewhere, such as one that is
    /// connected to another service, the kernel reports the user of that service.
    pub fn admit(&self, accepted: UnixStream, serve: impl FnOnce(LocalConnection) + Send + 'static) {
        let uid = match sockopt::socket_peercred(&accepted) {
            Ok(credentials) => credentials.uid.as_raw(),
            Err(error) => {
                tracing::warn!(%error, "Cannot determine the user of a local connection");
                return;
            }
        };
        let capacity = Capacity {
            total: if is_privileged(uid) { MAX_OPEN } else { MAX_OPEN - RESERVED },
            per_key: MAX_OPEN_PER_USER,
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

    /// Logs a refused connection, at most once in ten seconds for each user.
    pub fn warn(&self, uid: u32, error: &dyn std::error::Error) {
        let report = self.refused.lock().note(uid, Instant::now());
        if let Some(Report { repeated, others }) = report {
            tracing::warn!(uid, repeated, others, error = error.to_string(), "Local connection refused");
        }
    }

    /// Returns the number of open and waiting connections.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.total()
    }

    fn refuse(&self, stream: &UnixStream, uid: u32, refusal: Refusal) {
        self.warn(uid, &refusal);
        decline(stream);
    }
}

impl Drop for LocalConnections {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Returns whether some connections are reserved for a user: root, and the user of this process.
fn is_privileged(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Response to a refused connection.
const UNAVAILABLE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n";

/// Maximum number of connections of one user; a sequential program needs one.
const MAX_OPEN_PER_USER: usize = 64;
/// Maximum number of local connections, equal to the gateway's limit over all transports.
const MAX_OPEN: usize = 640;
/// Number of connections reserved for privileged users.
const RESERVED: usize = 128;
/// Maximum number of connections that wait for a worker or are being set up; each uses a descriptor.
const MAX_WAITING: usize = 256;
/// Lower bound of `MAX_WAITING` when the limit of open files is very low.
const MIN_WAITING_LIMIT: usize = 32;
/// Number of worker threads. Each looks up the user's account, which takes a fraction of a millisecond.
const WORKERS: usize = 4;
/// Minimum interval between two log records about one user.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Maximum number of users whose refusals are counted separately.
const MAX_FOLDED: usize = 256;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_user_with_64_connections_gets_503_until_some_are_closed() {
        let local = LocalConnections::start(Some(1_024)).unwrap();
        let (sender, served) = mpsc::channel();
        let admit = || {
            let (client, accepted) = UnixStream::pair().unwrap();
            let sender = sender.clone();
            local.admit(accepted, move |connection| sender.send(connection).unwrap());
            client
        };
        let clients: Vec<_> = (0..MAX_OPEN_PER_USER).map(|_| admit()).collect();
        let connections: Vec<_> = clients.iter().map(|_| served.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(local.count(), MAX_OPEN_PER_USER);
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
