//! Size and free space of file systems, with a time limit.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use locks::Mutex;

/// Time limit for the answer of a file system.
///
/// A network file system whose server is down never answers, and the thread that asks it cannot be
/// interrupted.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Unanswered queries; prevents new ones to file systems that do not respond.
#[derive(Debug, Default)]
pub struct StatisticsQueries(Mutex<Vec<(PathBuf, Instant)>>);

/// A query to a file system.
#[derive(Debug)]
pub struct StatisticsQuery {
    answer: Option<Receiver<io::Result<Statistics>>>,
    until: Instant,
}

/// Statistics of a file system (statvfs(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Size of a block in bytes.
    pub block: u64,
    /// Number of blocks.
    pub blocks: u64,
    /// Number of blocks available to unprivileged users.
    pub available: u64,
    /// Maximum length of a file name in bytes.
    pub longest_name: u64,
}

/// Result of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryResult {
    /// The file system responded.
    Statistics(Statistics),
    /// The file system did not answer in time.
    Silent,
    /// The caller may not ask.
    Denied,
    /// The file system returned an error.
    Broken,
}

impl StatisticsQueries {
    /// Asks the file system mounted at a path, on a thread of its own that may never end.
    ///
    /// Does not ask while an earlier query to the same file system has been unanswered for longer than
    /// [`PATIENCE`].
    pub fn ask(self: &Arc<Self>, place: PathBuf) -> StatisticsQuery {
        let now = Instant::now();
        let until = now + PATIENCE;
        let mut open = self.0.lock();
        if open.iter().any(|(requested, since)| *requested == place && now.duration_since(*since) >= PATIENCE)
        {
            return StatisticsQuery { answer: None, until };
        }
        let (sender, answer) = sync_channel(1);
        let (queries, requested) = (self.clone(), (place.clone(), now));
        let spawned =
            thread::Builder::new().name("statvfs".to_owned()).stack_size(64 << 10).spawn(move || {
                let statistics = rustix::fs::statvfs(&place).map(|statistics| Statistics {
                    block: statistics.f_frsize,
                    blocks: statistics.f_blocks,
                    available: statistics.f_bavail,
                    longest_name: statistics.f_namemax,
                });
                let mut open = queries.0.lock();
                if let Some(at) = open.iter().position(|query| *query == (place.clone(), now)) {
                    open.swap_remove(at);
                }
                drop(open);
                // Fails if the receiver has given up.
                let _ = sender.send(statistics.map_err(io::Error::from));
            });
        if spawned.is_ok() {
            open.push(requested);
        }
        StatisticsQuery { answer: spawned.is_ok().then_some(answer), until }
    }
}

impl StatisticsQuery {
    /// Waits for the answer; must be called only once.
    pub fn answer(&self) -> QueryResult {
        let Some(answer) = &self.answer else { return QueryResult::Silent };
        match answer.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
            Ok(Ok(statistics)) => QueryResult::Statistics(statistics),
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => QueryResult::Denied,
            Ok(Err(_)) => QueryResult::Broken,
            Err(_) => QueryResult::Silent,
        }
    }
}

impl QueryResult {
    /// Returns the statistics, if the file system has answered.
    pub fn statistics(self) -> Option<Statistics> {
        if let Self::Statistics(statistics) = self { Some(statistics) } else { None }
    }

    /// Returns the value of `Status` (`CIM_ManagedSystemElement`).
    pub fn status(self) -> &'static str {
        match self {
            Self::Statistics(_) => "OK",
            Self::Silent => "Degraded",
            Self::Denied => "Unknown",
            Self::Broken => "Error",
        }
    }
}

impl Statistics {
    /// Returns the size in bytes.
    pub fn size(self) -> u64 {
        self.block.saturating_mul(self.blocks)
    }

    /// Returns the space available to unprivileged users, in bytes.
    pub fn free(self) -> u64 {
        self.block.saturating_mul(self.available)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answered_queries_are_removed_and_missing_paths_fail() {
        let queries = Arc::<StatisticsQueries>::default();
        let statistics = queries.ask("/".into()).answer().statistics().expect("a file system");
        assert!(statistics.size() >= statistics.free() && statistics.longest_name >= 8);
        assert_eq!(queries.ask("/no/such/folder".into()).answer(), QueryResult::Broken);
        assert!(queries.0.lock().is_empty());
    }

    #[test]
    fn unresponsive_file_system_is_not_queried_again() {
        let queries = Arc::<StatisticsQueries>::default();
        let long_ago = Instant::now().checked_sub(PATIENCE).expect("a clock that has run for long enough");
        queries.0.lock().push(("/".into(), long_ago));
        assert_eq!(queries.ask("/".into()).answer(), QueryResult::Silent);
    }
}
