//! Reading the database beside running collectors.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::failure::Failed;
use super::link::{self, Session};
use super::{blocking_runtime, schema, within};
use crate::error::CollectorError;
use crate::store::database::{CONNECT_TIME, OPERATION_TIME};
use crate::store::stored::{StoredSource, StoredSubscription, add_state};
use crate::store::{DatabaseSettings, SourceState};

/// Database of collectors, opened by another program. Its functions block the thread, which must not be one of a runtime.
pub(in crate::store) struct DatabaseReader {
    address: String,
    session: Session,
    runtime: Runtime,
}

impl DatabaseReader {
    /// Connects; returns `None` if the database has no tables of a collector.
    pub(in crate::store) fn open(settings: &DatabaseSettings) -> Result<Option<Self>, CollectorError> {
        let address = settings.address.clone();
        let runtime = blocking_runtime(&address)?;
        let opening = async {
            let session = link::connect(settings, None).await?;
            let found = schema::version(&session.client).await?;
            Ok((session, found))
        };
        let (session, found) =
            runtime.block_on(within(CONNECT_TIME, opening)).map_err(|failed| failed.into_error(&address))?;
        match found {
            0 => Ok(None),
            found if found > schema::VERSION => {
                Err(CollectorError::LaterDatabase { address, found, supported: schema::VERSION })
            }
            _ => Ok(Some(Self { address, session, runtime })),
        }
    }

    pub(in crate::store) fn subscriptions(&self) -> Result<Vec<StoredSubscription>, CollectorError> {
        let rows =
            self.query("SELECT id, name, doc, version, enabled FROM subscription ORDER BY name", &[])?;
        let stored = rows.iter().map(|row| {
            Ok(StoredSubscription {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                document: row.try_get(2)?,
                version: row.try_get(3)?,
                is_present: row.try_get(4)?,
            })
        });
        stored.collect::<Result<_, Failed>>().map_err(|failed| failed.into_error(&self.address))
    }

    pub(in crate::store) fn sources(&self) -> Result<Vec<StoredSource>, CollectorError> {
        let rows = self.query(SOURCES, &[])?;
        let mut sources = Vec::new();
        for row in &rows {
            self.add_source(&mut sources, row).map_err(|failed| failed.into_error(&self.address))?;
        }
        Ok(sources)
    }

    fn add_source(&self, sources: &mut Vec<StoredSource>, row: &Row) -> Result<(), Failed> {
        let source = StoredSource {
            id: row.try_get(0)?,
            proof: row.try_get(1)?,
            name: row.try_get(2)?,
            machine_id: row.try_get(3)?,
            first_seen: row.try_get(4)?,
            states: Vec::new(),
        };
        let subscription: Option<String> = row.try_get(5)?;
        let state = match subscription {
            Some(subscription) => Some((subscription, state_of(row, source.id.clone(), 6)?)),
            None => None,
        };
        add_state(sources, source, state);
        Ok(())
    }

    /// Removes the bookmarks of sources, and the digests of their batches. Returns the number of changed states.
    pub(in crate::store) fn reset(&self, sources: &[String]) -> Result<u64, CollectorError> {
        let reset = async {
            let client = &self.session.client;
            client.batch_execute("BEGIN").await?;
            let locked = "SELECT 1 FROM source_state WHERE source = ANY ($1)
                          ORDER BY source COLLATE \"C\", subscription COLLATE \"C\" FOR UPDATE";
            client.query(locked, &[&sources]).await?;
            let changed = client
                .execute("UPDATE source_state SET bookmark = NULL WHERE source = ANY ($1)", &[&sources])
                .await?;
            client.execute("DELETE FROM batch WHERE source = ANY ($1)", &[&sources]).await?;
            client.batch_execute("COMMIT").await?;
            Ok(changed)
        };
        self.block_on(reset)
    }

    fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, CollectorError> {
        self.block_on(async { Ok(self.session.client.query(sql, parameters).await?) })
    }

    fn block_on<T>(&self, operation: impl Future<Output = Result<T, Failed>>) -> Result<T, CollectorError> {
        self.runtime.block_on(within(READ_TIME, operation)).map_err(|failed| failed.into_error(&self.address))
    }
}

/// Reads the state of a source from the columns of a row, of which `first` is the bookmark.
pub(super) fn state_of(row: &Row, source: String, first: usize) -> Result<SourceState, Failed> {
    let code: Option<i64> = row.try_get(first + 7)?;
    Ok(SourceState {
        source,
        bookmark: row.try_get(first)?,
        batches: row.try_get(first + 1)?,
        last_event: row.try_get(first + 2)?,
        last_heartbeat: row.try_get(first + 3)?,
        remote_ip: row.try_get(first + 4)?,
        version_seen: row.try_get(first + 5)?,
        last_fault: row.try_get(first + 6)?,
        fault_code: code.and_then(|code| u32::try_from(code).ok()),
        fault_time: row.try_get(first + 8)?,
        retry_time: row.try_get(first + 9)?,
        node: row.try_get(first + 10)?,
    })
}

/// States of a subscription.
pub(super) const STATES: &str = "
    SELECT t.source, t.bookmark, t.seq, t.last_event, t.last_heartbeat, t.remote_ip, t.version_seen, t.last_fault,
    t.fault_code, t.fault_time, t.retry_time, coalesce(n.address || ' (' || n.id || ')', t.node)
    FROM source_state t LEFT JOIN node n ON n.id = t.node WHERE t.subscription = $1 ORDER BY t.source COLLATE \"C\"";

const SOURCES: &str = "
    SELECT s.id, s.auth, s.principal, s.machine_id, s.first_seen, t.subscription, t.bookmark, t.seq, t.last_event,
    t.last_heartbeat, t.remote_ip, t.version_seen, t.last_fault, t.fault_code, t.fault_time, t.retry_time,
    coalesce(n.address || ' (' || n.id || ')', t.node)
    FROM source s LEFT JOIN source_state t ON t.source = s.id LEFT JOIN node n ON n.id = t.node
    ORDER BY s.principal COLLATE \"C\", s.id COLLATE \"C\", t.subscription COLLATE \"C\"";

/// Time for reading all sources.
const READ_TIME: Duration = OPERATION_TIME;
