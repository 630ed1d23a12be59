//! Reading the store beside a running collector.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{SourceState, schema};
use crate::error::CollectorError;

/// Store of a collector, opened for reading by another program.
pub struct StoreReader {
    path: PathBuf,
    connection: Connection,
    /// Columns of failures in a query; constants if the store is older than they are.
    failures: &'static str,
}

/// Subscription in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSubscription {
    /// Identifier in the URL for deliveries.
    pub id: String,
    /// Name of the subscription.
    pub name: String,
    /// The subscription as XML.
    pub document: String,
    /// Version that sources see.
    pub version: String,
    /// Whether the collector has the subscription; `false` for one whose file was removed.
    pub is_present: bool,
}

/// Source in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSource {
    /// Identifier, which consists of the proof and the name.
    pub id: String,
    /// Proof of the name: `certificate` or `account`.
    pub proof: String,
    /// Authenticated name.
    pub name: String,
    /// Name in the messages of the source.
    pub machine_id: Option<String>,
    /// Time of the first message in seconds since 1970.
    pub first_seen: i64,
    /// Identifiers of its subscriptions, and its state in each.
    pub states: Vec<(String, SourceState)>,
}

impl StoreReader {
    /// Opens a store; returns `None` if the file does not exist.
    ///
    /// # Errors
    /// [`CollectorError`] if the file cannot be read, is not a store, or was written by a later version.
    pub fn open(path: &Path) -> Result<Option<Self>, CollectorError> {
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(CollectorError::file("read", path)(error)),
        }
        let failed = |source| CollectorError::Store { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed)?;
        let version = "SELECT coalesce(max(version), 0) FROM migration";
        let found: i64 = connection.query_row(version, [], |row| row.get(0)).map_err(failed)?;
        if found > schema::VERSION {
            let (path, supported) = (path.to_owned(), schema::VERSION);
            return Err(CollectorError::LaterStore { path, found, supported });
        }
        // The running collector may be of an earlier version.
        let failures =
            if found >= 2 { "t.fault_code, t.fault_time, t.retry_time" } else { "NULL, NULL, NULL" };
        Ok(Some(Self { path: path.to_owned(), connection, failures }))
    }

    /// Returns all subscriptions, by name.
    ///
    /// # Errors
    /// [`CollectorError::Store`] if the store cannot be read.
    pub fn subscriptions(&self) -> Result<Vec<StoredSubscription>, CollectorError> {
        let read = || {
            let mut statement = self
                .connection
                .prepare("SELECT id, name, doc, version, enabled FROM subscription ORDER BY name")?;
            let rows = statement.query_map([], |row| {
                Ok(StoredSubscription {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    document: row.get(2)?,
                    version: row.get(3)?,
                    is_present: row.get(4)?,
                })
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Returns all sources with their states, by name.
    ///
    /// # Errors
    /// [`CollectorError::Store`] if the store cannot be read.
    pub fn sources(&self) -> Result<Vec<StoredSource>, CollectorError> {
        let read = || {
            let failures = self.failures;
            let mut statement = self.connection.prepare(&format!(
                "SELECT s.id, s.auth, s.principal, s.machine_id, s.first_seen, t.subscription, t.bookmark, t.seq,
                 t.last_event, t.last_heartbeat, t.remote_ip, t.version_seen, t.last_fault, {failures}
                 FROM source s LEFT JOIN source_state t ON t.source = s.id ORDER BY s.principal, s.id, t.subscription",
            ))?;
            let mut rows = statement.query([])?;
            let mut sources: Vec<StoredSource> = Vec::new();
            while let Some(row) = rows.next()? {
                let id: String = row.get(0)?;
                if sources.last().is_none_or(|last| last.id != id) {
                    sources.push(StoredSource {
                        id: id.clone(),
                        proof: row.get(1)?,
                        name: row.get(2)?,
                        machine_id: row.get(3)?,
                        first_seen: row.get(4)?,
                        states: Vec::new(),
                    });
                }
                let subscription: Option<String> = row.get(5)?;
                if let (Some(subscription), Some(source)) = (subscription, sources.last_mut()) {
                    source.states.push((subscription, SourceState::from_columns(id, row, 6)?));
                }
            }
            Ok(sources)
        };
        read().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> CollectorError {
        CollectorError::Store { path: self.path.clone(), source }
    }
}
