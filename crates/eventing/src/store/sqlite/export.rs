//! Reading the whole store, while no collector uses it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Row};

use super::{committed_file, schema};
use crate::error::CollectorError;
use crate::store::content::{
    BatchRecord, DeliveryRecord, SourceRecord, StateRecord, StoreContent, SubscriptionRecord,
};

/// Store that no other process can open until this is dropped.
pub(in crate::store) struct FileExport {
    path: PathBuf,
    connection: Connection,
}

impl FileExport {
    /// Opens a store exclusively, and applies missing migrations.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, CollectorError> {
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(CollectorError::NoStore { path: path.to_owned() }),
            Err(error) => return Err(CollectorError::file("read", path)(error)),
        }
        let (connection, found) =
            open_exclusively(path).map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    CollectorError::StoreInUse { path: path.to_owned() }
                }
                _ => CollectorError::Store { path: path.to_owned(), source: error },
            })?;
        schema::require_known(path, found)?;
        Ok(Self { path: path.to_owned(), connection })
    }

    /// Returns the content of all tables.
    pub(in crate::store) fn content(&self) -> Result<StoreContent, CollectorError> {
        self.read().map_err(|source| CollectorError::Store { path: self.path.clone(), source })
    }

    fn read(&self) -> rusqlite::Result<StoreContent> {
        Ok(StoreContent {
            subscriptions: self.rows(
                "SELECT id, name, doc, version, revision, enabled, updated_at FROM subscription",
                subscription,
            )?,
            sources: self.rows("SELECT id, auth, principal, machine_id, first_seen FROM source", source)?,
            states: self.rows(
                "SELECT source, subscription, bookmark, seq, last_event, last_heartbeat, remote_ip,
                 version_seen, last_fault, fault_code, fault_time, retry_time FROM source_state",
                state,
            )?,
            batches: self.rows("SELECT source, subscription, digest FROM batch ORDER BY id", batch)?,
            deliveries: self.rows("SELECT source, subscription, identifier FROM delivery", delivery)?,
            files: self
                .rows("SELECT path, inode, length FROM output_file WHERE node = ''", committed_file)?,
        })
    }

    fn rows<T>(
        &self,
        sql: &str,
        record: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.connection.prepare(sql)?.query_map([], record)?.collect()
    }
}

/// Opens the file and locks it. A collector keeps a shared lock as long as it has the file open. Returns the version of the
/// tables as well.
fn open_exclusively(path: &Path) -> rusqlite::Result<(Connection, i64)> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(WAIT)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let found = schema::migrate(&mut connection)?;
    Ok((connection, found))
}

fn subscription(row: &Row<'_>) -> rusqlite::Result<SubscriptionRecord> {
    Ok(SubscriptionRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        document: row.get(2)?,
        version: row.get(3)?,
        revision: row.get(4)?,
        enabled: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

fn source(row: &Row<'_>) -> rusqlite::Result<SourceRecord> {
    Ok(SourceRecord {
        id: row.get(0)?,
        proof: row.get(1)?,
        principal: row.get(2)?,
        machine_id: row.get(3)?,
        first_seen: row.get(4)?,
    })
}

fn state(row: &Row<'_>) -> rusqlite::Result<StateRecord> {
    Ok(StateRecord {
        source: row.get(0)?,
        subscription: row.get(1)?,
        bookmark: row.get(2)?,
        batches: row.get(3)?,
        last_event: row.get(4)?,
        last_heartbeat: row.get(5)?,
        remote_ip: row.get(6)?,
        version_seen: row.get(7)?,
        last_fault: row.get(8)?,
        fault_code: row.get(9)?,
        fault_time: row.get(10)?,
        retry_time: row.get(11)?,
    })
}

fn batch(row: &Row<'_>) -> rusqlite::Result<BatchRecord> {
    Ok(BatchRecord { source: row.get(0)?, subscription: row.get(1)?, digest: row.get(2)? })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<DeliveryRecord> {
    Ok(DeliveryRecord { source: row.get(0)?, subscription: row.get(1)?, identifier: row.get(2)? })
}

/// Time for which another process may use the file, such as `telarch events sources`.
const WAIT: Duration = Duration::from_secs(2);
