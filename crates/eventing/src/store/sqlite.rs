//! Store in SQLite.
//!
//! The database has a write-ahead log and synchronises it at each commit, so a committed bookmark survives a crash of
//! the machine. One connection writes, another one reads meanwhile.

mod export;
mod reader;
mod schema;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use locks::Mutex;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

pub(super) use self::export::FileExport;
pub(super) use self::reader::FileReader;
use super::{Committed, Failure, KEPT_BATCHES, Seen, SourceState, SubscriptionRow};
use crate::error::CollectorError;
use crate::output::CommittedFile;

/// Store in a file.
pub(crate) struct SqliteStore {
    path: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl SourceState {
    /// Reads the state of a source from the columns `bookmark, seq, last_event, last_heartbeat, remote_ip, version_seen,
    /// last_fault, fault_code, fault_time, retry_time` of a row, of which `first` is the first. There is one node only.
    fn from_columns(source: String, row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            source,
            bookmark: row.get(first)?,
            batches: row.get(first + 1)?,
            last_event: row.get(first + 2)?,
            last_heartbeat: row.get(first + 3)?,
            remote_ip: row.get(first + 4)?,
            version_seen: row.get(first + 5)?,
            last_fault: row.get(first + 6)?,
            fault_code: row.get(first + 7)?,
            fault_time: row.get(first + 8)?,
            retry_time: row.get(first + 9)?,
            node: None,
        })
    }
}

impl SqliteStore {
    /// Opens a store, or creates it, and applies missing migrations.
    pub(super) fn open(path: &Path) -> Result<Self, CollectorError> {
        let failed = |source| CollectorError::Store { path: path.to_owned(), source };
        let mut writer = connect(path).map_err(failed)?;
        let found = schema::migrate(&mut writer).map_err(failed)?;
        schema::require_known(path, found)?;
        let reader = connect(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    /// Replaces the list of subscriptions. The state of sources in removed subscriptions is kept for their return.
    pub(crate) fn set_subscriptions(&self, all: &[SubscriptionRow], now: i64) -> Result<(), CollectorError> {
        self.write(|transaction| {
            transaction.execute("UPDATE subscription SET enabled = 0", [])?;
            for SubscriptionRow { id, name, document, version } in all {
                transaction.execute("DELETE FROM subscription WHERE name = ?1 AND id <> ?2", [name, id])?;
                transaction.execute(
                    "INSERT INTO subscription (id, name, doc, version, enabled, updated_at)
                     VALUES (?1, ?2, ?3, ?4, 1, ?5)
                     ON CONFLICT (id) DO UPDATE SET doc = excluded.doc, enabled = 1, updated_at =
                     CASE WHEN version = excluded.version THEN updated_at ELSE excluded.updated_at END,
                     version = excluded.version",
                    params![id, name, document, version, now],
                )?;
            }
            Ok(())
        })
    }

    /// Returns the bookmarks of a source, by identifiers of subscriptions.
    pub(super) fn bookmarks(&self, source: &str) -> Result<Vec<(String, String)>, CollectorError> {
        let reader = self.reader.lock();
        let read = || {
            let mut statement = reader.prepare_cached(
                "SELECT subscription, bookmark FROM source_state WHERE source = ?1 AND bookmark IS NOT NULL",
            )?;
            let rows = statement.query_map([source], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Returns the states of all sources in a subscription, by source.
    pub(super) fn states(&self, subscription: &str) -> Result<Vec<SourceState>, CollectorError> {
        let reader = self.reader.lock();
        let read = || {
            let mut statement = reader.prepare_cached(
                "SELECT source, bookmark, seq, last_event, last_heartbeat, remote_ip, version_seen, last_fault,
                 fault_code, fault_time, retry_time
                 FROM source_state WHERE subscription = ?1 ORDER BY source",
            )?;
            let rows =
                statement.query_map([subscription], |row| SourceState::from_columns(row.get(0)?, row, 1))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Returns whether a source is in the store.
    pub(super) fn contains_source(&self, source: &str) -> Result<bool, CollectorError> {
        let reader = self.reader.lock();
        let found = reader.query_row("SELECT 1 FROM source WHERE id = ?1", [source], |_| Ok(())).optional();
        found.map(|found| found.is_some()).map_err(|source| self.failed(source))
    }

    /// Returns the number of sources.
    pub(super) fn source_count(&self) -> Result<usize, CollectorError> {
        let reader = self.reader.lock();
        let count: Result<i64, _> = reader.query_row("SELECT count(*) FROM source", [], |row| row.get(0));
        count.map(|count| usize::try_from(count).unwrap_or(usize::MAX)).map_err(|source| self.failed(source))
    }

    /// Returns whether a batch was committed before.
    pub(super) fn contains_batch(&self, batch: &Committed) -> Result<bool, CollectorError> {
        let reader = self.reader.lock();
        let exists = || {
            reader
                .prepare_cached(
                    "SELECT 1 FROM batch WHERE source = ?1 AND subscription = ?2 AND digest = ?3",
                )?
                .exists(params![batch.seen.source, batch.seen.subscription, batch.digest])
        };
        exists().map_err(|source| self.failed(source))
    }

    /// Returns the identifier of the push subscription at a source.
    pub(super) fn delivery(
        &self,
        source: &str,
        subscription: &str,
    ) -> Result<Option<String>, CollectorError> {
        let reader = self.reader.lock();
        let sql = "SELECT identifier FROM delivery WHERE source = ?1 AND subscription = ?2";
        let found = reader.query_row(sql, [source, subscription], |row| row.get(0)).optional();
        found.map_err(|source| self.failed(source))
    }

    /// Stores or removes the identifier of the push subscription at a source.
    pub(super) fn set_delivery(
        &self,
        source: &str,
        subscription: &str,
        identifier: Option<&str>,
    ) -> Result<(), CollectorError> {
        self.write(|transaction| {
            match identifier {
                Some(identifier) => transaction.execute(
                    "INSERT OR REPLACE INTO delivery (source, subscription, identifier) VALUES (?1, ?2, ?3)",
                    [source, subscription, identifier],
                )?,
                None => transaction.execute(
                    "DELETE FROM delivery WHERE source = ?1 AND subscription = ?2",
                    [source, subscription],
                )?,
            };
            Ok(())
        })
    }

    /// Removes the rows of files that do not exist any more.
    pub(super) fn forget_files(&self, missing: &[PathBuf]) -> Result<(), CollectorError> {
        self.write(|transaction| {
            for path in missing {
                let path = path.as_os_str().as_bytes();
                transaction.execute("DELETE FROM output_file WHERE node = '' AND path = ?1", [path])?;
            }
            Ok(())
        })
    }

    /// Returns the files with their committed lengths.
    pub(super) fn committed_files(&self) -> Result<Vec<CommittedFile>, CollectorError> {
        let reader = self.reader.lock();
        let read = || {
            let mut statement =
                reader.prepare("SELECT path, inode, length FROM output_file WHERE node = ''")?;
            let rows = statement.query_map([], committed_file)?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Commits batches, messages without events, and lengths of files in one transaction, durably.
    pub(super) fn commit(
        &self,
        batches: &[Committed],
        seen: &[Seen],
        files: &[CommittedFile],
    ) -> Result<(), CollectorError> {
        self.write(|transaction| {
            for file in files {
                let path = file.path.as_os_str().as_bytes();
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO output_file (node, path, inode, length) VALUES ('', ?1, ?2, ?3)",
                    )?
                    .execute(params![path, file.inode.cast_signed(), file.length.cast_signed()])?;
            }
            for one in seen {
                write_seen(transaction, one, None, false)?;
            }
            for batch in batches {
                write_seen(transaction, &batch.seen, batch.bookmark.as_deref(), batch.has_events)?;
                let Seen { source, subscription, .. } = &batch.seen;
                transaction
                    .prepare_cached(
                        "INSERT OR IGNORE INTO batch (source, subscription, digest) VALUES (?1, ?2, ?3)",
                    )?
                    .execute(params![source, subscription, batch.digest])?;
                transaction
                    .prepare_cached(
                        "DELETE FROM batch WHERE source = ?1 AND subscription = ?2 AND id <=
                         (SELECT id FROM batch WHERE source = ?1 AND subscription = ?2
                          ORDER BY id DESC LIMIT 1 OFFSET ?3)",
                    )?
                    .execute(params![source, subscription, KEPT_BATCHES])?;
            }
            Ok(())
        })
    }

    fn write(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), CollectorError> {
        let mut writer = self.writer.lock();
        let write = || {
            let transaction = writer.transaction()?;
            change(&transaction)?;
            transaction.commit()
        };
        write().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> CollectorError {
        CollectorError::Store { path: self.path.clone(), source }
    }
}

/// Reads a file from the columns `path, inode, length`.
fn committed_file(row: &Row<'_>) -> rusqlite::Result<CommittedFile> {
    let path: Vec<u8> = row.get(0)?;
    let (inode, length): (i64, i64) = (row.get(1)?, row.get(2)?);
    let path = PathBuf::from(OsString::from_vec(path));
    Ok(CommittedFile { path, inode: inode.cast_unsigned(), length: length.cast_unsigned() })
}

/// Opens a connection that waits for other processes and survives crashes.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

/// Writes that a source has sent a message, and its new bookmark, if it has one.
fn write_seen(
    transaction: &Transaction<'_>,
    seen: &Seen,
    bookmark: Option<&str>,
    has_events: bool,
) -> rusqlite::Result<()> {
    // A row without changes is not written, because every changed page is written to the log.
    transaction
        .prepare_cached(
            "INSERT INTO source (id, auth, principal, machine_id, first_seen) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET machine_id = excluded.machine_id
             WHERE excluded.machine_id IS NOT NULL AND excluded.machine_id IS NOT machine_id",
        )?
        .execute(params![seen.source, seen.proof, seen.principal, seen.machine_id, seen.now])?;
    if let Some(failure) = seen.failure {
        return write_failure(transaction, seen, failure);
    }
    transaction
        .prepare_cached(
            "INSERT INTO source_state
             (source, subscription, last_heartbeat, remote_ip, version_seen, last_fault, fault_time, bookmark, seq,
              last_event)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, iif(?6 IS NULL, NULL, ?3), ?7, ?8, iif(?8, ?3, NULL))
             ON CONFLICT (source, subscription) DO UPDATE SET last_heartbeat = excluded.last_heartbeat,
             remote_ip = excluded.remote_ip, version_seen = coalesce(excluded.version_seen, version_seen),
             last_fault = excluded.last_fault, fault_time = excluded.fault_time, fault_code = NULL, retry_time = NULL,
             bookmark = coalesce(excluded.bookmark, bookmark), seq = seq + excluded.seq,
             last_event = coalesce(excluded.last_event, last_event)",
        )?
        .execute(params![
            seen.source,
            seen.subscription,
            seen.now,
            seen.remote_ip,
            seen.version,
            seen.fault,
            bookmark,
            has_events
        ])?;
    Ok(())
}

/// Writes that the collector could not pull from a source.
fn write_failure(transaction: &Transaction<'_>, seen: &Seen, failure: Failure) -> rusqlite::Result<()> {
    let Seen { source, subscription, fault, now, .. } = seen;
    transaction
        .prepare_cached(
            "INSERT INTO source_state
             (source, subscription, last_fault, fault_code, fault_time, retry_time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (source, subscription) DO UPDATE SET last_fault = excluded.last_fault,
             fault_code = excluded.fault_code, fault_time = excluded.fault_time, retry_time = excluded.retry_time",
        )?
        .execute(params![source, subscription, fault, failure.code, now, failure.retry])?;
    Ok(())
}
