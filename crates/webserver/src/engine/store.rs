//! History and journal, in SQLite.
//!
//! Contents of files are stored once, by their digest. A commit in progress is one row of the table `pending`, written
//! before the first file is replaced and deleted together with the insertion of the commit. A row that is found later
//! belongs to a process that was killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use locks::Mutex;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::WebServerError;
use crate::history::{Commit, CommitKind, Verdict};
use crate::revision::Revision;
use crate::value::{Author, CommitMessage};

/// The store.
pub(crate) struct Store {
    connection: Mutex<Connection>,
}

/// A file of a commit in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingFile {
    /// Path as the web server opens it.
    pub(crate) path: String,
    /// Path behind symbolic links; for a deleted link, that of the link.
    pub(crate) target: String,
    /// Target of a link that is deleted.
    pub(crate) link: Option<String>,
    /// Target of a link that is created.
    #[serde(default)]
    pub(crate) new_link: Option<String>,
    /// Digest of the old content.
    pub(crate) before: Option<String>,
    /// Digest of the new content.
    pub(crate) after: Option<String>,
}

/// A commit to be stored.
pub(crate) struct NewCommit<'a> {
    pub(crate) author: Option<&'a Author>,
    pub(crate) message: &'a CommitMessage,
    pub(crate) kind: CommitKind,
    pub(crate) revision: Revision,
    pub(crate) verdict: &'a Verdict,
    pub(crate) validator: &'a str,
    /// All files after the commit.
    pub(crate) files: &'a BTreeMap<String, Vec<u8>>,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS content (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS revision (
        number INTEGER PRIMARY KEY, time INTEGER NOT NULL, author TEXT, message TEXT NOT NULL, kind TEXT NOT NULL,
        revision TEXT NOT NULL, verdict TEXT NOT NULL, validator TEXT NOT NULL, files TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS pending (id INTEGER PRIMARY KEY CHECK (id = 1), files TEXT NOT NULL);
";

const COLUMNS: &str = "number, time, author, message, kind, revision, verdict";

impl Store {
    /// Opens the store, and creates it if it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, WebServerError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Records the files of a commit before the first one is replaced.
    pub(crate) fn begin(&self, files: &[PendingFile], contents: &[&[u8]]) -> Result<(), WebServerError> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction()?;
        for content in contents {
            insert_content(&transaction, content)?;
        }
        transaction.execute("INSERT INTO pending (id, files) VALUES (1, ?1)", [json(&files)?])?;
        transaction.commit()?;
        Ok(())
    }

    /// Returns the files of an unfinished commit.
    pub(crate) fn pending(&self) -> Result<Option<Vec<PendingFile>>, WebServerError> {
        let connection = self.connection.lock();
        let row: Option<String> =
            connection.query_row("SELECT files FROM pending", [], |row| row.get(0)).optional()?;
        row.map(|files| parse(&files)).transpose()
    }

    /// Forgets the commit in progress, whose files were restored.
    pub(crate) fn abandon(&self) -> Result<(), WebServerError> {
        self.connection.lock().execute("DELETE FROM pending", [])?;
        Ok(())
    }

    /// Stores a commit, and forgets the commit in progress.
    pub(crate) fn insert(&self, commit: &NewCommit<'_>) -> Result<Commit, WebServerError> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction()?;
        let mut files = BTreeMap::new();
        for (path, content) in commit.files {
            files.insert(path.as_str(), insert_content(&transaction, content)?);
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        transaction.execute(
            "INSERT INTO revision (time, author, message, kind, revision, verdict, validator, files)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                i64::try_from(time).unwrap_or(i64::MAX),
                commit.author.map(Author::as_str),
                commit.message.as_str(),
                json(&commit.kind)?,
                commit.revision.to_string(),
                json(commit.verdict)?,
                commit.validator,
                json(&files)?,
            ],
        )?;
        let sql = format!("SELECT {COLUMNS} FROM revision ORDER BY number DESC LIMIT 1");
        let stored = transaction.query_row(&sql, [], row)?;
        transaction.execute("DELETE FROM pending", [])?;
        transaction.commit()?;
        stored.parse()
    }

    /// Returns the newest commit whose files remained in place.
    pub(crate) fn last_applied(&self) -> Result<Option<Commit>, WebServerError> {
        // A failed commit stores the revision to which the files were restored, so the newest row is right in any case.
        Ok(self.list(None, 1)?.into_iter().next())
    }

    /// Returns commits with numbers below `before`, newest first.
    pub(crate) fn list(&self, before: Option<u64>, limit: usize) -> Result<Vec<Commit>, WebServerError> {
        let connection = self.connection.lock();
        let sql = format!("SELECT {COLUMNS} FROM revision WHERE number < ?1 ORDER BY number DESC LIMIT ?2");
        let mut statement = connection.prepare(&sql)?;
        let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![before, i64::try_from(limit).unwrap_or(i64::MAX)], row)?;
        rows.map(|row| row?.parse()).collect()
    }

    /// Returns a commit and the output of the validator.
    pub(crate) fn commit(&self, number: u64) -> Result<Option<(Commit, String)>, WebServerError> {
        let connection = self.connection.lock();
        let sql = format!("SELECT {COLUMNS}, validator FROM revision WHERE number = ?1");
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let found =
            connection.query_row(&sql, [number], |found| Ok((row(found)?, found.get(7)?))).optional()?;
        found.map(|(row, validator)| Ok((row.parse()?, validator))).transpose()
    }

    /// Returns the files of a commit, or `None` if there is no such commit.
    pub(crate) fn files(&self, number: u64) -> Result<Option<BTreeMap<String, Vec<u8>>>, WebServerError> {
        let connection = self.connection.lock();
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let sql = "SELECT files FROM revision WHERE number = ?1";
        let Some(files) = connection.query_row(sql, [number], |row| row.get::<_, String>(0)).optional()?
        else {
            return Ok(None);
        };
        let files: BTreeMap<String, String> = parse(&files)?;
        let mut contents = BTreeMap::new();
        for (path, digest) in files {
            contents.insert(path, content(&connection, &digest)?);
        }
        Ok(Some(contents))
    }

    /// Returns the content with a digest.
    pub(crate) fn content(&self, digest: &str) -> Result<Vec<u8>, WebServerError> {
        content(&self.connection.lock(), digest)
    }
}

/// Returns the digest of a content.
pub(crate) fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn content(connection: &Connection, digest: &str) -> Result<Vec<u8>, WebServerError> {
    Ok(connection.query_row("SELECT bytes FROM content WHERE digest = ?1", [digest], |row| row.get(0))?)
}

fn insert_content(transaction: &Transaction<'_>, content: &[u8]) -> Result<String, WebServerError> {
    let digest = digest(content);
    let mut statement =
        transaction.prepare_cached("INSERT OR IGNORE INTO content (digest, bytes) VALUES (?1, ?2)")?;
    statement.execute(params![digest, content])?;
    Ok(digest)
}

/// A row of the table `revision`.
struct Row {
    number: i64,
    time: i64,
    author: Option<String>,
    message: String,
    kind: String,
    revision: String,
    verdict: String,
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        number: row.get(0)?,
        time: row.get(1)?,
        author: row.get(2)?,
        message: row.get(3)?,
        kind: row.get(4)?,
        revision: row.get(5)?,
        verdict: row.get(6)?,
    })
}

impl Row {
    fn parse(self) -> Result<Commit, WebServerError> {
        Ok(Commit {
            number: u64::try_from(self.number).unwrap_or_default(),
            time: self.time,
            author: self.author.map(|author| Author::parse(&author)).transpose()?,
            message: CommitMessage::parse(&self.message)?,
            kind: parse(&self.kind)?,
            revision: self.revision.parse()?,
            verdict: parse(&self.verdict)?,
        })
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, WebServerError> {
    serde_json::to_string(value).map_err(|error| WebServerError::History(error.to_string()))
}

fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, WebServerError> {
    serde_json::from_str(text).map_err(|error| WebServerError::History(error.to_string()))
}

impl From<rusqlite::Error> for WebServerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::History(error.to_string())
    }
}
