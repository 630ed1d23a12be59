//! Messages of an event source.

use xml::{Fragment, Writer};

use super::item::DROPPED_EVENTS;
use super::names::{
    ADDRESSING, ANONYMOUS, END, ENUMERATE, ENUMERATION, EVENT, EVENTING, EVENTS, HEARTBEAT, MACHINE_ID,
    MICROSOFT, PULL, SOAP, SUBSCRIPTION_END, SUBSCRIPTIONS, WSMAN,
};
use super::offered::EventForm;
use crate::event::BookmarkList;

/// Headers of a message of an event source.
#[derive(Clone, Copy, Debug)]
pub struct SourceMessage<'a> {
    /// URL of the collector: the subscription manager, or the address for deliveries.
    pub to: &'a str,
    /// Full name of the source.
    pub machine_id: &'a str,
    /// New UUID, without `uuid:`.
    pub message_id: &'a str,
    /// New UUID, without `uuid:`.
    pub operation_id: &'a str,
    /// UUID of all messages of this process, without `uuid:`.
    pub session_id: &'a str,
    /// Reference properties of the address, which every message repeats as headers.
    pub reference: &'a [Fragment],
}

/// Event in a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceItem {
    /// XML of an event.
    Event(String),
    /// Number of events that were too large for a message.
    Dropped(u64),
}

/// Content of a message to the address of a push subscription (DSP0226 10.2.9). Items are complete markup.
#[derive(Clone, Copy, Debug)]
pub enum Push<'a> {
    /// The subscription runs and has no new events.
    Heartbeat,
    /// One event.
    Event(&'a Fragment),
    /// Report of dropped events.
    DroppedEvents(&'a Fragment),
    /// Items of `w:Events`.
    Events(&'a [Fragment]),
}

/// Headers that depend on the kind of message.
#[derive(Clone, Copy)]
struct Purpose<'a> {
    action: &'a str,
    resource: Option<&'a str>,
    /// Position behind the events, as XML.
    bookmark: Option<&'a str>,
    asks_for_acknowledgement: bool,
}

impl<'a> Purpose<'a> {
    /// Returns the headers of a message that the collector must acknowledge.
    fn acknowledged(action: &'a str) -> Self {
        Self { action, resource: None, bookmark: None, asks_for_acknowledgement: true }
    }

    /// Returns the headers of a request for subscriptions.
    fn request(action: &'a str) -> Self {
        Self { action, resource: Some(SUBSCRIPTIONS), bookmark: None, asks_for_acknowledgement: false }
    }
}

/// Maximum size of answers in bytes, as Windows requests it.
const ENVELOPE: &str = "512000";

impl SourceMessage<'_> {
    /// Returns the request for the subscriptions of this source.
    #[must_use]
    pub fn enumerate(&self) -> String {
        let mut writer = self.begin(Purpose::request(ENUMERATE));
        writer.start("n:Enumerate").namespace("n", ENUMERATION);
        writer.start("w:OptimizeEnumeration").end_empty();
        writer.element("w:MaxElements", "32000");
        writer.finish()
    }

    /// Returns the request for the rest of the subscriptions.
    #[must_use]
    pub fn pull(&self, context: &str) -> String {
        let mut writer = self.begin(Purpose::request(PULL));
        writer.start("n:Pull").namespace("n", ENUMERATION);
        writer.element("n:EnumerationContext", context);
        writer.element("n:MaxElements", "32000");
        writer.finish()
    }

    /// Returns the message that the subscription runs and has no new events.
    #[must_use]
    pub fn heartbeat(&self) -> String {
        self.push(Push::Heartbeat, None, true)
    }

    /// Returns a delivery of events. The bookmark is the position behind the last of them.
    #[must_use]
    pub fn events(&self, items: &[SourceItem], bookmark: &BookmarkList, form: EventForm) -> String {
        let mut writer =
            self.begin(Purpose { bookmark: Some(bookmark.text()), ..Purpose::acknowledged(EVENTS) });
        writer.start("w:Events");
        for item in items {
            match item {
                SourceItem::Event(xml) => {
                    writer.start("w:Event").attribute("Action", EVENT);
                    let markup = match form {
                        // A section cannot contain its own end.
                        EventForm::CharacterData => {
                            format!("<![CDATA[{}]]>", xml.replace("]]>", "]]]]><![CDATA[>"))
                        }
                        EventForm::Inline => xml.clone(),
                    };
                    writer.fragment(&Fragment::written_elsewhere(markup)).end();
                }
                SourceItem::Dropped(count) => {
                    writer.start("w:Event").attribute("Action", DROPPED_EVENTS);
                    writer.start("w:DroppedEvents").attribute("Action", DROPPED_EVENTS);
                    writer.text(&count.to_string()).end().end();
                }
            }
        }
        writer.finish()
    }

    /// Returns a message of a push subscription. The bookmark is the position behind the last event, as XML.
    #[must_use]
    pub fn push(&self, content: Push<'_>, bookmark: Option<&str>, asks_for_acknowledgement: bool) -> String {
        let action = match content {
            Push::Heartbeat => HEARTBEAT,
            Push::Event(_) => EVENT,
            Push::DroppedEvents(_) => DROPPED_EVENTS,
            Push::Events(_) => EVENTS,
        };
        let purpose = Purpose { bookmark, asks_for_acknowledgement, ..Purpose::acknowledged(action) };
        let mut writer = self.begin(purpose);
        match content {
            Push::Heartbeat => _ = writer.start("w:Events").end(),
            Push::Event(item) | Push::DroppedEvents(item) => _ = writer.fragment(item),
            Push::Events(items) => {
                writer.start("w:Events");
                for item in items {
                    writer.fragment(item);
                }
                writer.end();
            }
        }
        writer.finish()
    }

    /// Returns the message that this source has ended the subscription. `status` is the last part of a status of
    /// WS-Eventing 3.4, such as `SourceShuttingDown`.
    #[must_use]
    pub fn subscription_end(&self, status: &str, reason: &str) -> String {
        let mut writer = self.begin(Purpose::acknowledged(SUBSCRIPTION_END));
        writer.start("e:SubscriptionEnd").namespace("e", EVENTING);
        writer.start("e:Status").text(EVENTING).text("/").text(status).end();
        writer.start("e:Reason").attribute("xml:lang", "en-US").text(reason).end();
        writer.finish()
    }

    /// Returns the message that the source does not need the answer to an operation any more.
    #[must_use]
    pub fn end(&self) -> String {
        self.begin(Purpose { asks_for_acknowledgement: false, ..Purpose::acknowledged(END) }).finish()
    }

    /// Starts a message, with the headers in the order of Windows, up to the start tag of the body.
    fn begin(&self, purpose: Purpose<'_>) -> Writer {
        let mut writer = Writer::with_capacity(4_096);
        writer.start("s:Envelope");
        for (prefix, uri) in [("s", SOAP), ("a", ADDRESSING), ("w", WSMAN), ("p", MICROSOFT)] {
            writer.namespace(prefix, uri);
        }
        writer.start("s:Header");
        writer.element("a:To", self.to);
        if let Some(resource) = purpose.resource {
            writer.start("w:ResourceURI").attribute("s:mustUnderstand", "true").text(resource).end();
        }
        writer.start("m:MachineID").namespace("m", MACHINE_ID).attribute("s:mustUnderstand", "false");
        writer.text(self.machine_id).end();
        writer.start("a:ReplyTo").start("a:Address").attribute("s:mustUnderstand", "true");
        writer.text(ANONYMOUS).end().end();
        writer.start("a:Action").attribute("s:mustUnderstand", "true").text(purpose.action).end();
        writer.start("w:MaxEnvelopeSize").attribute("s:mustUnderstand", "true").text(ENVELOPE).end();
        writer.start("a:MessageID").text("uuid:").text(self.message_id).end();
        for name in ["w:Locale", "p:DataLocale"] {
            writer.start(name).attribute("xml:lang", "en-US");
            writer.attribute("s:mustUnderstand", "false").end_empty();
        }
        for (name, id) in [("p:SessionId", self.session_id), ("p:OperationID", self.operation_id)] {
            writer.start(name).attribute("s:mustUnderstand", "false").text("uuid:").text(id).end();
        }
        writer.start("p:SequenceId").attribute("s:mustUnderstand", "false").text("1").end();
        writer.element("w:OperationTimeout", "PT60.000S");
        for property in self.reference {
            writer.fragment(property);
        }
        if let Some(bookmark) = purpose.bookmark {
            writer.start("w:Bookmark").fragment(&Fragment::written_elsewhere(bookmark.to_owned())).end();
        }
        if purpose.asks_for_acknowledgement {
            writer.start("w:AckRequested").end_empty();
        }
        writer.end();
        writer.start("s:Body");
        writer
    }
}
