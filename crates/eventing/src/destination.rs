//! Destinations of events beside files: syslog servers, HTTP servers, JetStream of NATS, and Kafka.
//!
//! Each destination has a spool on the disk, in which a batch is durable before it is acknowledged, and a thread that
//! sends from the spool and repeats what was not accepted. If the spool is full, batches are rejected if the destination
//! is required, and otherwise the events are dropped for this destination and counted.

mod failure;
#[cfg(feature = "kafka")]
mod kafka_producer;
mod kafka_target;
mod line;
mod nats_publisher;
mod replay;
mod sender;
mod settings;
mod spool;
mod syslog;
mod undeliverable;

use std::path::Path;
use std::sync::Arc;

use metrics::OutputStatistics;
use winevent::Timestamp;
use winevent::event::Record;

pub use self::replay::{Replay, Replayed};
pub use self::settings::DestinationSettings;
use self::spool::Spool;
use crate::error::CollectorError;
use crate::record::Accepted;
use crate::statistics::OutputCounter;

/// A destination with its spool. The thread that sends ends when this is dropped.
pub(crate) struct Destination {
    settings: Arc<DestinationSettings>,
    spool: Arc<Spool>,
    counter: OutputCounter,
    /// Number of events dropped since the last report.
    dropped: u64,
}

/// Numbers of a destination.
pub(crate) struct OutputMonitor {
    settings: Arc<DestinationSettings>,
    spool: Arc<Spool>,
    counter: OutputCounter,
}

/// Rule that selects the events of a destination.
pub(crate) struct Route(Arc<DestinationSettings>);

impl DestinationSettings {
    /// Returns whether the destination receives an event of a subscription.
    fn selects(&self, subscription: &str, record: &Record, now: Timestamp) -> bool {
        self.has_subscription(subscription)
            && self.query.as_ref().is_none_or(|query| query.selects(record, now))
    }

    fn has_subscription(&self, subscription: &str) -> bool {
        let names = &self.subscriptions;
        names.is_empty() || names.iter().any(|name| name == subscription)
    }
}

impl OutputMonitor {
    pub(crate) fn statistics(&self) -> OutputStatistics {
        self.counter.snapshot(&self.settings.name, self.spool.size())
    }
}

impl Route {
    /// Returns whether the destination receives an event of a subscription. The elements of the event are used only if
    /// the destination has a query.
    pub(crate) fn selects(&self, subscription: &str, event: &Accepted<'_>, now: Timestamp) -> bool {
        if self.0.query.is_none() {
            return self.0.has_subscription(subscription);
        }
        event.record().is_none_or(|record| self.0.selects(subscription, record, now))
    }
}

impl Destination {
    /// Opens the spool in a folder, and starts the thread.
    pub(crate) fn open(settings: DestinationSettings, folder: &Path) -> Result<Self, CollectorError> {
        let folder = folder.join(&settings.name);
        let spool = Arc::new(Spool::open(&folder, settings.max_spool)?);
        let settings = Arc::new(settings);
        let counter = OutputCounter::default();
        sender::start(Arc::clone(&settings), Arc::clone(&spool), counter.clone())
            .map_err(CollectorError::file("start a thread for", &folder))?;
        Ok(Self { settings, spool, counter, dropped: 0 })
    }

    /// Returns the source of its numbers.
    pub(crate) fn monitor(&self) -> OutputMonitor {
        OutputMonitor {
            settings: Arc::clone(&self.settings),
            spool: Arc::clone(&self.spool),
            counter: self.counter.clone(),
        }
    }

    /// Returns the rule that selects its events.
    pub(crate) fn route(&self) -> Route {
        Route(Arc::clone(&self.settings))
    }

    /// Checks that the spool accepts lines, if the destination is required.
    pub(crate) fn require_room(&self, lines: &[u8]) -> Result<(), CollectorError> {
        if !self.settings.is_required || lines.is_empty() || self.spool.has_room_for(lines.len()) {
            return Ok(());
        }
        Err(CollectorError::SpoolFull { name: self.settings.name.clone() })
    }

    /// Appends lines to the spool. They are durable only after [`sync`](Self::sync).
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<(), CollectorError> {
        if lines.is_empty() || self.spool.append(lines)? {
            return Ok(());
        }
        let count = lines.split_inclusive(|byte| *byte == b'\n').count();
        if self.dropped == 0 {
            tracing::warn!(
                output = self.settings.name,
                "Spool of an event output is full; its events are dropped until it accepts some"
            );
        }
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.counter.dropped(count);
        self.dropped = self.dropped.saturating_add(count);
        Ok(())
    }

    /// Waits until all appended lines are on the disk, and lets the thread send them.
    pub(crate) fn sync(&mut self) -> Result<(), CollectorError> {
        if self.dropped > 0 && self.spool.has_room_for(0) {
            tracing::warn!(
                output = self.settings.name,
                events = self.dropped,
                "Events were dropped for an output"
            );
            self.dropped = 0;
        }
        self.spool.sync()
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        self.spool.close();
    }
}
