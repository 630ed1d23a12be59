//! Queries with further rows, each under a random name.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cim::{Instance, Namespace};
use wmi::Rows;

/// Query that was read in part.
pub(super) struct OpenQuery {
    pub(super) namespace: Namespace,
    pub(super) rows: Rows,
    /// Row that was read, but not returned.
    pub(super) pending: Option<Instance>,
    /// Selected properties; `None` for all.
    pub(super) properties: Option<Vec<String>>,
}

struct Stored {
    name: String,
    user: String,
    since: Instant,
    query: OpenQuery,
}

/// Queries that wait for the request for their next page, oldest first.
#[derive(Default)]
pub(super) struct Cursors(VecDeque<Stored>);

impl Cursors {
    /// Stores a query. The oldest of this user ends if the user has too many, or the oldest of all.
    pub(super) fn store(&mut self, name: String, user: &str, query: OpenQuery) {
        self.drop_expired();
        let own = self.0.iter().filter(|stored| stored.user == user).count();
        if own >= MAX_PER_USER {
            let oldest = self.0.iter().position(|stored| stored.user == user);
            oldest.and_then(|position| self.0.remove(position));
        } else if self.0.len() >= MAX {
            self.0.pop_front();
        }
        self.0.push_back(Stored { name, user: user.to_owned(), since: Instant::now(), query });
    }

    /// Removes the query of a user with this name, and returns it.
    pub(super) fn take(&mut self, name: &str, user: &str) -> Option<OpenQuery> {
        self.drop_expired();
        let position = self.0.iter().position(|stored| stored.name == name && stored.user == user)?;
        self.0.remove(position).map(|stored| stored.query)
    }

    /// Ends queries that have waited too long.
    pub(super) fn drop_expired(&mut self) {
        while self.0.front().is_some_and(|stored| stored.since.elapsed() > LIFETIME) {
            self.0.pop_front();
        }
    }
}

/// Maximum number of queries of a user that wait. Each may occupy a thread.
const MAX_PER_USER: usize = 4;
/// Maximum number of queries that wait.
const MAX: usize = 24;
/// Time until the next page must be requested.
const LIFETIME: Duration = Duration::from_secs(120);
