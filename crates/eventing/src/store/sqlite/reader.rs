//! Reading the store beside a running collector.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::schema;
use crate::error::CollectorError;
use crate::store::SourceState;
use crate::store::stored::{StoredSource, StoredSubscription, add_state};

/// File of a collector, opened by another program.
pub(in crate::store) struct FileReader {
    path: PathBuf,
    connection: Connection,
    /// Columns of failures in a query; constants if the store is older than they are.
    failures: &'static str,
}

impl FileReader {
    /// Opens a store; returns `None` if the file does not exist.
    pub(in crate::store) fn open(path: &Path) -> Result<Option<Self>, CollectorError> {
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
        schema::require_known(path, found)?;
        // The running collector may be of an earlier version.
        let failures =
            if found >= 2 { "t.fault_code, t.fault_time, t.retry_time" } else { "NULL, NULL, NULL" };
        Ok(Some(Self { path: path.to_owned(), connection, failures }))
    }

    /// Returns all subscriptions, by name.
    pub(in crate::store) fn subscriptions(&self) -> Result<Vec<StoredSubscription>, CollectorError> {
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
    pub(in crate::store) fn sources(&self) -> Result<Vec<StoredSource>, CollectorError> {
        let read = || {
            let failures = self.failures;
            let mut statement = self.connection.prepare(&format!(
                "SELECT s.id, s.auth, s.principal, s.machine_id, s.first_seen, t.subscription, t.bookmark, t.seq,
                 t.last_event, t.last_heartbeat, t.remote_ip, t.version_seen, t.last_fault, {failures}
                 FROM source s LEFT JOIN source_state t ON t.source = s.id ORDER BY s.principal, s.id, t.subscription",
            ))?;
            let mut rows = statement.query([])?;
            let mut sources = Vec::new();
            while let Some(row) = rows.next()? {
                let source = StoredSource {
                    id: row.get(0)?,
                    proof: row.get(1)?,
                    name: row.get(2)?,
                    machine_id: row.get(3)?,
                    first_seen: row.get(4)?,
                    states: Vec::new(),
                };
                let subscription: Option<String> = row.get(5)?;
                let state = match subscription {
                    Some(subscription) => {
                        Some((subscription, SourceState::from_columns(source.id.clone(), row, 6)?))
                    }
                    None => None,
                };
                add_state(&mut sources, source, state);
            }
            Ok(sources)
        };
        read().map_err(|source| self.failed(source))
    }

    /// Removes the bookmarks of sources, and the digests of their batches. Returns the number of changed states.
    pub(in crate::store) fn reset(&self, sources: &[String]) -> Result<u64, CollectorError> {
        let changed = super::connect(&self.path).and_then(|mut connection| reset(&mut connection, sources));
        changed.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> CollectorError {
        CollectorError::Store { path: self.path.clone(), source }
    }
}

fn reset(connection: &mut Connection, sources: &[String]) -> rusqlite::Result<u64> {
    let transaction = connection.transaction()?;
    let mut changed = 0;
    for source in sources {
        changed +=
            transaction.execute("UPDATE source_state SET bookmark = NULL WHERE source = ?1", [source])?;
        transaction.execute("DELETE FROM batch WHERE source = ?1", [source])?;
    }
    transaction.commit()?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}
