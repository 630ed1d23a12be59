//! Tables in PostgreSQL, and their migrations.

use tokio_postgres::Client;

use super::failure::Failed;

/// Migrations in order, with the versions of the same tables in SQLite.
const MIGRATIONS: [(i64, &str); 2] = [
    (
        3,
        "
    CREATE TABLE subscription (
        id text PRIMARY KEY, name text NOT NULL UNIQUE, doc text NOT NULL, version text NOT NULL, revision text,
        enabled boolean NOT NULL, updated_at bigint NOT NULL);
    CREATE TABLE source (
        id text PRIMARY KEY, auth text NOT NULL, principal text NOT NULL, machine_id text,
        first_seen bigint NOT NULL);
    CREATE TABLE source_state (
        source text NOT NULL REFERENCES source (id) ON DELETE CASCADE, subscription text NOT NULL, bookmark text,
        seq bigint NOT NULL DEFAULT 0, last_event bigint, last_heartbeat bigint, remote_ip text,
        version_seen text, last_fault text, fault_code bigint, fault_time bigint, retry_time bigint, node text,
        PRIMARY KEY (source, subscription)) WITH (fillfactor = 70);
    CREATE TABLE batch (
        id bigint GENERATED ALWAYS AS IDENTITY, source text NOT NULL REFERENCES source (id) ON DELETE CASCADE,
        subscription text NOT NULL, digest bytea NOT NULL, PRIMARY KEY (source, subscription, digest));
    CREATE TABLE node (
        id text PRIMARY KEY, address text NOT NULL, started bigint NOT NULL, last_seen bigint NOT NULL);
    CREATE TABLE node_subscription (
        node text NOT NULL, id text NOT NULL, doc text NOT NULL, PRIMARY KEY (node, id));
    CREATE TABLE output_file (
        node text NOT NULL, path bytea NOT NULL, inode bigint NOT NULL, length bigint NOT NULL,
        PRIMARY KEY (node, path));
",
    ),
    (
        4,
        "
    CREATE TABLE delivery (
        source text NOT NULL, subscription text NOT NULL, identifier text NOT NULL,
        PRIMARY KEY (source, subscription));
",
    ),
];

/// Latest version of the tables.
pub(super) const VERSION: i64 = 4;

/// Applies missing migrations, and returns the version found afterwards. One node migrates at a time.
pub(super) async fn migrate(client: &Client) -> Result<i64, Failed> {
    client.batch_execute("BEGIN").await?;
    // The lock ends with the transaction.
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    let mut version = version(client).await?;
    if version == 0 {
        // A user without the right to create tables may use existing ones.
        client
            .batch_execute("CREATE TABLE migration (version bigint PRIMARY KEY, applied_at bigint NOT NULL)")
            .await?;
    }
    for (number, migration) in MIGRATIONS {
        if number > version {
            client.batch_execute(migration).await?;
            let applied =
                "INSERT INTO migration (version, applied_at) VALUES ($1, extract(epoch FROM now())::bigint)";
            client.execute(applied, &[&number]).await?;
            version = number;
        }
    }
    client.batch_execute("COMMIT").await?;
    Ok(version)
}

/// Returns the version of the tables; 0 for an empty database.
pub(super) async fn version(client: &Client) -> Result<i64, Failed> {
    let exists = client.query_one("SELECT to_regclass('migration') IS NOT NULL", &[]).await?;
    if !exists.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let row = client.query_one("SELECT coalesce(max(version), 0) FROM migration", &[]).await?;
    Ok(row.try_get(0)?)
}

/// Number of the lock for migrations: the text `telarch` in ASCII.
const MIGRATION_LOCK: i64 = 0x0074_656c_6172_6368;
