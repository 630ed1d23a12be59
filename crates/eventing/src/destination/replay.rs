//! Events of files that are sent to a destination once more.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use winevent::Timestamp;
use winevent::event::Record;

use super::sender::Sender;
use super::settings::DestinationSettings;
use super::spool::MAX_BATCH;
use super::undeliverable::Undeliverable;
use crate::error::CollectorError;

/// Sends events of files to a destination, without its spool.
pub struct Replay<'s> {
    settings: &'s DestinationSettings,
    sender: Sender<'s>,
    /// Lines that were not sent yet.
    lines: Vec<String>,
    /// Length of these lines.
    bytes: usize,
    replayed: Replayed,
}

/// Result of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Number of events that the destination has accepted.
    pub sent: u64,
    /// Number of events that the subscriptions and the query of the destination do not select.
    pub not_selected: u64,
    /// Number of events that are larger than the destination permits.
    pub too_large: u64,
}

impl<'s> Replay<'s> {
    /// Prepares to send; the connection is opened with the first events.
    #[must_use]
    pub fn new(settings: &'s DestinationSettings) -> Self {
        let sender = Sender::new(settings, Undeliverable::Counted(0));
        Self { settings, sender, lines: Vec::new(), bytes: 0, replayed: Replayed::default() }
    }

    /// Adds an event, a line of JSON that the collector has written, and sends a batch if it is full.
    ///
    /// # Errors
    /// [`CollectorError::Replay`] if the destination does not accept the batch after several attempts.
    pub fn push(&mut self, line: String, record: &Record) -> Result<(), CollectorError> {
        let names = &self.settings.subscriptions;
        let subscription = if names.is_empty() { None } else { subscription(&line) };
        let now = Timestamp::from(SystemTime::now());
        if !self.settings.selects(subscription.as_deref().unwrap_or_default(), record, now) {
            self.replayed.not_selected += 1;
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(line.len());
        self.lines.push(line);
        if self.lines.len() >= self.settings.batch_size || self.bytes >= MAX_BATCH {
            self.send()?;
        }
        Ok(())
    }

    /// Sends the remaining events.
    ///
    /// # Errors
    /// [`CollectorError::Replay`], as for [`push`](Self::push).
    pub fn finish(mut self) -> Result<Replayed, CollectorError> {
        self.send()?;
        let too_large = match self.sender.undeliverable {
            Undeliverable::Counted(count) => count,
            Undeliverable::Stored(_) => 0,
        };
        // A destination that refuses an event as too large counts it among the accepted ones.
        Ok(Replayed { sent: self.replayed.sent.saturating_sub(too_large), too_large, ..self.replayed })
    }

    fn send(&mut self) -> Result<(), CollectorError> {
        let mut pauses = PAUSES.iter();
        while !self.lines.is_empty() {
            let (accepted, failure) = match self.sender.send(&self.lines) {
                Ok(()) => (self.lines.len(), None),
                Err(failure) => (failure.accepted, Some(failure.reason)),
            };
            self.lines.drain(..accepted.min(self.lines.len()));
            self.replayed.sent =
                self.replayed.sent.saturating_add(u64::try_from(accepted).unwrap_or(u64::MAX));
            if accepted > 0 {
                pauses = PAUSES.iter();
            }
            if let Some(reason) = failure {
                let Some(pause) = pauses.next() else {
                    let (name, sent) = (self.settings.name.clone(), self.replayed.sent);
                    return Err(CollectorError::Replay { name, reason, sent });
                };
                std::thread::sleep(*pause);
            }
        }
        self.bytes = 0;
        Ok(())
    }
}

/// Returns the name of the subscription in a line of JSON.
fn subscription(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    Some(event.get("Collector")?.get("Subscription")?.as_str()?.to_owned())
}

/// Pauses before further attempts with the same events.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(600), Duration::from_secs(2), Duration::from_secs(5)];
