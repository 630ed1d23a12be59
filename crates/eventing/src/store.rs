//! Store of subscriptions, sources and bookmarks, in SQLite.
//!
//! The database has a write-ahead log and synchronises it at each commit, so a committed bookmark survives a crash of
//! the machine. One connection writes, another one reads meanwhile.

mod reader;
mod schema;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use locks::Mutex;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

pub use self::reader::{StoreReader, StoredSource, StoredSubscription};
use crate::error::CollectorError;
use crate::output::CommittedFile;

/// The store.
pub(crate) struct Store {
    path: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
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
}

impl SourceState {
    /// Reads the state of a source from the columns `bookmark, seq, last_event, last_heartbeat, remote_ip, version_seen,
    /// last_fault, fault_code, fault_time, retry_time` of a row, of which `first` is the first.
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
        })
    }
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

impl Store {
    /// Opens a store, or creates it, and applies missing migrations.
    pub(crate) fn open(path: &Path) -> Result<Self, CollectorError> {
        let failed = |source| CollectorError::Store { path: path.to_owned(), source };
        let mut writer = connect(path).map_err(failed)?;
        let found = schema::migrate(&mut writer).map_err(failed)?;
        if found > schema::VERSION {
            return Err(CollectorError::LaterStore {
                path: path.to_owned(),
                found,
                supported: schema::VERSION,
            });
        }
        let reader = connect(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    /// Replaces the list of subscriptions. The state of sources in removed subscriptions is kept for their return.
    pub(crate) fn set_subscriptions(
        &self,
        all: &[(String, String, String, String)],
        now: i64,
    ) -> Result<(), CollectorError> {
        self.write(|transaction| {
            transaction.execute("UPDATE subscription SET enabled = 0", [])?;
            for (id, name, document, version) in all {
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

    /// Returns the bookmark of a source in a subscription.
    pub(crate) fn bookmark(
        &self,
        source: &str,
        subscription: &str,
    ) -> Result<Option<String>, CollectorError> {
        let reader = self.reader.lock();
        let found = reader
            .query_row(
                "SELECT bookmark FROM source_state WHERE source = ?1 AND subscription = ?2",
                [source, subscription],
                |row| row.get(0),
            )
            .optional();
        found.map(Option::flatten).map_err(|source| self.failed(source))
    }

    /// Returns the states of all sources in a subscription, by source.
    pub(crate) fn states(&self, subscription: &str) -> Result<Vec<SourceState>, CollectorError> {
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
    pub(crate) fn contains_source(&self, source: &str) -> Result<bool, CollectorError> {
        let reader = self.reader.lock();
        let found = reader.query_row("SELECT 1 FROM source WHERE id = ?1", [source], |_| Ok(())).optional();
        found.map(|found| found.is_some()).map_err(|source| self.failed(source))
    }

    /// Returns the number of sources.
    pub(crate) fn source_count(&self) -> Result<usize, CollectorError> {
        let reader = self.reader.lock();
        let count: Result<i64, _> = reader.query_row("SELECT count(*) FROM source", [], |row| row.get(0));
        count.map(|count| usize::try_from(count).unwrap_or(usize::MAX)).map_err(|source| self.failed(source))
    }

    /// Returns whether a batch was committed before.
    pub(crate) fn contains_batch(&self, batch: &Committed) -> Result<bool, CollectorError> {
        let reader = self.reader.lock();
        let found = reader
            .query_row(
                "SELECT 1 FROM batch WHERE source = ?1 AND subscription = ?2 AND digest = ?3",
                params![batch.seen.source, batch.seen.subscription, batch.digest],
                |_| Ok(()),
            )
            .optional();
        found.map(|found| found.is_some()).map_err(|source| self.failed(source))
    }

    /// Removes events that a crash has left in the files after the last commit. Must be called before the files are
    /// opened.
    pub(crate) fn recover_files(&self) -> Result<(), CollectorError> {
        let mut missing = Vec::new();
        for file in self.committed_files()? {
            match file.recover() {
                Ok(true) => {}
                Ok(false) => missing.push(file.path),
                Err(error) => return Err(CollectorError::file("recover", file.path)(error)),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            for path in &missing {
                let path = path.as_os_str().as_bytes();
                transaction.execute("DELETE FROM output_file WHERE path = ?1", [path])?;
            }
            Ok(())
        })
    }

    fn committed_files(&self) -> Result<Vec<CommittedFile>, CollectorError> {
        let reader = self.reader.lock();
        let read = || {
            let mut statement = reader.prepare("SELECT path, inode, length FROM output_file")?;
            let rows = statement.query_map([], |row| {
                let path: Vec<u8> = row.get(0)?;
                let (inode, length): (i64, i64) = (row.get(1)?, row.get(2)?);
                let path = PathBuf::from(OsString::from_vec(path));
                Ok(CommittedFile { path, inode: inode.cast_unsigned(), length: length.cast_unsigned() })
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Commits batches, messages without events, and lengths of files in one transaction, durably.
    pub(crate) fn commit(
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
                        "INSERT OR REPLACE INTO output_file (path, inode, length) VALUES (?1, ?2, ?3)",
                    )?
                    .execute(params![path, file.inode.cast_signed(), file.length.cast_signed()])?;
            }
            for one in seen {
                write_seen(transaction, one)?;
            }
            for batch in batches {
                write_seen(transaction, &batch.seen)?;
                let Seen { source, subscription, now, .. } = &batch.seen;
                transaction
                    .prepare_cached(
                        "UPDATE source_state SET bookmark = coalesce(?3, bookmark), seq = seq + ?5,
                         last_event = iif(?5, ?4, last_event) WHERE source = ?1 AND subscription = ?2",
                    )?
                    .execute(params![source, subscription, batch.bookmark, now, batch.has_events])?;
                transaction
                    .prepare_cached(
                        "INSERT OR IGNORE INTO batch (source, subscription, digest) VALUES (?1, ?2, ?3)",
                    )?
                    .execute(params![source, subscription, batch.digest])?;
                transaction
                    .prepare_cached(
                        "DELETE FROM batch WHERE source = ?1 AND subscription = ?2 AND id NOT IN
                         (SELECT id FROM batch WHERE source = ?1 AND subscription = ?2
                          ORDER BY id DESC LIMIT ?3)",
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

/// Opens a connection that waits for other processes and survives crashes.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

/// Writes that a source has sent a message.
fn write_seen(transaction: &Transaction<'_>, seen: &Seen) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO source (id, auth, principal, machine_id, first_seen) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET machine_id = coalesce(excluded.machine_id, machine_id)",
        )?
        .execute(params![seen.source, seen.proof, seen.principal, seen.machine_id, seen.now])?;
    if let Some(failure) = seen.failure {
        return write_failure(transaction, seen, failure);
    }
    transaction
        .prepare_cached(
            "INSERT INTO source_state
             (source, subscription, last_heartbeat, remote_ip, version_seen, last_fault, fault_time)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, iif(?6 IS NULL, NULL, ?3))
             ON CONFLICT (source, subscription) DO UPDATE SET last_heartbeat = excluded.last_heartbeat,
             remote_ip = excluded.remote_ip, version_seen = coalesce(excluded.version_seen, version_seen),
             last_fault = excluded.last_fault, fault_time = excluded.fault_time, fault_code = NULL, retry_time = NULL",
        )?
        .execute(params![seen.source, seen.subscription, seen.now, seen.remote_ip, seen.version, seen.fault])?;
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

/// Number of batches per source and subscription that are recognised when they are repeated.
const KEPT_BATCHES: i64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(now: i64) -> Seen {
        Seen {
            source: "certificate:win10".to_owned(),
            proof: "certificate",
            principal: "win10".to_owned(),
            machine_id: Some("win10.example".to_owned()),
            subscription: "S".to_owned(),
            remote_ip: "127.0.0.1".to_owned(),
            version: Some("V".to_owned()),
            fault: None,
            failure: None,
            now,
        }
    }

    #[test]
    fn bookmarks_and_batches_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.sqlite");
        let batch = |digest| Committed {
            seen: seen(5),
            bookmark: Some("B".to_owned()),
            has_events: true,
            digest: [digest; 32],
        };
        {
            let store = Store::open(&path).unwrap();
            assert!(!store.contains_source("certificate:win10").unwrap());
            store.commit(&[batch(1)], &[seen(4)], &[]).unwrap();
        }
        let store = Store::open(&path).unwrap();
        assert!(store.contains_batch(&batch(1)).unwrap() && !store.contains_batch(&batch(2)).unwrap());
        assert_eq!(store.bookmark("certificate:win10", "S").unwrap().as_deref(), Some("B"));
        assert_eq!(
            (store.source_count().unwrap(), store.contains_source("certificate:win10").unwrap()),
            (1, true)
        );
        store
            .commit(&[], &[Seen { fault: Some("ended".to_owned()), version: None, ..seen(9) }], &[])
            .unwrap();
        let states = store.states("S").unwrap();
        let expected = SourceState {
            source: "certificate:win10".to_owned(),
            bookmark: Some("B".to_owned()),
            batches: 1,
            last_event: Some(5),
            last_heartbeat: Some(9),
            remote_ip: Some("127.0.0.1".to_owned()),
            version_seen: Some("V".to_owned()),
            last_fault: Some("ended".to_owned()),
            fault_code: None,
            fault_time: Some(9),
            retry_time: None,
        };
        assert_eq!(states, std::slice::from_ref(&expected));
        // A failed connection is no message.
        let failure = Some(Failure { code: Some(1_326), retry: 40 });
        store.commit(&[], &[Seen { fault: Some("refused".to_owned()), failure, ..seen(20) }], &[]).unwrap();
        let failed = SourceState {
            last_fault: Some("refused".to_owned()),
            fault_code: Some(1_326),
            fault_time: Some(20),
            retry_time: Some(40),
            ..expected
        };
        assert_eq!(store.states("S").unwrap(), [failed]);
        let position =
            Committed { has_events: false, bookmark: Some("C".to_owned()), seen: seen(30), ..batch(3) };
        store.commit(&[position], &[], &[]).unwrap();
        let state = store.states("S").unwrap().remove(0);
        assert_eq!((state.bookmark.as_deref(), state.last_event, state.batches), (Some("C"), Some(5), 1));
        assert_eq!((state.last_fault, state.retry_time), (None, None));
    }

    #[test]
    fn only_the_latest_batches_are_recognised() {
        let store = Store::open(&tempfile::tempdir().unwrap().keep().join("s")).unwrap();
        let batch =
            |digest| Committed { seen: seen(5), bookmark: None, has_events: true, digest: [digest; 32] };
        for digest in 0..20 {
            store.commit(&[batch(digest)], &[], &[]).unwrap();
        }
        assert!(store.contains_batch(&batch(19)).unwrap() && store.contains_batch(&batch(12)).unwrap());
        assert!(!store.contains_batch(&batch(11)).unwrap());
    }

    #[test]
    fn a_store_of_a_later_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(Store::open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection.execute("INSERT INTO migration (version, applied_at) VALUES (99, 0)", []).unwrap();
        drop(connection);
        assert!(matches!(Store::open(&path), Err(CollectorError::LaterStore { found: 99, .. })));
    }
}
