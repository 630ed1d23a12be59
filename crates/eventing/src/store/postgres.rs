//! Store in PostgreSQL, which several collectors ("nodes") share behind a load balancer.
//!
//! Any node serves any source. A bookmark that is older than the stored one changes nothing, and a batch that another
//! node has committed is recognised. Only lengths of files belong to a node.

mod commit;
mod failure;
mod follow;
mod import;
mod link;
mod reader;
mod schema;
mod statements;
mod subscriptions;
mod tls;

use std::ffi::OsString;
use std::future::Future;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use locks::Mutex;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::failure::Failed;
pub(crate) use self::follow::Shared;
pub(super) use self::import::import;
use self::link::{Link, Purpose, Session};
pub(super) use self::reader::DatabaseReader;
use self::subscriptions::Local;
use super::database::{CONNECT_TIME, OPERATION_TIME};
use super::node::Node;
use super::{Committed, DatabaseSettings, Group, SourceState, SubscriptionRow};
use crate::error::CollectorError;
use crate::output::CommittedFile;

/// Store in PostgreSQL.
pub(crate) struct PostgresStore {
    inner: Arc<Inner>,
    /// Runtime of the connections, which outlives that of the caller; `None` while this is dropped.
    runtime: Option<Runtime>,
}

struct Inner {
    settings: Arc<DatabaseSettings>,
    node: Node,
    writer: Link,
    reader: Link,
    /// Notified by the database, and when the connection that reads is lost.
    changed: Arc<Notify>,
    /// Subscriptions of this node.
    local: Mutex<Local>,
    shared: watch::Sender<Shared>,
}

impl PostgresStore {
    /// Connects, and applies missing migrations.
    pub(super) async fn open(settings: DatabaseSettings, node_file: &Path) -> Result<Self, CollectorError> {
        let settings = Arc::new(settings);
        let node = Node::load(node_file)?;
        let changed = Arc::new(Notify::new());
        let runtime = runtime().map_err(CollectorError::file("start threads for", node_file))?;
        let inner = Arc::new(Inner {
            writer: Link::new(Arc::clone(&settings), Purpose::Write(node.clone())),
            reader: Link::new(Arc::clone(&settings), Purpose::Read(Arc::clone(&changed))),
            settings,
            node,
            changed,
            local: Mutex::default(),
            shared: watch::Sender::default(),
        });
        let store = Self { inner, runtime: Some(runtime) };
        let found = store.run(|inner| async move { inner.prepare().await }).await?;
        if found > schema::VERSION {
            let address = store.inner.settings.address.clone();
            return Err(CollectorError::LaterDatabase { address, found, supported: schema::VERSION });
        }
        store.spawn(|inner| async move { inner.follow().await });
        Ok(store)
    }

    /// Returns the bookmarks of a source, by identifiers of subscriptions.
    pub(super) async fn bookmarks(&self, source: &str) -> Result<Vec<(String, String)>, CollectorError> {
        let source = commit::clean(source);
        self.run(|inner| async move {
            let sql =
                "SELECT subscription, bookmark FROM source_state WHERE source = $1 AND bookmark IS NOT NULL";
            let rows = inner.query(sql, &[&source]).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        })
        .await
    }

    /// Removes the bookmark of a source in a subscription.
    pub(crate) async fn forget_bookmark(
        &self,
        source: &str,
        subscription: &str,
    ) -> Result<(), CollectorError> {
        let (source, subscription) = (commit::clean(source), commit::clean(subscription));
        self.run(|inner| async move {
            let sql = "UPDATE source_state SET bookmark = NULL WHERE source = $1 AND subscription = $2";
            inner.query(sql, &[&source, &subscription]).await.map(drop)
        })
        .await
    }

    /// Returns the identifier of the push subscription at a source.
    pub(super) async fn delivery(
        &self,
        source: &str,
        subscription: &str,
    ) -> Result<Option<String>, CollectorError> {
        let (source, subscription) = (commit::clean(source), commit::clean(subscription));
        self.run(|inner| async move {
            let sql = "SELECT identifier FROM delivery WHERE source = $1 AND subscription = $2";
            let rows = inner.query(sql, &[&source, &subscription]).await?;
            rows.first().map(|row| Ok(row.try_get(0)?)).transpose()
        })
        .await
    }

    /// Stores or removes the identifier of the push subscription at a source.
    pub(super) async fn set_delivery(
        &self,
        source: &str,
        subscription: &str,
        identifier: Option<&str>,
    ) -> Result<(), CollectorError> {
        let (source, subscription) = (commit::clean(source), commit::clean(subscription));
        let identifier = identifier.map(commit::clean);
        self.run(|inner| async move {
            match identifier {
                Some(identifier) => {
                    let sql = "INSERT INTO delivery (source, subscription, identifier) VALUES ($1, $2, $3)
                               ON CONFLICT (source, subscription) DO UPDATE SET identifier = excluded.identifier";
                    inner.query(sql, &[&source, &subscription, &identifier]).await.map(drop)
                }
                None => {
                    let sql = "DELETE FROM delivery WHERE source = $1 AND subscription = $2";
                    inner.query(sql, &[&source, &subscription]).await.map(drop)
                }
            }
        })
        .await
    }

    /// Returns the states of all sources in a subscription, by source.
    pub(super) async fn states(&self, subscription: &str) -> Result<Vec<SourceState>, CollectorError> {
        let subscription = subscription.to_owned();
        self.run(|inner| async move {
            let rows = inner.query(reader::STATES, &[&subscription]).await?;
            rows.iter().map(|row| reader::state_of(row, row.try_get(0)?, 1)).collect()
        })
        .await
    }

    /// Returns whether a source is in the database, or may be added to it because there are fewer than `most`.
    pub(super) async fn admits_source(&self, source: &str, most: usize) -> Result<bool, CollectorError> {
        let source = commit::clean(source);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.run(|inner| async move {
            let known = inner.query("SELECT 1 FROM source WHERE id = $1", &[&source]).await?;
            if !known.is_empty() {
                return Ok(true);
            }
            let count = inner.query("SELECT count(*) FROM source", &[]).await?;
            Ok(count.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0))? < most)
        })
        .await
    }

    /// Returns for each batch whether any node has committed it. Waits some time for a database that is not available.
    pub(super) fn contains(&self, batches: &[&Committed]) -> Result<Vec<bool>, CollectorError> {
        let keys: Vec<commit::BatchKey> = batches
            .iter()
            .map(|batch| {
                (commit::clean(&batch.seen.source), commit::clean(&batch.seen.subscription), batch.digest)
            })
            .collect();
        self.block_on(|inner| async move { inner.find_batches(&keys).await })
    }

    /// Commits a group. If the database is not available, the outcome is unknown, and the same group can be committed
    /// again.
    pub(super) fn commit(&self, group: &Group) -> Result<(), CollectorError> {
        let group = group.clone();
        self.block_on(|inner| async move { inner.commit(&group).await })
    }

    /// Waits for an event, on a thread without a runtime. Returns `None` after a time without one.
    pub(crate) fn wait<T>(&self, time: Duration, event: impl Future<Output = T>) -> Option<T> {
        let runtime = self.runtime.as_ref()?;
        runtime.block_on(async { timeout(time, event).await.ok() })
    }

    /// Returns the files of this node with their committed lengths.
    pub(super) async fn committed_files(&self) -> Result<Vec<CommittedFile>, CollectorError> {
        self.run(|inner| async move {
            // The connection that writes holds the lock of the node: the last transaction of its previous process has
            // ended.
            inner.writer.session().await?;
            let sql = "SELECT path, inode, length FROM output_file WHERE node = $1";
            let rows = inner.query(sql, &[&inner.node.id]).await?;
            rows.iter()
                .map(|row| {
                    let path: Vec<u8> = row.try_get(0)?;
                    let (inode, length): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
                    let path = PathBuf::from(OsString::from_vec(path));
                    Ok(CommittedFile { path, inode: inode.cast_unsigned(), length: length.cast_unsigned() })
                })
                .collect()
        })
        .await
    }

    /// Removes the rows of files of this node that do not exist any more.
    pub(super) async fn forget_files(&self, missing: &[PathBuf]) -> Result<(), CollectorError> {
        let paths: Vec<Vec<u8>> = missing.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect();
        self.run(|inner| async move {
            let sql = "DELETE FROM output_file WHERE node = $1 AND path = ANY ($2)";
            inner.query(sql, &[&inner.node.id, &paths]).await.map(drop)
        })
        .await
    }

    /// Replaces the subscriptions of this node, and publishes the differences. If the database is not available, this is
    /// repeated when it is.
    pub(crate) async fn publish(&self, rows: Vec<SubscriptionRow>) -> Result<(), CollectorError> {
        self.inner.local.lock().replace(rows);
        self.run(|inner| async move { inner.exchange().await }).await
    }

    /// Subscriptions of all nodes, and duties of this one.
    pub(crate) fn shared(&self) -> watch::Receiver<Shared> {
        self.inner.shared.subscribe()
    }

    /// Runs an operation in the runtime of the connections.
    async fn run<T: Send + 'static, F>(
        &self,
        operation: impl FnOnce(Arc<Inner>) -> F,
    ) -> Result<T, CollectorError>
    where
        F: Future<Output = Result<T, Failed>> + Send + 'static,
    {
        let Some(task) = self.spawn(operation) else { return Err(CollectorError::Closed) };
        let finished = task.await.map_err(|_| CollectorError::Closed)?;
        finished.map_err(|failed| failed.into_error(&self.inner.settings.address))
    }

    fn spawn<F>(&self, operation: impl FnOnce(Arc<Inner>) -> F) -> Option<tokio::task::JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let runtime = self.runtime.as_ref()?;
        Some(runtime.spawn(operation(Arc::clone(&self.inner))))
    }

    /// Runs an operation on a thread without a runtime.
    fn block_on<T, F>(&self, operation: impl FnOnce(Arc<Inner>) -> F) -> Result<T, CollectorError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let Some(runtime) = &self.runtime else { return Err(CollectorError::Closed) };
        let finished = runtime.block_on(operation(Arc::clone(&self.inner)));
        finished.map_err(|failed| failed.into_error(&self.inner.settings.address))
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // Waiting is not allowed in an asynchronous context.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Inner {
    /// Migrates the tables, and opens the connections. Returns the version of the tables.
    async fn prepare(&self) -> Result<i64, Failed> {
        let opened = timeout(CONNECT_TIME + OPERATION_TIME, link::connect(&self.settings, None)).await;
        let session = opened.unwrap_or_else(|_| Err(Failed::no_answer()))?;
        let found = within(MIGRATION_TIME, schema::migrate(&session.client)).await?;
        if found <= schema::VERSION {
            self.writer.session().await?;
            self.register().await?;
        }
        Ok(found)
    }

    /// Reads rows with the connection for it.
    async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failed> {
        let session = self.reader.session().await?;
        let queried =
            within(OPERATION_TIME, async { Ok(session.client.query(sql, parameters).await?) }).await;
        if let Err(failed @ Failed::Unavailable(_)) = &queried {
            self.reader.discard(&session, failed).await;
        }
        queried
    }

    async fn find_batches(&self, keys: &[commit::BatchKey]) -> Result<Vec<bool>, Failed> {
        let begun = Instant::now();
        loop {
            let found = self.try_to_find(keys).await;
            let is_patient = begun.elapsed() < PATIENCE && self.writer.outage().await < PATIENCE;
            match found {
                Err(Failed::Unavailable(_)) if is_patient => tokio::time::sleep(RETRY).await,
                found => return found,
            }
        }
    }

    async fn try_to_find(&self, keys: &[commit::BatchKey]) -> Result<Vec<bool>, Failed> {
        let session = self.writer.session().await?;
        let Some(statements) = &session.statements else { return Err(Failed::no_answer()) };
        let found = within(OPERATION_TIME, commit::find_batches(&session, statements, keys)).await;
        self.close_after_failure(&session, found).await
    }

    async fn commit(&self, group: &Group) -> Result<(), Failed> {
        let session = self.writer.session().await?;
        let Some(statements) = &session.statements else { return Err(Failed::no_answer()) };
        let committed =
            within(OPERATION_TIME, commit::commit(&session, statements, &self.node.id, group)).await;
        self.close_after_failure(&session, committed).await
    }

    /// Closes the connection that writes after a failure, so that the server rolls the transaction back.
    async fn close_after_failure<T>(
        &self,
        session: &Arc<Session>,
        result: Result<T, Failed>,
    ) -> Result<T, Failed> {
        if let Err(failed) = &result {
            self.writer.discard(session, failed).await;
        }
        result
    }
}

/// Runs an operation within a time.
async fn within<T>(time: Duration, operation: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    timeout(time, operation).await.unwrap_or_else(|_| Err(Failed::no_answer()))
}

/// Returns a runtime for the operations of a program that waits for each of them.
fn blocking_runtime(address: &str) -> Result<Runtime, CollectorError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| CollectorError::Database { address: address.to_owned(), reason: error.to_string() })
}

/// Returns a runtime with one thread, for the connections.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).thread_name("event database").enable_all().build()
}

/// Time for the migrations, also those of another node.
const MIGRATION_TIME: Duration = Duration::from_secs(300);
/// Time for which batches wait for a database that is not available. Sources wait for 60 seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two attempts while batches wait.
const RETRY: Duration = Duration::from_millis(100);
