//! Events of a response as items of a batch.

use client::{EventPage, Item};
use winevent::delivery::{self, Head};
use winevent::event::BookmarkList;
use wsman::namespace::WSMAN;
use xml::{Element, Writer};

/// Events of a response, owned.
pub(crate) struct Batch {
    pub(crate) head: Head,
    /// Actions and events.
    events: Vec<PulledEvent>,
}

struct PulledEvent {
    action: String,
    xml: String,
}

impl Batch {
    /// Returns the batch of a response. `version` is that of the subscription. An unusable bookmark is dropped, because
    /// the source could not continue there.
    pub(crate) fn of(page: &EventPage, version: &str) -> Self {
        let bookmark = page.bookmark.as_deref().filter(|text| match BookmarkList::parse(text) {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, "Ignored the bookmark of an event source");
                false
            }
        });
        let head = Head {
            identifier: Some(version.to_owned()),
            bookmark: bookmark.map(str::to_owned),
            ..Head::default()
        };
        Self { head, events: page.events.iter().map(PulledEvent::of).collect() }
    }

    /// Returns the items for the collector.
    pub(crate) fn items(&self) -> Vec<delivery::Item<'_>> {
        self.events
            .iter()
            .map(|event| delivery::Item { action: &event.action, xml: event.xml.as_str().into() })
            .collect()
    }
}

impl PulledEvent {
    /// Returns the event in an item: text, or markup inside `w:Event`, or the item itself.
    fn of(item: &Item) -> Self {
        let element = item.element();
        if !element.is(WSMAN, "Event") {
            return Self { action: String::new(), xml: item.xml().to_owned() };
        }
        let action = element.attribute("", "Action").unwrap_or_default().trim().to_owned();
        let xml = match element.children().next() {
            Some(event) => markup(event),
            None => element.text().into_owned(),
        };
        Self { action, xml }
    }
}

/// Returns an element as a document of its own.
fn markup(element: Element<'_>) -> String {
    let mut writer = Writer::with_capacity(element.source().len() + 256);
    writer.copy(element);
    writer.finish()
}
