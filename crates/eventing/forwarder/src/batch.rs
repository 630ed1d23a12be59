//! Events that are sent in one message.

use std::time::SystemTime;

use eventlog::local::{LocalLogs, Positions};
use eventlog::{LocalEvent, LogError, ReceivedRecords, Selection};
use winevent::delivery::{ContentFormat, OfferedSubscription, SourceItem};
use winevent::event::BookmarkList;

use crate::ForwarderError;

/// Selection of events, and limits of a batch.
pub(crate) struct BatchRules {
    pub(crate) offer: OfferedSubscription,
    selection: Selection,
    max_items: usize,
    max_bytes: usize,
}

/// Maximum number of events of a batch if the subscription has no limit.
const MAX_ITEMS: usize = 1_000;
/// Size of a message without events, in bytes of UTF-16.
const ENVELOPE: usize = 8_192;
/// Size of the markup around an event, in bytes of UTF-16.
const ITEM: usize = 256;
/// Maximum number of events that are read in one step, so that a stop is noticed.
const STEP: usize = 20_000;

impl BatchRules {
    pub(crate) fn new(offer: OfferedSubscription) -> Self {
        let max_items = offer.max_items.unwrap_or(MAX_ITEMS).clamp(1, 100_000);
        let max_bytes = offer.max_envelope_size.saturating_sub(ENVELOPE).max(4_096);
        let selection = Selection::of_list(offer.query.clone());
        Self { offer, selection, max_items, max_bytes }
    }

    /// Returns whether events have texts for people.
    pub(crate) fn has_rendering(&self) -> bool {
        self.offer.content_format == ContentFormat::RenderedText
    }

    /// Returns the XML of an event if the subscription selects it.
    fn selected(&self, event: &LocalEvent) -> Option<String> {
        let record = self.selection.select(event, SystemTime::now().into())?;
        Some(record.source().to_owned())
    }
}

/// Events that wait to be sent, in order.
#[derive(Default)]
pub(crate) struct Batch {
    items: Vec<SourceItem>,
    bytes: usize,
    is_full: bool,
    /// Events that were sent, for the bookmark.
    sent: ReceivedRecords,
    /// Position behind the events of the batch and those before that are not selected.
    pub(crate) positions: Positions,
    /// Event that did not fit.
    pending: Option<(String, u64, String, Positions)>,
}

impl Batch {
    /// Returns an empty batch behind these positions and bookmarks.
    pub(crate) fn new(positions: Positions, sent: ReceivedRecords) -> Self {
        Self { positions, sent, ..Self::default() }
    }

    /// Returns whether no further event fits.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Reads events until the batch is full or all are read. Returns whether there may be more.
    pub(crate) fn fill(&mut self, logs: &mut LocalLogs, rules: &BatchRules) -> Result<bool, LogError> {
        if let Some((channel, id, xml, positions)) = self.pending.take() {
            self.add(channel, id, xml, positions, rules);
        }
        logs.refresh()?;
        for _ in 0..STEP {
            if self.is_full {
                return Ok(true);
            }
            let Some(event) = logs.next_event()? else { return Ok(false) };
            let positions = logs.positions();
            match rules.selected(&event) {
                Some(xml) => self.add(event.channel, event.record_id, xml, positions, rules),
                None => self.positions = positions,
            }
        }
        Ok(true)
    }

    fn add(&mut self, channel: String, id: u64, xml: String, positions: Positions, rules: &BatchRules) {
        let size = xml.encode_utf16().count().saturating_mul(2).saturating_add(ITEM);
        let is_too_large = size > rules.max_bytes;
        if self.bytes.saturating_add(size) > rules.max_bytes && !(is_too_large && self.items.is_empty()) {
            self.is_full = true;
            self.pending = Some((channel, id, xml, positions));
            return;
        }
        if is_too_large {
            tracing::warn!(
                channel,
                record = id,
                bytes = size,
                "Dropped an event that is larger than a message"
            );
            self.items.push(SourceItem::Dropped(1));
            self.bytes = self.bytes.saturating_add(ITEM);
        } else {
            self.items.push(SourceItem::Event(xml));
            self.bytes = self.bytes.saturating_add(size);
        }
        self.sent.insert(&channel, id);
        self.positions = positions;
        self.is_full = self.items.len() >= rules.max_items;
    }

    /// Returns the bookmark behind the events.
    pub(crate) fn bookmark(&self) -> Result<BookmarkList, ForwarderError> {
        Ok(self.sent.bookmark()?)
    }

    /// Returns whether there are no events.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Removes the events from the batch, to send them.
    pub(crate) fn take_items(&mut self) -> Vec<SourceItem> {
        self.bytes = 0;
        self.is_full = false;
        std::mem::take(&mut self.items)
    }
}
