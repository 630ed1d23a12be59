//! Queries with further rows, each under a random name.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Query of a user, or on one machine, with its name.
struct Stored<Q> {
    name: String,
    owner: String,
    since: Instant,
    query: Q,
}

/// Queries that wait for the request for their next page, oldest first.
pub(crate) struct Cursors<Q>(VecDeque<Stored<Q>>);

impl<Q> Default for Cursors<Q> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<Q> Cursors<Q> {
    /// Stores a query under a new name, which is returned. The oldest of this owner ends if the owner has too many, or
    /// the oldest of all.
    pub(crate) fn store(&mut self, owner: &str, query: Q) -> String {
        self.drop_expired();
        let name = random::uuid().to_string().replace('-', "");
        let own = self.0.iter().filter(|stored| stored.owner == owner).count();
        if own >= MAX_PER_OWNER {
            let oldest = self.0.iter().position(|stored| stored.owner == owner);
            oldest.and_then(|position| self.0.remove(position));
        } else if self.0.len() >= MAX {
            self.0.pop_front();
        }
        let (owner, since) = (owner.to_owned(), Instant::now());
        self.0.push_back(Stored { name: name.clone(), owner, since, query });
        name
    }

    /// Removes the query of an owner with this name, and returns it.
    pub(crate) fn take(&mut self, name: &str, owner: &str) -> Option<Q> {
        self.drop_expired();
        let position = self.0.iter().position(|stored| stored.name == name && stored.owner == owner)?;
        self.0.remove(position).map(|stored| stored.query)
    }

    /// Ends queries that have waited too long.
    pub(crate) fn drop_expired(&mut self) {
        while self.0.front().is_some_and(|stored| stored.since.elapsed() > LIFETIME) {
            self.0.pop_front();
        }
    }
}

/// Maximum number of queries of an owner that wait. Each may occupy a thread.
const MAX_PER_OWNER: usize = 4;
/// Maximum number of queries that wait.
const MAX: usize = 24;
/// Time until the next page must be requested.
const LIFETIME: Duration = Duration::from_secs(120);
