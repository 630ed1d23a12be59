//! Store of subscriptions, sources and bookmarks: SQLite, or PostgreSQL for several collectors.
//!
//! Both have the same tables. A committed bookmark survives a crash of the machine with the store.

mod content;
mod database;
mod location;
mod migration;
mod node;
mod postgres;
mod reader;
mod sqlite;
mod stored;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::content::Occupied;
pub use self::database::DatabaseSettings;
pub use self::location::StoreSettings;
pub use self::migration::{Moved, move_to_database};
use self::postgres::PostgresStore;
pub(crate) use self::postgres::Shared;
pub use self::reader::StoreReader;
use self::sqlite::SqliteStore;
pub use self::stored::{StoredSource, StoredSubscription};
use crate::error::CollectorError;
use crate::output::CommittedFile;

/// The store.
#[derive(Clone)]
pub(crate) enum Store {
    /// SQLite, for one collector.
    Sqlite(Arc<SqliteStore>),
    /// PostgreSQL, for several collectors.
    Postgres(Arc<PostgresStore>),
}

/// State of one source in one subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// Identifier of the source.
    pub source: String,
    /// Position after the last acknowledged event, as the source sent it.
    pub bookmark: Option<String>,
    /// Number of acknowledged batches.
    pub batches: i64,
    /// Time of the last acknowledged batch, in seconds since 1970.
    pub last_event: Option<i64>,
    /// Time of the last message, in seconds since 1970.
    pub last_heartbeat: Option<i64>,
    /// Address of the last message.
    pub remote_ip: Option<String>,
    /// Version of the subscription that the source runs.
    pub version_seen: Option<String>,
    /// Last fault that was sent to the source, reason why it ended the subscription, or reason why the collector cannot
    /// pull from it.
    pub last_fault: Option<String>,
    /// Error number of Windows of the last fault.
    pub fault_code: Option<u32>,
    /// Time of the last fault, in seconds since 1970.
    pub fault_time: Option<i64>,
    /// Time at which the collector connects to the source again, in seconds since 1970.
    pub retry_time: Option<i64>,
    /// Name and identifier of the collector that received the last message, if several collectors share the store.
    pub node: Option<String>,
}

/// Subscription to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionRow {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The subscription as XML.
    pub(crate) document: String,
    pub(crate) version: String,
}

/// Row to be written for a message of a source.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) source: String,
    pub(crate) proof: &'static str,
    pub(crate) principal: String,
    pub(crate) machine_id: Option<String>,
    pub(crate) subscription: String,
    pub(crate) remote_ip: String,
    pub(crate) version: Option<String>,
    pub(crate) fault: Option<String>,
    /// Details if the collector could not pull from the source; there was no message then.
    pub(crate) failure: Option<Failure>,
    /// Time in seconds since 1970.
    pub(crate) now: i64,
}

/// Failure of a source to which the collector connects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) code: Option<u32>,
    /// Time of the next attempt in seconds since 1970.
    pub(crate) retry: i64,
}

/// Batch to be committed.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub(crate) seen: Seen,
    pub(crate) bookmark: Option<String>,
    /// Whether the batch has events, and not only a position.
    pub(crate) has_events: bool,
    pub(crate) digest: [u8; 32],
}

/// Rows that are committed in one transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    /// Batches whose events are in the outputs.
    pub(crate) batches: Vec<Committed>,
    /// Messages without events.
    pub(crate) seen: Vec<Seen>,
    /// Lengths of the files of this node.
    pub(crate) files: Vec<CommittedFile>,
}

impl Group {
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.seen.is_empty() && self.files.is_empty()
    }
}

impl Store {
    /// Opens a store, or creates it, and applies missing migrations. Must be called within the runtime.
    pub(crate) async fn open(settings: StoreSettings) -> Result<Self, CollectorError> {
        match settings {
            StoreSettings::File(path) => {
                let store = blocking(move || SqliteStore::open(&path)).await?;
                Ok(Self::Sqlite(Arc::new(store)))
            }
            StoreSettings::Database { settings, node_file } => {
                PostgresStore::open(*settings, &node_file).await.map(Arc::new).map(Self::Postgres)
            }
        }
    }

    /// Returns the bookmarks of a source, by identifiers of subscriptions.
    pub(crate) async fn bookmarks(&self, source: &str) -> Result<Vec<(String, String)>, CollectorError> {
        match self {
            Self::Sqlite(store) => {
                let (store, source) = (Arc::clone(store), source.to_owned());
                blocking(move || store.bookmarks(&source)).await
            }
            Self::Postgres(store) => store.bookmarks(source).await,
        }
    }

    /// Returns the identifier of the push subscription at a source that the collector has not cancelled.
    pub(crate) async fn delivery(
        &self,
        source: &str,
        subscription: &str,
    ) -> Result<Option<String>, CollectorError> {
        match self {
            Self::Sqlite(store) => {
                let store = Arc::clone(store);
                let (source, subscription) = (source.to_owned(), subscription.to_owned());
                blocking(move || store.delivery(&source, &subscription)).await
            }
            Self::Postgres(store) => store.delivery(source, subscription).await,
        }
    }

    /// Stores the identifier of the push subscription at a source, or removes it.
    pub(crate) async fn set_delivery(
        &self,
        source: &str,
        subscription: &str,
        identifier: Option<&str>,
    ) -> Result<(), CollectorError> {
        match self {
            Self::Sqlite(store) => {
                let store = Arc::clone(store);
                let (source, subscription) = (source.to_owned(), subscription.to_owned());
                let identifier = identifier.map(str::to_owned);
                blocking(move || store.set_delivery(&source, &subscription, identifier.as_deref())).await
            }
            Self::Postgres(store) => store.set_delivery(source, subscription, identifier).await,
        }
    }

    /// Returns the states of all sources in a subscription, by source.
    pub(crate) async fn states(&self, subscription: &str) -> Result<Vec<SourceState>, CollectorError> {
        match self {
            Self::Sqlite(store) => {
                let (store, subscription) = (Arc::clone(store), subscription.to_owned());
                blocking(move || store.states(&subscription)).await
            }
            Self::Postgres(store) => store.states(subscription).await,
        }
    }

    /// Returns whether a source is in the store, or may be added to it because there are fewer than `most`.
    pub(crate) async fn admits_source(&self, source: &str, most: usize) -> Result<bool, CollectorError> {
        match self {
            Self::Sqlite(store) => {
                let (store, source) = (Arc::clone(store), source.to_owned());
                blocking(move || Ok(store.contains_source(&source)? || store.source_count()? < most)).await
            }
            Self::Postgres(store) => store.admits_source(source, most).await,
        }
    }

    /// Returns for each batch whether it was committed before. Blocks the thread, which must not be one of the runtime.
    pub(crate) fn contains(&self, batches: &[&Committed]) -> Result<Vec<bool>, CollectorError> {
        match self {
            Self::Sqlite(store) => batches.iter().map(|batch| store.contains_batch(batch)).collect(),
            Self::Postgres(store) => store.contains(batches),
        }
    }

    /// Commits a group in one transaction, durably. Blocks the thread, which must not be one of the runtime.
    pub(crate) fn commit(&self, group: &Group) -> Result<(), CollectorError> {
        match self {
            Self::Sqlite(store) => store.commit(&group.batches, &group.seen, &group.files),
            Self::Postgres(store) => store.commit(group),
        }
    }

    /// Returns the files of this node with their committed lengths.
    pub(crate) async fn committed_files(&self) -> Result<Vec<CommittedFile>, CollectorError> {
        match self {
            Self::Sqlite(store) => {
                let store = Arc::clone(store);
                blocking(move || store.committed_files()).await
            }
            Self::Postgres(store) => store.committed_files().await,
        }
    }

    /// Removes the rows of files of this node that do not exist any more.
    pub(crate) async fn forget_files(&self, missing: Vec<PathBuf>) -> Result<(), CollectorError> {
        match self {
            Self::Sqlite(store) => {
                let store = Arc::clone(store);
                blocking(move || store.forget_files(&missing)).await
            }
            Self::Postgres(store) => store.forget_files(&missing).await,
        }
    }
}

/// Runs a function that blocks on a thread for it.
pub(crate) async fn blocking<T: Send + 'static>(
    function: impl FnOnce() -> Result<T, CollectorError> + Send + 'static,
) -> Result<T, CollectorError> {
    // The function does not panic, and the runtime ends only with the process.
    tokio::task::spawn_blocking(function).await.unwrap_or(Err(CollectorError::Closed))
}

/// Number of batches per source and subscription that are recognised when they are repeated.
const KEPT_BATCHES: i64 = 8;

#[cfg(test)]
mod tests;
