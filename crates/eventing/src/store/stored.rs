//! Rows of the store for other programs.

use super::SourceState;

/// Subscription in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSubscription {
    /// Identifier in the URL for deliveries.
    pub id: String,
    /// Name of the subscription.
    pub name: String,
    /// The subscription as XML.
    pub document: String,
    /// Version that sources see.
    pub version: String,
    /// Whether the collector has the subscription; `false` for one whose file was removed.
    pub is_present: bool,
}

/// Source in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSource {
    /// Identifier, which consists of the proof and the name.
    pub id: String,
    /// Proof of the name: `certificate` or `account`.
    pub proof: String,
    /// Authenticated name.
    pub name: String,
    /// Name in the messages of the source.
    pub machine_id: Option<String>,
    /// Time of the first message in seconds since 1970.
    pub first_seen: i64,
    /// Identifiers of its subscriptions, and its state in each.
    pub states: Vec<(String, SourceState)>,
}

/// Adds a row of a list that is sorted by sources: a state to the last source, or another source.
pub(super) fn add_state(
    sources: &mut Vec<StoredSource>,
    source: StoredSource,
    state: Option<(String, SourceState)>,
) {
    if sources.last().is_none_or(|last| last.id != source.id) {
        sources.push(source);
    }
    if let (Some(state), Some(last)) = (state, sources.last_mut()) {
        last.states.push(state);
    }
}
