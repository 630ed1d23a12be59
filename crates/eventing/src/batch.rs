//! Batches of events, and results of their delivery.

use winevent::delivery::{Head, Item};

/// Events of one message.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Headers of the message.
    pub head: &'a Head,
    /// Items of the message.
    pub items: &'a [Item<'a>],
}

/// Result of a delivery, which is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Number of stored events.
    pub stored: usize,
    /// Number of events in quarantine.
    pub quarantined: usize,
    /// Whether the batch was stored before.
    pub is_repeated: bool,
}
