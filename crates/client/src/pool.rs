//! Connections that wait for the next request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::Connection;

/// The idle connections of one session, the last used on top.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Idle>>);

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// A connection that is still there, as far as anyone can know.
    pub(crate) async fn take(&self) -> Option<Connection> {
        loop {
            let Idle { mut connection, since } = self.pop()?;
            if since.elapsed() > LONGEST_IDLE {
                // Those below have waited even longer.
                self.clear();
                return None;
            }
            if connection.is_idle().await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for later; one too many is closed.
    pub(crate) fn put(&self, connection: Connection) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= MOST_IDLE {
            idle.remove(0);
        }
        idle.push(Idle { connection, since: Instant::now() });
    }

    /// Closes all: where one has died the others most likely have, too.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn pop(&self) -> Option<Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// As many as one shell uses: output, input, signals, and one to spare.
const MOST_IDLE: usize = 4;
/// Windows closes a connection that is idle for two minutes; a request should not meet that.
const LONGEST_IDLE: Duration = Duration::from_secs(55);
