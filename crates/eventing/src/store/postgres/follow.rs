//! Task that follows the changes of other nodes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;
use winevent::Timestamp;

use super::failure::Failed;
use super::link::Session;
use super::{Inner, within};
use crate::store::SubscriptionRow;
use crate::store::database::OPERATION_TIME;

/// State that all nodes share, as far as this node has heard of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shared {
    /// Enabled subscriptions of all nodes.
    pub(crate) subscriptions: Arc<Vec<SubscriptionRow>>,
    /// Whether this node connects to the sources of collector-initiated subscriptions. One node does.
    pub(crate) is_puller: bool,
}

impl Inner {
    /// Follows changes, at notifications and at an interval, until the runtime ends.
    pub(super) async fn follow(&self) {
        loop {
            let followed = self.follow_once().await;
            if let Err(Failed::Unavailable(reason) | Failed::Rejected(reason)) = &followed {
                tracing::debug!(reason, "Cannot read changes of other collectors");
                // The lock for pulling ends with the connection.
                self.shared.send_if_modified(|shared| std::mem::take(&mut shared.is_puller));
            }
            let pause = if followed.is_ok() { INTERVAL } else { RETRY };
            let _ = timeout(pause, self.changed.notified()).await;
        }
    }

    async fn follow_once(&self) -> Result<(), Failed> {
        self.register().await?;
        self.exchange().await?;
        let session = self.reader.session().await?;
        let is_puller = within(OPERATION_TIME, lock_pulling(&session)).await?;
        self.shared
            .send_if_modified(|shared| std::mem::replace(&mut shared.is_puller, is_puller) != is_puller);
        Ok(())
    }

    /// Records that this node is alive.
    pub(super) async fn register(&self) -> Result<(), Failed> {
        let now = Timestamp::from(SystemTime::now()).seconds();
        let sql = "INSERT INTO node (id, address, started, last_seen) VALUES ($1, $2, $3, $3)
                   ON CONFLICT (id) DO UPDATE SET address = excluded.address, last_seen = excluded.last_seen";
        self.query(sql, &[&self.node.id, &self.node.address, &now]).await.map(drop)
    }
}

/// Acquires the lock for pulling, unless another node has it. It ends with the connection.
async fn lock_pulling(session: &Session) -> Result<bool, Failed> {
    if session.is_puller.load(Ordering::Relaxed) {
        return Ok(true);
    }
    let sql = "SELECT pg_try_advisory_lock(hashtextextended('telarch puller ' || current_schema()::text, 0))";
    let is_granted = session.client.query_one(sql, &[]).await?.try_get(0)?;
    session.is_puller.store(is_granted, Ordering::Relaxed);
    Ok(is_granted)
}

/// Pause between two polls, in addition to notifications.
const INTERVAL: Duration = Duration::from_secs(10);
/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(1);
