//! Events that are sent in one message.

use std::sync::Arc;

use service::Item;
use tokio::time::Instant;
use winevent::delivery::{OversizedEvents, Push};
use wsman::eventing::{DeliveryMode, EventContent, ItemKind, write_dropped_events, write_event};
use xml::{Fragment, Writer};

use crate::request::DeliveryRules;

/// Events that wait to be sent, in order.
pub(crate) struct Batch {
    rules: DeliveryRules,
    items: Vec<Fragment>,
    kind: ItemKind,
    bytes: usize,
    /// Position behind the events.
    bookmark: Option<Arc<str>>,
    /// Event that does not fit.
    pending: Option<Item>,
    /// Time of the first event.
    oldest: Option<Instant>,
}

/// An event is larger than a message, and the subscriber has requested that the subscription ends then.
#[derive(Debug)]
pub(crate) struct TooLarge {
    pub(crate) bytes: usize,
}

impl Batch {
    /// Returns an empty batch.
    pub(crate) fn new(rules: DeliveryRules) -> Self {
        Self {
            rules,
            items: Vec::new(),
            kind: ItemKind::Event,
            bytes: 0,
            bookmark: None,
            pending: None,
            oldest: None,
        }
    }

    /// Returns whether no further event fits.
    pub(crate) fn is_full(&self) -> bool {
        self.pending.is_some() || self.items.len() >= self.rules.max_items
    }

    /// Returns whether there are no events.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the time when the events are sent, even if others would fit.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.oldest.map(|oldest| oldest + self.rules.max_latency)
    }

    /// Adds an event. Must not be called while the batch is full.
    pub(crate) fn add(&mut self, item: Item, now: Instant) -> Result<(), TooLarge> {
        // A position without an event.
        if item.object.as_str().is_empty() {
            return Ok(());
        }
        let object = self.in_form_of_mode(&item.object);
        let bytes = object.as_str().len().saturating_add(item.bookmark.as_deref().map_or(0, str::len));
        if bytes > self.rules.max_bytes {
            return self.omit(bytes, now);
        }
        if self.bytes.saturating_add(bytes) > self.rules.max_bytes {
            self.pending = Some(item);
            return Ok(());
        }
        self.kind = ItemKind::of(&item.object);
        self.push(object, now);
        self.bookmark = item.bookmark.or(self.bookmark.take());
        Ok(())
    }

    /// Returns the content of the message, and the position behind the events as XML.
    pub(crate) fn content(&self) -> (Push<'_>, Option<&str>) {
        let content = match (self.rules.mode, self.items.first()) {
            (DeliveryMode::Events, _) => Push::Events(&self.items),
            (_, Some(item)) if self.kind == ItemKind::DroppedEvents => Push::DroppedEvents(item),
            (_, Some(item)) => Push::Event(item),
            (_, None) => Push::Heartbeat,
        };
        (content, self.bookmark.as_deref())
    }

    /// Removes the events, which the subscriber has accepted.
    pub(crate) fn clear(&mut self, now: Instant) -> Result<(), TooLarge> {
        self.items.clear();
        (self.bytes, self.bookmark, self.oldest) = (0, None, None);
        match self.pending.take() {
            Some(item) => self.add(item, now),
            None => Ok(()),
        }
    }

    fn push(&mut self, object: Fragment, now: Instant) {
        self.bytes = self.bytes.saturating_add(object.as_str().len());
        self.items.push(object);
        self.oldest.get_or_insert(now);
    }

    /// Omits an event that is larger than a message.
    fn omit(&mut self, bytes: usize, now: Instant) -> Result<(), TooLarge> {
        match self.rules.oversized {
            OversizedEvents::CancelSubscription => return Err(TooLarge { bytes }),
            OversizedEvents::Skip => {}
            OversizedEvents::Notify => {
                let mut writer = Writer::new();
                write_dropped_events(&mut writer, 1);
                let object = self.in_form_of_mode(&writer.into_fragment());
                self.kind = ItemKind::DroppedEvents;
                self.push(object, now);
            }
        }
        tracing::debug!(bytes, "Omitted an event that is larger than a message");
        Ok(())
    }

    /// Returns an item as the delivery mode requires it: in the mode Events every item is within `w:Event`.
    fn in_form_of_mode(&self, item: &Fragment) -> Fragment {
        if self.rules.mode != DeliveryMode::Events {
            return item.clone();
        }
        let mut writer = Writer::with_capacity(item.as_str().len() + 256);
        match ItemKind::of(item) {
            ItemKind::WrappedEvent => return item.clone(),
            ItemKind::Event => write_event(&mut writer, EventContent::Markup(item)),
            ItemKind::DroppedEvents => write_event(&mut writer, EventContent::DroppedEvents(item)),
        }
        writer.into_fragment()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rules(mode: DeliveryMode, oversized: OversizedEvents) -> DeliveryRules {
        DeliveryRules {
            mode,
            heartbeat: None,
            max_latency: Duration::ZERO,
            max_items: if mode == DeliveryMode::Events { 3 } else { 1 },
            max_bytes: 300,
            oversized,
            retry_interval: Duration::ZERO,
            retries: 0,
        }
    }

    fn item(text: &str, bookmark: Option<&str>) -> Item {
        let object = Fragment::written_elsewhere(text.to_owned());
        Item { object, reference: None, bookmark: bookmark.map(Arc::from) }
    }

    fn sent(batch: &Batch) -> (String, Option<&str>) {
        let (content, bookmark) = batch.content();
        let Push::Events(items) = content else { panic!("other content") };
        (items.iter().map(Fragment::as_str).collect(), bookmark)
    }

    #[tokio::test]
    async fn a_batch_has_the_events_that_fit_and_the_bookmark_behind_them() {
        let mut batch = Batch::new(rules(DeliveryMode::Events, OversizedEvents::Notify));
        let now = Instant::now();
        batch.add(item("", Some("<b0/>")), now).unwrap();
        assert!(batch.is_empty());
        batch.add(item("<one/>", Some("<b1/>")), now).unwrap();
        batch.add(item("<w:Event x='y'><two/></w:Event>", Some("<b2/>")), now).unwrap();
        let large = format!("<w:Event >{}</w:Event>", "x".repeat(200));
        batch.add(item(&large, Some("<b3/>")), now).unwrap();
        assert!(batch.is_full());
        let (text, bookmark) = sent(&batch);
        assert!(text.contains("/wsman/Event\"><one/></w:Event><w:Event x='y'><two/></w:Event>"), "{text}");
        assert_eq!(bookmark, Some("<b2/>"));
        batch.clear(now).unwrap();
        assert_eq!(sent(&batch), (large, Some("<b3/>")));
    }

    #[tokio::test]
    async fn an_event_that_is_larger_than_a_message_is_omitted_or_ends_the_subscription() {
        let large = "x".repeat(400);
        let now = Instant::now();
        let add = |mode, oversized| {
            let mut batch = Batch::new(rules(mode, oversized));
            batch.add(item(&large, None), now).map(|()| batch)
        };
        let ended = add(DeliveryMode::Push, OversizedEvents::CancelSubscription).err();
        assert_eq!(ended.map(|too_large| too_large.bytes), Some(400));
        assert!(add(DeliveryMode::Push, OversizedEvents::Skip).unwrap().is_empty());
        let reported = add(DeliveryMode::PushWithAck, OversizedEvents::Notify).unwrap();
        assert!(matches!(reported.content().0, Push::DroppedEvents(_)));
        let reported = add(DeliveryMode::Events, OversizedEvents::Notify).unwrap();
        assert!(
            sent(&reported).0.contains("wsman/DroppedEvents\"><w:DroppedEvents"),
            "{:?}",
            sent(&reported)
        );
    }
}
