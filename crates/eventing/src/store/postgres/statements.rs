//! Statements of the connection that writes.

use tokio_postgres::{Client, Statement};

use super::failure::Failed;

/// Prepared statements.
pub(super) struct Statements {
    pub(super) find_batches: Statement,
    pub(super) add_sources: Statement,
    pub(super) add_states: Statement,
    pub(super) lock_states: Statement,
    pub(super) add_batches: Statement,
    pub(super) update_states: Statement,
    pub(super) remove_batches: Statement,
    pub(super) write_files: Statement,
}

impl Statements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, Failed> {
        Ok(Self {
            find_batches: client.prepare(FIND_BATCHES).await?,
            add_sources: client.prepare(ADD_SOURCES).await?,
            add_states: client.prepare(ADD_STATES).await?,
            lock_states: client.prepare(LOCK_STATES).await?,
            add_batches: client.prepare(ADD_BATCHES).await?,
            update_states: client.prepare(UPDATE_STATES).await?,
            remove_batches: client.prepare(REMOVE_BATCHES).await?,
            write_files: client.prepare(WRITE_FILES).await?,
        })
    }
}

const FIND_BATCHES: &str = "
    SELECT k.number FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY
    AS k (source, subscription, digest, number) JOIN batch USING (source, subscription, digest)";

/// Rows are in the order of their keys, here and in the other statements, so that nodes never wait for each other in a
/// circle.
const ADD_SOURCES: &str = "
    INSERT INTO source (id, auth, principal, machine_id, first_seen)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
    ON CONFLICT (id) DO UPDATE SET machine_id = excluded.machine_id
    WHERE excluded.machine_id IS NOT NULL AND source.machine_id IS DISTINCT FROM excluded.machine_id";

const ADD_STATES: &str = "
    INSERT INTO source_state (source, subscription) SELECT * FROM unnest($1::text[], $2::text[])
    ON CONFLICT DO NOTHING";

const LOCK_STATES: &str = "
    SELECT source, subscription, bookmark FROM source_state
    WHERE (source, subscription) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    ORDER BY source COLLATE \"C\", subscription COLLATE \"C\" FOR UPDATE";

const ADD_BATCHES: &str = "
    INSERT INTO batch (source, subscription, digest)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
    ON CONFLICT DO NOTHING RETURNING source, subscription, digest";

const UPDATE_STATES: &str = "
    UPDATE source_state s SET
        bookmark = coalesce(k.bookmark, s.bookmark), seq = s.seq + k.batches,
        last_event = greatest(s.last_event, k.last_event), last_heartbeat = greatest(s.last_heartbeat, k.contact),
        remote_ip = coalesce(k.remote_ip, s.remote_ip), version_seen = coalesce(k.version, s.version_seen),
        last_fault = k.fault, fault_code = k.fault_code, fault_time = k.fault_time, retry_time = k.retry_time,
        node = $13
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
        $9::text[], $10::bigint[], $11::bigint[], $12::bigint[])
    AS k (source, subscription, bookmark, batches, last_event, contact, remote_ip, version, fault, fault_code,
        fault_time, retry_time)
    WHERE s.source = k.source AND s.subscription = k.subscription";

const REMOVE_BATCHES: &str = "
    DELETE FROM batch b USING unnest($1::text[], $2::text[]) AS k (source, subscription)
    WHERE b.source = k.source AND b.subscription = k.subscription AND b.id <=
        (SELECT id FROM batch o WHERE o.source = k.source AND o.subscription = k.subscription
         ORDER BY id DESC OFFSET $3 LIMIT 1)";

const WRITE_FILES: &str = "
    INSERT INTO output_file (node, path, inode, length)
    SELECT $1::text, * FROM unnest($2::bytea[], $3::bigint[], $4::bigint[])
    ON CONFLICT (node, path) DO UPDATE SET inode = excluded.inode, length = excluded.length";
