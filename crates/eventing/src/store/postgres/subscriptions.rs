//! Subscriptions of several nodes: each publishes the changes of its own files, and uses those of all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::timeout;
use tokio_postgres::Client;
use winevent::Timestamp;

use super::failure::Failed;
use super::{Inner, link, within};
use crate::store::SubscriptionRow;
use crate::store::database::{CONNECT_TIME, OPERATION_TIME};

/// Subscriptions in the files of this node.
#[derive(Default)]
pub(super) struct Local {
    rows: Arc<Vec<SubscriptionRow>>,
    state: LocalState,
}

/// Progress of the publication of local subscriptions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum LocalState {
    /// The collector has not read its files yet.
    #[default]
    Unknown,
    /// The files were read at the start.
    Start,
    /// The files have changed since the start.
    Changed,
    /// All changes are in the database.
    Published,
}

impl Local {
    pub(super) fn replace(&mut self, rows: Vec<SubscriptionRow>) {
        self.rows = Arc::new(rows);
        self.state = match self.state {
            LocalState::Unknown | LocalState::Start => LocalState::Start,
            LocalState::Changed | LocalState::Published => LocalState::Changed,
        };
    }
}

impl Inner {
    /// Publishes changes of local subscriptions, and reads those of all nodes.
    pub(super) async fn exchange(&self) -> Result<(), Failed> {
        let (rows, state) = {
            let local = self.local.lock();
            (Arc::clone(&local.rows), local.state)
        };
        if matches!(state, LocalState::Start | LocalState::Changed) {
            self.publish_changes(&rows, state).await?;
            let mut local = self.local.lock();
            if Arc::ptr_eq(&local.rows, &rows) {
                local.state = LocalState::Published;
            }
        }
        let sql = "SELECT id, name, doc, version FROM subscription WHERE enabled ORDER BY name";
        let rows = self.query(sql, &[]).await?;
        let rows = rows.iter().map(row_of).collect::<Result<Vec<_>, _>>()?;
        self.shared.send_if_modified(|shared| {
            let is_changed = *shared.subscriptions != rows;
            if is_changed {
                shared.subscriptions = Arc::new(rows);
            }
            is_changed
        });
        Ok(())
    }

    async fn publish_changes(&self, rows: &[SubscriptionRow], state: LocalState) -> Result<(), Failed> {
        // A connection of its own: others must not execute statements within the transaction.
        let opened = timeout(CONNECT_TIME, link::connect(&self.settings, None)).await;
        let session = opened.unwrap_or_else(|_| Err(Failed::no_answer()))?;
        let publication = Publication { client: &session.client, node: &self.node.id, state };
        within(OPERATION_TIME, publication.run(rows)).await
    }
}

/// Transaction that publishes the differences between the files of a node and what it published before.
struct Publication<'p> {
    client: &'p Client,
    node: &'p str,
    state: LocalState,
}

impl Publication<'_> {
    async fn run(&self, rows: &[SubscriptionRow]) -> Result<(), Failed> {
        let client = self.client;
        client.batch_execute("BEGIN; LOCK TABLE subscription IN SHARE ROW EXCLUSIVE MODE").await?;
        let published = self.published().await?;
        let mut is_changed = false;
        for row in rows {
            let previous = published.get(&row.id);
            if previous == Some(&row.document) {
                continue;
            }
            if previous.is_none() && self.state == LocalState::Start && self.conflicts_with_other(row).await?
            {
                tracing::warn!(
                    subscription = row.name,
                    "Another collector has another version of the subscription, which is used; change the file to use its \
                     content"
                );
            } else {
                is_changed |= self.write(row).await?;
            }
            client
                .execute(
                    "INSERT INTO node_subscription (node, id, doc) VALUES ($1, $2, $3)
                     ON CONFLICT (node, id) DO UPDATE SET doc = excluded.doc",
                    &[&self.node, &row.id, &row.document],
                )
                .await?;
        }
        for id in published.keys().filter(|id| !rows.iter().any(|row| row.id == **id)) {
            let disabled = "UPDATE subscription SET enabled = false WHERE id = $1 AND enabled";
            is_changed |= client.execute(disabled, &[id]).await? > 0;
            let forgotten = "DELETE FROM node_subscription WHERE node = $1 AND id = $2";
            client.execute(forgotten, &[&self.node, id]).await?;
        }
        if is_changed {
            client.batch_execute("NOTIFY telarch_events").await?;
        }
        client.batch_execute("COMMIT").await?;
        Ok(())
    }

    /// Returns the documents that this node has published, by identifier.
    async fn published(&self) -> Result<BTreeMap<String, String>, Failed> {
        let rows =
            self.client.query("SELECT id, doc FROM node_subscription WHERE node = $1", &[&self.node]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Returns whether another node has enabled the subscription with another content.
    async fn conflicts_with_other(&self, row: &SubscriptionRow) -> Result<bool, Failed> {
        let sql = "SELECT 1 FROM subscription WHERE id = $1 AND enabled AND doc <> $2";
        Ok(self.client.query_opt(sql, &[&row.id, &row.document]).await?.is_some())
    }

    /// Enables a subscription. Returns whether anything has changed.
    async fn write(&self, row: &SubscriptionRow) -> Result<bool, Failed> {
        let now = Timestamp::from(SystemTime::now()).seconds();
        let sql = "INSERT INTO subscription (id, name, doc, version, enabled, updated_at)
                   VALUES ($1, $2, $3, $4, true, $5)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, doc = excluded.doc,
                   version = excluded.version, enabled = true, updated_at = excluded.updated_at
                   WHERE NOT subscription.enabled OR subscription.doc <> excluded.doc";
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&row.id, &row.name, &row.document, &row.version, &now];
        Ok(self.client.execute(sql, &parameters).await? > 0)
    }
}

fn row_of(row: &tokio_postgres::Row) -> Result<SubscriptionRow, Failed> {
    Ok(SubscriptionRow {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        document: row.try_get(2)?,
        version: row.try_get(3)?,
    })
}
