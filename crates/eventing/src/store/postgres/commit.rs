//! Transaction that commits a group of batches, with one statement for each table.
//!
//! A group can be committed again if the outcome of the first attempt is unknown: a batch that is in the database
//! changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;

use tokio_postgres::types::ToSql;
use winevent::event::BookmarkList;

use super::failure::Failed;
use super::link::Session;
use super::statements::Statements;
use crate::store::{Failure, Group, KEPT_BATCHES, Seen};

/// Commits a group for a node, in two round trips: only the last change needs the results of the others.
pub(super) async fn commit(
    session: &Session,
    statements: &Statements,
    node: &str,
    group: &Group,
) -> Result<(), Failed> {
    let client = &session.client;
    let mut rows = Rows::of(group);
    // The table numbers batches in their order.
    let batches: Vec<BatchKey> = group
        .batches
        .iter()
        .map(|batch| (clean(&batch.seen.source), clean(&batch.seen.subscription), batch.digest))
        .collect();
    // Statements are sent in this order. After an error the server rejects the others.
    let (begun, sources, states, stored, added, removed, files) = tokio::join!(
        biased;
        client.batch_execute("BEGIN"),
        add_sources(session, statements, &rows),
        add_states(session, statements, &rows),
        lock_states(session, statements, &rows),
        add_batches(session, statements, &batches),
        remove_batches(session, statements, &rows),
        write_files(session, statements, node, group),
    );
    begun?;
    sources?;
    states?;
    let stored = stored?;
    let added = added?;
    removed?;
    files?;
    for (key, bookmark) in stored {
        if let Some(state) = rows.states.get_mut(&key) {
            state.stored = bookmark;
        }
    }
    rows.apply(group, batches, &added);
    // A commit after an error rolls back.
    let (updated, committed) = tokio::join!(
        biased;
        update_states(session, statements, node, &rows),
        client.batch_execute("COMMIT"),
    );
    updated?;
    Ok(committed?)
}

/// Returns for each batch whether it was committed before.
pub(super) async fn find_batches(
    session: &Session,
    statements: &Statements,
    batches: &[BatchKey],
) -> Result<Vec<bool>, Failed> {
    let (sources, subscriptions, digests) = columns(batches);
    let rows = session.client.query(&statements.find_batches, &[&sources, &subscriptions, &digests]).await?;
    let numbers = rows.iter().map(|row| row.try_get(0)).collect::<Result<BTreeSet<i64>, _>>()?;
    Ok((1..).zip(batches).map(|(number, _)| numbers.contains(&number)).collect())
}

/// Source, subscription and digest of a batch.
pub(super) type BatchKey = (String, String, [u8; 32]);

/// Source and subscription of a state.
type StateKey = (String, String);

fn columns(batches: &[BatchKey]) -> (Vec<&str>, Vec<&str>, Vec<&[u8]>) {
    let sources = batches.iter().map(|(source, _, _)| source.as_str());
    let subscriptions = batches.iter().map(|(_, subscription, _)| subscription.as_str());
    let digests = batches.iter().map(|(_, _, digest)| digest.as_slice());
    (sources.collect(), subscriptions.collect(), digests.collect())
}

/// Rows of a group, with one for each key.
struct Rows<'g> {
    sources: BTreeMap<String, &'g Seen>,
    states: BTreeMap<StateKey, StateRow<'g>>,
}

/// Changes of a state.
#[derive(Default)]
struct StateRow<'g> {
    /// Bookmark in the database.
    stored: Option<String>,
    bookmark: Option<&'g str>,
    batches: i64,
    last_event: Option<i64>,
    /// Last message; `None` if the collector could not connect to the source.
    contact: Option<&'g Seen>,
    /// Version of the last message that has one.
    version: Option<&'g str>,
    /// Last message or failure.
    last: Option<&'g Seen>,
}

impl<'g> Rows<'g> {
    fn of(group: &'g Group) -> Self {
        let mut rows = Self { sources: BTreeMap::new(), states: BTreeMap::new() };
        for seen in group.seen.iter().chain(group.batches.iter().map(|batch| &batch.seen)) {
            let source = rows.sources.entry(clean(&seen.source)).or_insert(seen);
            if seen.machine_id.is_some() {
                *source = seen;
            }
            let state = rows.states.entry((clean(&seen.source), clean(&seen.subscription))).or_default();
            state.last = Some(seen);
            if seen.failure.is_none() {
                state.contact = Some(seen);
                state.version = seen.version.as_deref().or(state.version);
            }
        }
        rows
    }

    /// Changes the states of those batches that were not in the database.
    fn apply(&mut self, group: &'g Group, keys: Vec<BatchKey>, added: &BTreeSet<(String, String, Vec<u8>)>) {
        for (batch, (source, subscription, digest)) in group.batches.iter().zip(keys) {
            let key = (source, subscription);
            let is_new = added.contains(&(key.0.clone(), key.1.clone(), digest.to_vec()));
            let Some(state) = self.states.get_mut(&key).filter(|_| is_new) else { continue };
            if batch.has_events {
                state.batches += 1;
                state.last_event = Some(batch.seen.now);
            }
            let Some(bookmark) = batch.bookmark.as_deref() else { continue };
            match state.bookmark.or(state.stored.as_deref()) {
                Some(current) if is_older(bookmark, current) => tracing::warn!(
                    source = batch.seen.source,
                    "Source sent events before its bookmark, which stays; if its logs have begun anew, \
                     use telarch events reset"
                ),
                _ => state.bookmark = Some(bookmark),
            }
        }
    }

    fn keys(&self) -> (Vec<&str>, Vec<&str>) {
        self.states.keys().map(|(source, subscription)| (source.as_str(), subscription.as_str())).unzip()
    }
}

async fn add_sources(session: &Session, statements: &Statements, rows: &Rows<'_>) -> Result<(), Failed> {
    let ids: Vec<&str> = rows.sources.keys().map(String::as_str).collect();
    let proofs: Vec<&str> = rows.sources.values().map(|seen| seen.proof).collect();
    let principals: Vec<String> = rows.sources.values().map(|seen| clean(&seen.principal)).collect();
    let machines: Vec<Option<String>> =
        rows.sources.values().map(|seen| seen.machine_id.as_deref().map(clean)).collect();
    let times: Vec<i64> = rows.sources.values().map(|seen| seen.now).collect();
    session.client.execute(&statements.add_sources, &[&ids, &proofs, &principals, &machines, &times]).await?;
    Ok(())
}

async fn add_states(session: &Session, statements: &Statements, rows: &Rows<'_>) -> Result<(), Failed> {
    let (sources, subscriptions) = rows.keys();
    session.client.execute(&statements.add_states, &[&sources, &subscriptions]).await?;
    Ok(())
}

/// Locks the rows of states until the end of the transaction, and returns their bookmarks.
async fn lock_states(
    session: &Session,
    statements: &Statements,
    rows: &Rows<'_>,
) -> Result<Vec<(StateKey, Option<String>)>, Failed> {
    let (sources, subscriptions) = rows.keys();
    let locked = session.client.query(&statements.lock_states, &[&sources, &subscriptions]).await?;
    locked.iter().map(|row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?))).collect()
}

/// Adds the digests of batches, and returns those that were not in the database.
async fn add_batches(
    session: &Session,
    statements: &Statements,
    batches: &[BatchKey],
) -> Result<BTreeSet<(String, String, Vec<u8>)>, Failed> {
    let (sources, subscriptions, digests) = columns(batches);
    let added = session.client.query(&statements.add_batches, &[&sources, &subscriptions, &digests]).await?;
    added.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
}

/// Removes the digests of all but the latest batches.
async fn remove_batches(session: &Session, statements: &Statements, rows: &Rows<'_>) -> Result<(), Failed> {
    let (sources, subscriptions) = rows.keys();
    let parameters: [&(dyn ToSql + Sync); 3] = [&sources, &subscriptions, &KEPT_BATCHES];
    session.client.execute(&statements.remove_batches, &parameters).await?;
    Ok(())
}

/// Returns whether a bookmark is older than another one. Bookmarks that are not lists of record numbers are never older.
fn is_older(bookmark: &str, current: &str) -> bool {
    let lists = (BookmarkList::parse(bookmark), BookmarkList::parse(current));
    matches!(lists, (Ok(bookmark), Ok(current)) if bookmark.is_older_than(&current))
}

async fn update_states(
    session: &Session,
    statements: &Statements,
    node: &str,
    rows: &Rows<'_>,
) -> Result<(), Failed> {
    let (sources, subscriptions) = rows.keys();
    let states = &rows.states;
    let bookmarks: Vec<Option<String>> = states.values().map(|state| state.bookmark.map(clean)).collect();
    let batches: Vec<i64> = states.values().map(|state| state.batches).collect();
    let events: Vec<Option<i64>> = states.values().map(|state| state.last_event).collect();
    let contacts: Vec<Option<i64>> = states.values().map(|state| Some(state.contact?.now)).collect();
    let addresses: Vec<Option<String>> =
        states.values().map(|state| Some(clean(&state.contact?.remote_ip))).collect();
    let versions: Vec<Option<String>> = states.values().map(|state| state.version.map(clean)).collect();
    let faults: Vec<Option<String>> =
        states.values().map(|state| state.last?.fault.as_deref().map(clean)).collect();
    let failures: Vec<Option<Failure>> = states.values().map(|state| state.last?.failure).collect();
    let codes: Vec<Option<i64>> = failures.iter().map(|failure| (*failure)?.code.map(i64::from)).collect();
    let times: Vec<Option<i64>> = states
        .values()
        .map(|state| state.last.filter(|seen| seen.fault.is_some()).map(|seen| seen.now))
        .collect();
    let retries: Vec<Option<i64>> = failures.iter().map(|failure| Some((*failure)?.retry)).collect();
    session
        .client
        .execute(
            &statements.update_states,
            &[
                &sources,
                &subscriptions,
                &bookmarks,
                &batches,
                &events,
                &contacts,
                &addresses,
                &versions,
                &faults,
                &codes,
                &times,
                &retries,
                &node,
            ],
        )
        .await?;
    Ok(())
}

async fn write_files(
    session: &Session,
    statements: &Statements,
    node: &str,
    group: &Group,
) -> Result<(), Failed> {
    if group.files.is_empty() {
        return Ok(());
    }
    // A path appears twice if its file was closed and opened again; the later length counts.
    let files: BTreeMap<&[u8], (i64, i64)> = group
        .files
        .iter()
        .map(|file| (file.path.as_os_str().as_bytes(), (file.inode.cast_signed(), file.length.cast_signed())))
        .collect();
    let paths: Vec<&[u8]> = files.keys().copied().collect();
    let (inodes, lengths): (Vec<i64>, Vec<i64>) = files.values().copied().unzip();
    session.client.execute(&statements.write_files, &[&node, &paths, &inodes, &lengths]).await?;
    Ok(())
}

/// Returns a text that PostgreSQL can store: without the character 0.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
