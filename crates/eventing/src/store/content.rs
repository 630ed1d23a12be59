//! Rows of all tables that move from one store to another one.

use crate::output::CommittedFile;

/// Treatment of a database that has content already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupied {
    /// Nothing is moved.
    Refuse,
    /// The content of the database is removed.
    Replace,
}

/// Content of a store.
#[derive(Debug, Default)]
pub(super) struct StoreContent {
    pub(super) subscriptions: Vec<SubscriptionRecord>,
    pub(super) sources: Vec<SourceRecord>,
    pub(super) states: Vec<StateRecord>,
    /// Batches that are recognised when they are repeated, the oldest first.
    pub(super) batches: Vec<BatchRecord>,
    pub(super) deliveries: Vec<DeliveryRecord>,
    /// Lengths of the files of the node.
    pub(super) files: Vec<CommittedFile>,
}

/// Subscription.
#[derive(Debug)]
pub(super) struct SubscriptionRecord {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) document: String,
    pub(super) version: String,
    pub(super) revision: Option<String>,
    pub(super) enabled: bool,
    pub(super) updated_at: i64,
}

/// Source.
#[derive(Debug)]
pub(super) struct SourceRecord {
    pub(super) id: String,
    pub(super) proof: String,
    pub(super) principal: String,
    pub(super) machine_id: Option<String>,
    pub(super) first_seen: i64,
}

/// State of a source in a subscription. Times are seconds since 1970.
#[derive(Debug)]
pub(super) struct StateRecord {
    pub(super) source: String,
    pub(super) subscription: String,
    pub(super) bookmark: Option<String>,
    pub(super) batches: i64,
    pub(super) last_event: Option<i64>,
    pub(super) last_heartbeat: Option<i64>,
    pub(super) remote_ip: Option<String>,
    pub(super) version_seen: Option<String>,
    pub(super) last_fault: Option<String>,
    pub(super) fault_code: Option<i64>,
    pub(super) fault_time: Option<i64>,
    pub(super) retry_time: Option<i64>,
}

/// Batch that was stored.
#[derive(Debug)]
pub(super) struct BatchRecord {
    pub(super) source: String,
    pub(super) subscription: String,
    pub(super) digest: Vec<u8>,
}

/// Push subscription at a source.
#[derive(Debug)]
pub(super) struct DeliveryRecord {
    pub(super) source: String,
    pub(super) subscription: String,
    pub(super) identifier: String,
}
