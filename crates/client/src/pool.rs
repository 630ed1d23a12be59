//! Pool of idle connections.

use std::time::Duration;

use locks::Mutex;
use tokio::time::Instant;

use crate::connection::Connection;

/// Idle connections of one session, the most recently used last.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Idle>>);

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// Returns the most recently used connection that the service has not closed.
    pub(crate) async fn take(&self) -> Option<Connection> {
        loop {
            let Idle { mut connection, since } = self.pop()?;
            if since.elapsed() > LONGEST_IDLE {
                // The other connections have been idle even longer.
                self.clear();
                return None;
            }
            if connection.check_idle().await {
                return Some(connection);
            }
        }
    }

    /// Adds an idle connection; closes the oldest one if the pool is full.
    pub(crate) fn put(&self, connection: Connection) {
        let mut idle = self.0.lock();
        if idle.len() >= MOST_IDLE {
            idle.remove(0);
        }
        idle.push(Idle { connection, since: Instant::now() });
    }

    /// Closes all connections: if one was closed by the service, the others probably were, too.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    fn pop(&self) -> Option<Idle> {
        self.0.lock().pop()
    }
}

/// Maximum number of idle connections: one shell uses three, for output, input and signals.
const MOST_IDLE: usize = 4;
/// Maximum idle time; Windows closes a connection after two minutes, which must not happen during a request.
const LONGEST_IDLE: Duration = Duration::from_secs(55);
