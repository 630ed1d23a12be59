//! Tables of the store, and their migrations.

use std::path::Path;

use rusqlite::Connection;

use crate::error::CollectorError;

/// Latest version of the tables.
pub(super) const VERSION: i64 = 4;

/// Requires that the tables of a store are not of a later version.
pub(super) fn require_known(path: &Path, found: i64) -> Result<(), CollectorError> {
    if found <= VERSION {
        return Ok(());
    }
    Err(CollectorError::LaterStore { path: path.to_owned(), found, supported: VERSION })
}

/// Migrations in order; the first creates version 1.
const MIGRATIONS: [&str; 4] = [
    "
    CREATE TABLE subscription (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, doc TEXT NOT NULL, version TEXT NOT NULL, revision TEXT,
        enabled INTEGER NOT NULL, updated_at INTEGER NOT NULL);
    CREATE TABLE source (
        id TEXT PRIMARY KEY, auth TEXT NOT NULL, principal TEXT NOT NULL, machine_id TEXT,
        first_seen INTEGER NOT NULL);
    CREATE TABLE source_state (
        source TEXT NOT NULL REFERENCES source (id) ON DELETE CASCADE, subscription TEXT NOT NULL, bookmark TEXT,
        seq INTEGER NOT NULL DEFAULT 0, last_event INTEGER, last_heartbeat INTEGER, remote_ip TEXT,
        version_seen TEXT, last_fault TEXT, PRIMARY KEY (source, subscription)) WITHOUT ROWID;
    CREATE TABLE batch (
        id INTEGER PRIMARY KEY, source TEXT NOT NULL REFERENCES source (id) ON DELETE CASCADE,
        subscription TEXT NOT NULL, digest BLOB NOT NULL, UNIQUE (source, subscription, digest));
",
    "
    ALTER TABLE source_state ADD COLUMN fault_code INTEGER;
    ALTER TABLE source_state ADD COLUMN fault_time INTEGER;
    ALTER TABLE source_state ADD COLUMN retry_time INTEGER;
    CREATE TABLE output_file (
        path BLOB PRIMARY KEY, inode INTEGER NOT NULL, length INTEGER NOT NULL) WITHOUT ROWID;
",
    // The tables of collectors that share a database; a file is that of one node, whose identifier is empty.
    "
    ALTER TABLE source_state ADD COLUMN node TEXT;
    CREATE TABLE node (
        id TEXT PRIMARY KEY, address TEXT NOT NULL, started INTEGER NOT NULL, last_seen INTEGER NOT NULL);
    CREATE TABLE node_subscription (
        node TEXT NOT NULL, id TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (node, id)) WITHOUT ROWID;
    ALTER TABLE output_file RENAME TO output_file_2;
    CREATE TABLE output_file (
        node TEXT NOT NULL, path BLOB NOT NULL, inode INTEGER NOT NULL, length INTEGER NOT NULL,
        PRIMARY KEY (node, path)) WITHOUT ROWID;
    INSERT INTO output_file (node, path, inode, length) SELECT '', path, inode, length FROM output_file_2;
    DROP TABLE output_file_2;
",
    "
    CREATE TABLE delivery (
        source TEXT NOT NULL, subscription TEXT NOT NULL, identifier TEXT NOT NULL,
        PRIMARY KEY (source, subscription)) WITHOUT ROWID;
",
];

/// Applies missing migrations, and returns the version found afterwards.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL)",
    )?;
    let current = "SELECT coalesce(max(version), 0) FROM migration";
    let mut version: i64 = transaction.query_row(current, [], |row| row.get(0))?;
    for (number, migration) in (1..).zip(MIGRATIONS) {
        if number > version {
            transaction.execute_batch(migration)?;
            transaction
                .execute("INSERT INTO migration (version, applied_at) VALUES (?1, unixepoch())", [number])?;
            version = number;
        }
    }
    transaction.commit()?;
    Ok(version)
}
