//! Writing the content of another store.

use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use tokio_postgres::Client;

use super::commit::clean;
use super::failure::Failed;
use super::{MIGRATION_TIME, blocking_runtime, link, schema, within};
use crate::error::CollectorError;
use crate::output::CommittedFile;
use crate::store::DatabaseSettings;
use crate::store::content::{
    BatchRecord, DeliveryRecord, Occupied, SourceRecord, StateRecord, StoreContent, SubscriptionRecord,
};
use crate::store::database::CONNECT_TIME;
use crate::store::node::Node;

/// Writes content into a database in one transaction. Subscriptions and lengths of files become those of `node`. Blocks the
/// thread, which must not be one of a runtime.
pub(in crate::store) fn import(
    settings: &DatabaseSettings,
    node: &Node,
    content: &StoreContent,
    occupied: Occupied,
) -> Result<(), CollectorError> {
    let address = settings.address.clone();
    let runtime = blocking_runtime(&address)?;
    let finished = runtime.block_on(async {
        let session = within(CONNECT_TIME, link::connect(settings, None)).await?;
        let found = within(MIGRATION_TIME, schema::migrate(&session.client)).await?;
        if found > schema::VERSION {
            return Ok(Outcome::Later(found));
        }
        let writing = Writing { client: &session.client, node: &node.id };
        within(IMPORT_TIME, writing.run(content, occupied)).await
    });
    match finished.map_err(|failed| failed.into_error(&address))? {
        Outcome::Written => Ok(()),
        Outcome::Later(found) => {
            Err(CollectorError::LaterDatabase { address, found, supported: schema::VERSION })
        }
        Outcome::Occupied { subscriptions, sources } => {
            Err(CollectorError::DatabaseOccupied { address, subscriptions, sources })
        }
    }
}

enum Outcome {
    Written,
    /// The tables have this later version.
    Later(i64),
    /// The database has content.
    Occupied {
        subscriptions: i64,
        sources: i64,
    },
}

/// Transaction that writes everything. The connection is closed after an error, which rolls it back.
struct Writing<'w> {
    client: &'w Client,
    node: &'w str,
}

impl Writing<'_> {
    async fn run(&self, content: &StoreContent, occupied: Occupied) -> Result<Outcome, Failed> {
        self.client.batch_execute(BEGIN).await?;
        let counts = "SELECT (SELECT count(*) FROM subscription), (SELECT count(*) FROM source)";
        let row = self.client.query_one(counts, &[]).await?;
        let (subscriptions, sources): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if subscriptions + sources > 0 && occupied == Occupied::Refuse {
            return Ok(Outcome::Occupied { subscriptions, sources });
        }
        self.client.batch_execute(CLEAR).await?;
        self.client.execute("DELETE FROM output_file WHERE node = $1", &[&self.node]).await?;
        for rows in content.subscriptions.chunks(CHUNK) {
            self.subscriptions(rows).await?;
        }
        for rows in content.sources.chunks(CHUNK) {
            self.sources(rows).await?;
        }
        for rows in content.states.chunks(CHUNK) {
            self.states(rows).await?;
        }
        for rows in content.batches.chunks(CHUNK) {
            self.batches(rows).await?;
        }
        for rows in content.deliveries.chunks(CHUNK) {
            self.deliveries(rows).await?;
        }
        for rows in content.files.chunks(CHUNK) {
            self.files(rows).await?;
        }
        self.client.batch_execute("NOTIFY telarch_events; COMMIT").await?;
        Ok(Outcome::Written)
    }

    /// Writes subscriptions as if the node had published them, so that later changes of its files have an effect.
    async fn subscriptions(&self, rows: &[SubscriptionRecord]) -> Result<(), Failed> {
        let ids = column(rows, |row| clean(&row.id));
        let documents = column(rows, |row| clean(&row.document));
        let enabled = column(rows, |row| row.enabled);
        self.client
            .execute(
                "INSERT INTO subscription (id, name, doc, version, revision, enabled, updated_at)
                 SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[],
                 $7::bigint[])",
                &[
                    &ids,
                    &column(rows, |row| clean(&row.name)),
                    &documents,
                    &column(rows, |row| clean(&row.version)),
                    &column(rows, |row| row.revision.as_deref().map(clean)),
                    &enabled,
                    &column(rows, |row| row.updated_at),
                ],
            )
            .await?;
        self.client
            .execute(
                "INSERT INTO node_subscription (node, id, doc)
                 SELECT $1, id, doc FROM unnest($2::text[], $3::text[], $4::boolean[]) AS one (id, doc, enabled)
                 WHERE enabled",
                &[&self.node, &ids, &documents, &enabled],
            )
            .await?;
        Ok(())
    }

    async fn sources(&self, rows: &[SourceRecord]) -> Result<(), Failed> {
        self.client
            .execute(
                "INSERT INTO source (id, auth, principal, machine_id, first_seen)
                 SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])",
                &[
                    &column(rows, |row| clean(&row.id)),
                    &column(rows, |row| clean(&row.proof)),
                    &column(rows, |row| clean(&row.principal)),
                    &column(rows, |row| row.machine_id.as_deref().map(clean)),
                    &column(rows, |row| row.first_seen),
                ],
            )
            .await?;
        Ok(())
    }

    async fn states(&self, rows: &[StateRecord]) -> Result<(), Failed> {
        self.client
            .execute(
                "INSERT INTO source_state (source, subscription, bookmark, seq, last_event, last_heartbeat,
                 remote_ip, version_seen, last_fault, fault_code, fault_time, retry_time)
                 SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                 $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[])",
                &[
                    &column(rows, |row| clean(&row.source)),
                    &column(rows, |row| clean(&row.subscription)),
                    &column(rows, |row| row.bookmark.as_deref().map(clean)),
                    &column(rows, |row| row.batches),
                    &column(rows, |row| row.last_event),
                    &column(rows, |row| row.last_heartbeat),
                    &column(rows, |row| row.remote_ip.as_deref().map(clean)),
                    &column(rows, |row| row.version_seen.as_deref().map(clean)),
                    &column(rows, |row| row.last_fault.as_deref().map(clean)),
                    &column(rows, |row| row.fault_code),
                    &column(rows, |row| row.fault_time),
                    &column(rows, |row| row.retry_time),
                ],
            )
            .await?;
        Ok(())
    }

    /// Writes batches in their order, because the latest ones are kept.
    async fn batches(&self, rows: &[BatchRecord]) -> Result<(), Failed> {
        self.client
            .execute(
                "INSERT INTO batch (source, subscription, digest)
                 SELECT source, subscription, digest FROM unnest($1::text[], $2::text[], $3::bytea[])
                 WITH ORDINALITY AS one (source, subscription, digest, number) ORDER BY number",
                &[
                    &column(rows, |row| clean(&row.source)),
                    &column(rows, |row| clean(&row.subscription)),
                    &column(rows, |row| row.digest.as_slice()),
                ],
            )
            .await?;
        Ok(())
    }

    async fn deliveries(&self, rows: &[DeliveryRecord]) -> Result<(), Failed> {
        self.client
            .execute(
                "INSERT INTO delivery (source, subscription, identifier)
                 SELECT * FROM unnest($1::text[], $2::text[], $3::text[])",
                &[
                    &column(rows, |row| clean(&row.source)),
                    &column(rows, |row| clean(&row.subscription)),
                    &column(rows, |row| clean(&row.identifier)),
                ],
            )
            .await?;
        Ok(())
    }

    async fn files(&self, rows: &[CommittedFile]) -> Result<(), Failed> {
        self.client
            .execute(
                "INSERT INTO output_file (node, path, inode, length)
                 SELECT $1, path, inode, length FROM unnest($2::bytea[], $3::bigint[], $4::bigint[])
                 AS one (path, inode, length)",
                &[
                    &self.node,
                    &column(rows, |row| row.path.as_os_str().as_bytes()),
                    &column(rows, |row| row.inode.cast_signed()),
                    &column(rows, |row| row.length.cast_signed()),
                ],
            )
            .await?;
        Ok(())
    }
}

/// Returns one value of each row.
fn column<'r, R, T>(rows: &'r [R], value: impl FnMut(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Begins the transaction, whose end waits for the disk: the file is renamed after it. Running collectors wait before they
/// write.
const BEGIN: &str =
    "BEGIN; SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
     LOCK TABLE subscription, source, source_state, batch, delivery IN ACCESS EXCLUSIVE MODE";
/// Removes subscriptions, sources and what depends on them. Other nodes publish their subscriptions again when they start.
const CLEAR: &str =
    "DELETE FROM source; DELETE FROM subscription; DELETE FROM node_subscription; DELETE FROM delivery";
/// Number of rows of a statement.
const CHUNK: usize = 1_000;
/// Time for all rows.
const IMPORT_TIME: Duration = Duration::from_secs(1_800);
