//! Connection to the database, which is opened again after a failure.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client};

use super::failure::Failed;
use super::statements::Statements;
use super::tls::Tls;
use crate::store::DatabaseSettings;
use crate::store::database::{CONNECT_TIME, OPERATION_TIME};
use crate::store::node::Node;

/// Connection that is opened when it is needed, with a growing pause after failures.
pub(super) struct Link {
    settings: Arc<DatabaseSettings>,
    purpose: Purpose,
    state: tokio::sync::Mutex<State>,
}

/// Purpose of a connection.
pub(super) enum Purpose {
    /// Writes batches. It holds the lock of the node, so that the previous process of the node has ended its last
    /// transaction before the connection is used.
    Write(Node),
    /// Reads, and receives notifications. It notifies when something has changed, or when the connection is lost.
    Read(Arc<Notify>),
}

#[derive(Default)]
struct State {
    session: Option<Arc<Session>>,
    /// Pause before the next attempt.
    pause: Duration,
    outage: Option<Outage>,
}

/// Time without a connection.
struct Outage {
    since: Instant,
    next_attempt: Instant,
    reason: String,
    /// Whether the log has the outage.
    is_reported: bool,
}

/// Open connection. It is closed when this is dropped.
pub(super) struct Session {
    pub(super) client: Client,
    /// Statements of the connection that writes.
    pub(super) statements: Option<Statements>,
    /// Whether the connection holds the lock of the node that connects to sources.
    pub(super) is_puller: AtomicBool,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    pub(super) fn new(settings: Arc<DatabaseSettings>, purpose: Purpose) -> Self {
        Self { settings, purpose, state: tokio::sync::Mutex::default() }
    }

    /// Returns the open connection, or opens one. Until the pause after a failed attempt is over, this fails at once.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Failed> {
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session {
            if !session.client.is_closed() {
                return Ok(Arc::clone(session));
            }
            state.lose("the connection was closed".to_owned());
        }
        if let Some(outage) = &state.outage
            && Instant::now() < outage.next_attempt
        {
            return Err(Failed::Unavailable(outage.reason.clone()));
        }
        let opened = timeout(CONNECT_TIME + OPERATION_TIME, self.open()).await;
        match opened.unwrap_or_else(|_| Err(Failed::no_answer())) {
            Ok(session) => {
                if let Some(outage) = state.outage.take().filter(|outage| outage.is_reported) {
                    let seconds = outage.since.elapsed().as_secs();
                    tracing::info!(
                        database = self.settings.address,
                        seconds,
                        "Event database is available again"
                    );
                }
                state.pause = Duration::ZERO;
                let session = Arc::new(session);
                state.session = Some(Arc::clone(&session));
                Ok(session)
            }
            Err(failed) => {
                let (Failed::Unavailable(reason) | Failed::Rejected(reason)) = failed;
                state.lose(reason.clone());
                if state.mark_reported() {
                    tracing::error!(
                        database = self.settings.address,
                        reason,
                        "Event database is not available; sources keep their events until it is. \
                         Check the database server, the network and event-store.toml; the collector connects again by itself"
                    );
                }
                Err(Failed::Unavailable(reason))
            }
        }
    }

    /// Closes a connection after a failed operation, whose transaction is rolled back then.
    pub(super) async fn discard(&self, session: &Arc<Session>, failed: &Failed) {
        let mut state = self.state.lock().await;
        if state.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            state.session = None;
            let (Failed::Unavailable(reason) | Failed::Rejected(reason)) = failed;
            tracing::warn!(
                database = self.settings.address,
                reason,
                "Connection to the event database failed"
            );
        }
    }

    /// Returns for how long there has been no connection.
    pub(super) async fn outage(&self) -> Duration {
        let state = self.state.lock().await;
        state.outage.as_ref().map_or(Duration::ZERO, |outage| outage.since.elapsed())
    }

    async fn open(&self) -> Result<Session, Failed> {
        let changed = match &self.purpose {
            Purpose::Write(_) => None,
            Purpose::Read(changed) => Some(Arc::clone(changed)),
        };
        let mut session = connect(&self.settings, changed).await?;
        session.client.batch_execute(SESSION_SETTINGS).await?;
        match &self.purpose {
            Purpose::Write(node) => {
                lock_node(&session.client, &node.id).await?;
                session.statements = Some(Statements::prepare(&session.client).await?);
            }
            Purpose::Read(_) => session.client.batch_execute("LISTEN telarch_events").await?,
        }
        Ok(session)
    }
}

impl State {
    fn lose(&mut self, reason: String) {
        self.session = None;
        let now = Instant::now();
        let (since, is_reported) =
            self.outage.as_ref().map_or((now, false), |outage| (outage.since, outage.is_reported));
        let next_attempt = now + self.pause;
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.outage = Some(Outage { since, next_attempt, reason, is_reported });
    }

    /// Marks the outage as reported. Returns whether it was not reported before.
    fn mark_reported(&mut self) -> bool {
        self.outage.as_mut().is_some_and(|outage| !std::mem::replace(&mut outage.is_reported, true))
    }
}

/// Opens a connection, and starts the task that drives it.
pub(super) async fn connect(
    settings: &DatabaseSettings,
    changed: Option<Arc<Notify>>,
) -> Result<Session, Failed> {
    let (client, mut connection) = settings.config.connect(Tls(Arc::clone(&settings.tls))).await?;
    let driver = tokio::spawn(async move {
        while let Some(message) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            match (message, &changed) {
                (Ok(AsyncMessage::Notification(_)), Some(changed)) => changed.notify_one(),
                (Ok(_), _) => {}
                (Err(error), _) => {
                    tracing::debug!(%error, "Connection to the event database ended");
                    break;
                }
            }
        }
        if let Some(changed) = changed {
            changed.notify_one();
        }
    });
    Ok(Session { client, statements: None, is_puller: AtomicBool::new(false), driver })
}

/// Acquires the lock of a node for the connection. After a crash the server may still be executing the last transaction
/// of the previous process; its end releases the lock.
async fn lock_node(client: &Client, node: &str) -> Result<(), Failed> {
    let until = Instant::now() + LOCK_TIME;
    let sql = "SELECT pg_try_advisory_lock(hashtextextended('telarch node ' || current_schema()::text || ' ' || $1::text, 0))";
    while !client.query_one(sql, &[&node]).await?.try_get::<_, bool>(0)? {
        if Instant::now() >= until {
            return Err(Failed::Unavailable(
                "another collector uses the database with the identifier of this node; if the state directory was copied \
                 from another machine, remove the file events/node there"
                    .to_owned(),
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Settings of each connection. An acknowledged batch must survive a crash of the server, and a server that lost the
/// connection to a collector must release its locks soon. The settings for TCP have no effect on Unix sockets.
const SESSION_SETTINGS: &str = "
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET idle_in_transaction_session_timeout = 60000; SET lock_timeout = 15000; SET statement_timeout = 25000;
    SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
    SET standard_conforming_strings = on; SET client_min_messages = warning";

/// Pauses between two attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Time for the end of the previous process of the node.
const LOCK_TIME: Duration = Duration::from_secs(20);
