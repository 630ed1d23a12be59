//! Subscribe, Renew, GetStatus and Unsubscribe (WS-Eventing of August 2004; DSP0226 10; MS-WSMV 3.1.4.1.30).
//!
//! Events of a subscription in pull mode are fetched with the [`Pull`](crate::enumeration::Pull) of enumerations.

mod push;

use std::time::Duration;

use xml::{Element, Fragment, Writer};

pub use self::push::{DeliveryAddress, PROFILE_KERBEROS, PushDelivery};
use crate::ResourceUri;
use crate::enumeration::{Filter, either, filter, schema_error};
use crate::fault::{Detail, Fault, Subcode, code};
use crate::namespace::{ADDRESSING, ANONYMOUS, ENUMERATION, EVENTING, WSMAN};

/// Body of Subscribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Delivery mode.
    pub mode: DeliveryMode,
    /// Requested duration, never zero; `None` leaves it to the service.
    pub expires: Option<Duration>,
    /// Filter of the events.
    pub filter: Option<Filter>,
    /// Whether the client requests a SubscriptionEnd message at another address (`e:EndTo`).
    pub end_to: bool,
    /// Position of the first event (`w:Bookmark`).
    pub start: Option<Start>,
    /// Whether the client requests a bookmark with the events (`w:SendBookmarks`).
    pub sends_bookmarks: bool,
    /// Delivery in a push mode, for a request that is written. Requests that are parsed have none here, because plug-ins
    /// read it.
    pub push: Option<Box<PushDelivery>>,
}

/// Position at which the events of a subscription begin (DSP0226 10.2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Oldest event.
    Earliest,
    /// Behind the events of a bookmark, as XML that the service has sent.
    Bookmark(String),
}

/// Bookmark of the oldest event (DSP0226 10.2.6).
const EARLIEST: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/bookmark/earliest";

/// Delivery mode of events (DSP0226 10.2.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// Each event in a message without acknowledgement; the default of WS-Eventing.
    #[default]
    Push,
    /// Each event in a message with acknowledgement.
    PushWithAck,
    /// Several events per message, with acknowledgement.
    Events,
    /// The client requests events with Pull.
    Pull,
}

impl DeliveryMode {
    /// All modes.
    pub const ALL: [Self; 4] = [Self::Push, Self::PushWithAck, Self::Events, Self::Pull];

    /// Returns the URI.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Push => "http://schemas.xmlsoap.org/ws/2004/08/eventing/DeliveryModes/Push",
            Self::PushWithAck => "http://schemas.dmtf.org/wbem/wsman/1/wsman/PushWithAck",
            Self::Events => "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events",
            Self::Pull => "http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull",
        }
    }

    /// Returns the fault for an unsupported mode.
    #[must_use]
    pub fn unavailable(uri: &str) -> Fault {
        Fault::new(
            Subcode::DeliveryModeRequestedUnavailable,
            code::DELIVERY_MODE_UNAVAILABLE,
            format!("unsupported delivery mode \"{}\": use {}", excerpt(uri), Self::Pull.uri()),
        )
    }
}

impl Subscribe {
    /// Creates a subscription in pull mode.
    #[must_use]
    pub fn pull(filter: Filter) -> Self {
        Self {
            mode: DeliveryMode::Pull,
            expires: None,
            filter: Some(filter),
            end_to: false,
            start: None,
            sends_bookmarks: false,
            push: None,
        }
    }

    /// Creates a subscription whose events the service sends to an address.
    #[must_use]
    pub fn push(mode: DeliveryMode, delivery: PushDelivery, filter: Filter) -> Self {
        Self { mode, end_to: true, push: Some(Box::new(delivery)), ..Self::pull(filter) }
    }

    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element, `e:DeliveryModeRequestedUnavailable` for an unknown mode,
    /// `e:InvalidExpirationTime` and `e:UnsupportedExpirationType` for an invalid expiration.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Subscribe")?;
        let Some(delivery) = body.child(EVENTING, "Delivery") else {
            return Err(schema_error(
                "the element Delivery is missing in the body; add it with the delivery mode".to_owned(),
            ));
        };
        let mode = match delivery.attribute("", "Mode") {
            None => DeliveryMode::default(),
            Some(uri) => DeliveryMode::ALL
                .into_iter()
                .find(|mode| mode.uri() == uri.trim())
                .ok_or_else(|| DeliveryMode::unavailable(&uri))?,
        };
        // Clients use both names: WS-Eventing defines one, WS-Management the other.
        let wanted = either(body, "Filter").or_else(|| body.child(EVENTING, "Filter"));
        Ok(Self {
            mode,
            expires: expires(body)?,
            filter: wanted.map(filter).transpose()?,
            end_to: body.child(EVENTING, "EndTo").is_some(),
            start: body.child(WSMAN, "Bookmark").map(start).transpose()?,
            sends_bookmarks: body.child(WSMAN, "SendBookmarks").is_some(),
            push: None,
        })
    }

    /// Writes the body of a subscription. Push modes need the delivery.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("e:Subscribe").namespace("e", EVENTING);
        match &self.push {
            None => _ = writer.start("e:Delivery").attribute("Mode", self.mode.uri()).end_empty(),
            Some(push) => {
                push.write_end_to(writer);
                writer.start("e:Delivery").attribute("Mode", self.mode.uri());
                push.write_content(writer);
                writer.end();
            }
        }
        if let Some(expires) = self.expires {
            writer.element("e:Expires", &crate::duration::write(expires));
        }
        if let Some(filter) = &self.filter {
            filter.write(writer);
        }
        match &self.start {
            Some(Start::Earliest) => _ = writer.element("w:Bookmark", EARLIEST),
            Some(Start::Bookmark(markup)) => write_bookmark(writer, markup),
            None => {}
        }
        if self.sends_bookmarks {
            writer.start("w:SendBookmarks").end_empty();
        }
        writer.end();
    }

    /// Rejects bookmarks, for resources whose events have no positions.
    ///
    /// # Errors
    /// `w:UnsupportedFeature`.
    pub fn reject_bookmarks(&self) -> Result<(), Fault> {
        if self.start.is_none() && !self.sends_bookmarks {
            return Ok(());
        }
        let reason = "this resource has no bookmarks; omit Bookmark and SendBookmarks";
        Err(Fault::new(Subcode::UnsupportedFeature, code::BOOKMARKS, reason).with_detail(Detail::BOOKMARKS))
    }
}

/// Writes a bookmark, whose content is XML.
pub fn write_bookmark(writer: &mut Writer, markup: &str) {
    writer.start("w:Bookmark").fragment(&Fragment::written_elsewhere(markup.to_owned())).end();
}

/// Returns the content of the bookmark in the header of a response, if it is an element.
#[must_use]
pub fn bookmark_of(header: Element<'_>) -> Option<String> {
    header.child(WSMAN, "Bookmark")?.children().next().map(|content| content.source().to_owned())
}

/// Parses a bookmark in Subscribe.
fn start(bookmark: Element<'_>) -> Result<Start, Fault> {
    if let Some(content) = bookmark.children().next() {
        return Ok(Start::Bookmark(content.source().to_owned()));
    }
    if bookmark.text().trim() == EARLIEST {
        return Ok(Start::Earliest);
    }
    let reason =
        format!("the Bookmark is empty or unknown; send one that the service has sent, or {EARLIEST}");
    Err(Fault::new(Subcode::InvalidBookmark, code::INVALID_BOOKMARK, reason)
        .with_detail(Detail::INVALID_FORMAT))
}

/// Body of the response to Subscribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeResponse {
    /// Identifier of the subscription.
    pub identifier: String,
    /// Duration of the subscription; `None`, which is zero on the wire, is unlimited.
    pub expires: Option<Duration>,
    /// Enumeration context for Pull; only in pull mode.
    pub context: Option<String>,
}

impl SubscribeResponse {
    /// Parses the body of the response; returns `None` for another element or without an identifier.
    #[must_use]
    pub fn parse(response: Element<'_>) -> Option<Self> {
        if !response.is(EVENTING, "SubscribeResponse") {
            return None;
        }
        let manager = response.child(EVENTING, "SubscriptionManager")?;
        // Windows uses both names interchangeably.
        let parameters = manager
            .child(ADDRESSING, "ReferenceProperties")
            .or_else(|| manager.child(ADDRESSING, "ReferenceParameters"))?;
        let identifier = parameters.child(EVENTING, "Identifier")?.text().trim().to_owned();
        let context = response.child(ENUMERATION, "EnumerationContext").map(|context| context.text());
        let context = context.map(|context| context.trim().to_owned());
        Some(Self {
            identifier: Some(identifier).filter(|identifier| !identifier.is_empty())?,
            expires: expires_of(response),
            context: context.filter(|context| !context.is_empty()),
        })
    }

    /// Writes the body of the response; `address` is the one the client used.
    pub fn write(&self, writer: &mut Writer, address: Option<&str>, resource: &ResourceUri) {
        writer.start("e:SubscribeResponse").start("e:SubscriptionManager");
        writer.element("a:Address", address.unwrap_or(ANONYMOUS));
        writer.start("a:ReferenceProperties").element("w:ResourceURI", resource.as_str());
        writer.element("e:Identifier", &self.identifier).end().end();
        write_expires(writer, self.expires);
        if let Some(context) = &self.context {
            writer.element("n:EnumerationContext", context);
        }
        writer.end();
    }
}

/// Parses the body of Renew; returns the requested duration.
///
/// # Errors
/// As [`Subscribe::parse`].
pub fn parse_renew(body: Element<'_>) -> Result<Option<Duration>, Fault> {
    require(body, "Renew")?;
    expires(body)
}

/// Writes the body of Renew.
pub fn write_renew(writer: &mut Writer, wanted: Option<Duration>) {
    writer.start("e:Renew").namespace("e", EVENTING);
    if let Some(wanted) = wanted {
        writer.element("e:Expires", &crate::duration::write(wanted));
    }
    writer.end();
}

/// Writes the body of GetStatus.
pub fn write_get_status(writer: &mut Writer) {
    writer.start("e:GetStatus").namespace("e", EVENTING).end_empty();
}

/// Writes the body of Unsubscribe.
pub fn write_unsubscribe(writer: &mut Writer) {
    writer.start("e:Unsubscribe").namespace("e", EVENTING).end_empty();
}

/// Writes the body of the answer to Renew or GetStatus: `e:RenewResponse`, `e:GetStatusResponse`.
pub fn write_status(writer: &mut Writer, name: &str, expires: Option<Duration>) {
    writer.start(name);
    write_expires(writer, expires);
    writer.end();
}

/// Returns the duration in the response to Subscribe, Renew or GetStatus; `None` is unlimited.
#[must_use]
pub fn expires_of(response: Element<'_>) -> Option<Duration> {
    let text = response.child(EVENTING, "Expires")?.text();
    crate::duration::parse(&text).ok().filter(|duration| !duration.is_zero())
}

/// Writes the item that reports dropped events (DSP0226 10.2.13).
pub fn write_dropped_events(writer: &mut Writer, count: u64) {
    writer.start("w:DroppedEvents").namespace("w", WSMAN).attribute("Action", DROPPED);
    writer.text(&count.to_string()).end();
}

/// Returns the number of dropped events, if the item reports them and is not an event.
#[must_use]
pub fn dropped_events(item: Element<'_>) -> Option<u64> {
    if item.is(WSMAN, "DroppedEvents") { item.text().trim().parse().ok() } else { None }
}

/// Writes an event within the element `w:Event` (DSP0226 10.2.9.4). The message must declare the prefix `w`.
pub fn write_event(writer: &mut Writer, content: EventContent<'_>) {
    let action = if matches!(content, EventContent::DroppedEvents(_)) { DROPPED } else { EVENT };
    writer.start("w:Event").attribute("Action", action);
    match content {
        EventContent::Text(text) => writer.cdata(text),
        EventContent::Markup(markup) | EventContent::DroppedEvents(markup) => writer.fragment(markup),
    };
    writer.end();
}

/// Content of an event.
#[derive(Clone, Copy, Debug)]
pub enum EventContent<'a> {
    /// Text, in a CDATA section if possible.
    Text(&'a str),
    /// Elements.
    Markup(&'a Fragment),
    /// Report of [`write_dropped_events`].
    DroppedEvents(&'a Fragment),
}

/// Kind of an item of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// Event within `w:Event`, written by [`write_event`].
    WrappedEvent,
    /// Report of dropped events, written by [`write_dropped_events`].
    DroppedEvents,
    /// Event without an element around it.
    Event,
}

impl ItemKind {
    /// Returns the kind of an item that this service has written, so that its beginning is known.
    #[must_use]
    pub fn of(item: &Fragment) -> Self {
        match item.as_str() {
            markup if markup.starts_with("<w:Event ") => Self::WrappedEvent,
            markup if markup.starts_with("<w:DroppedEvents ") => Self::DroppedEvents,
            _ => Self::Event,
        }
    }
}

const DROPPED: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/DroppedEvents";
const EVENT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Event";

fn write_expires(writer: &mut Writer, expires: Option<Duration>) {
    // Windows writes zero for an unlimited subscription.
    writer.element("e:Expires", &crate::duration::write(expires.unwrap_or_default()));
}

fn expires(body: Element<'_>) -> Result<Option<Duration>, Fault> {
    let Some(element) = body.child(EVENTING, "Expires") else { return Ok(None) };
    let text = element.text();
    let text = text.trim();
    match crate::duration::parse(text) {
        Ok(duration) if !duration.is_zero() => Ok(Some(duration)),
        Err(crate::duration::DurationError::Malformed) => Err(Fault::new(
            Subcode::EventingUnsupportedExpirationType,
            code::EVENTING_UNSUPPORTED_EXPIRATION_TYPE,
            format!(
                "invalid Expires \"{}\": use a duration such as PT600S, because dates are not supported",
                excerpt(text)
            ),
        )),
        _ => Err(Fault::new(
            Subcode::EventingInvalidExpirationTime,
            code::EVENTING_INVALID_EXPIRATION_TIME,
            "Expires must be a duration above zero",
        )),
    }
}

fn require(body: Element<'_>, name: &str) -> Result<(), Fault> {
    if body.is(EVENTING, name) {
        return Ok(());
    }
    Err(schema_error(format!("the body must contain a WS-Eventing {name} element, not {}", body.name())))
}

fn excerpt(text: &str) -> String {
    let visible = text.trim().replace(char::is_control, "\u{fffd}");
    visible.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    fn document(body: &str) -> Document {
        let text = format!(
            "<x xmlns:e='{EVENTING}' xmlns:n='{ENUMERATION}' xmlns:w='{WSMAN}' xmlns:a='{ADDRESSING}'>{body}</x>"
        );
        Document::parse(text, &Bounds::default()).expect("XML")
    }

    fn body(document: &Document) -> Element<'_> {
        document.root().children().next().expect("a body")
    }

    fn subscribe(content: &str) -> Result<Subscribe, Fault> {
        Subscribe::parse(body(&document(&format!("<e:Subscribe>{content}</e:Subscribe>"))))
    }

    #[test]
    fn the_default_delivery_mode_is_push() {
        let read = subscribe("<e:Delivery/>").expect("a body");
        assert_eq!((read.mode, read.expires, read.filter), (DeliveryMode::Push, None, None));
    }

    #[test]
    fn delivery_modes_are_parsed_and_unknown_ones_are_rejected() {
        for mode in DeliveryMode::ALL {
            let read = subscribe(&format!("<e:Delivery Mode=' {}'/>", mode.uri())).expect("a mode");
            assert_eq!(read.mode, mode);
        }
        let fault = subscribe("<e:Delivery Mode='urn:pigeon'/>").expect_err("unknown");
        assert_eq!(fault.subcode(), &Subcode::DeliveryModeRequestedUnavailable);
        assert_eq!(fault.code(), code::DELIVERY_MODE_UNAVAILABLE);
        assert!(fault.reason().contains("wsman/Pull"), "{fault}");
    }

    #[test]
    fn a_filter_is_accepted_in_both_namespaces() {
        for prefix in ["e", "w"] {
            let text = format!("<e:Delivery/><{prefix}:Filter Dialect='urn:q'> select </{prefix}:Filter>");
            let filter = subscribe(&text).expect("a body").filter.expect("a filter");
            assert_eq!((filter.dialect.as_str(), filter.text.as_str()), ("urn:q", "select"));
        }
    }

    #[test]
    fn an_invalid_expiration_is_rejected() {
        let ends = |text: &str| {
            subscribe(&format!("<e:Delivery/><e:Expires>{text}</e:Expires>")).map(|read| read.expires)
        };
        assert_eq!(ends(" PT10M "), Ok(Some(Duration::from_secs(600))));
        // Windows sends this for an unlimited subscription.
        assert!(ends("PT3961315881.184S").expect("a duration").is_some());
        for (text, subcode, code) in [
            ("PT0S", Subcode::EventingInvalidExpirationTime, code::EVENTING_INVALID_EXPIRATION_TIME),
            ("-PT1S", Subcode::EventingInvalidExpirationTime, code::EVENTING_INVALID_EXPIRATION_TIME),
            (
                "2030-01-01T00:00:00Z",
                Subcode::EventingUnsupportedExpirationType,
                code::EVENTING_UNSUPPORTED_EXPIRATION_TYPE,
            ),
        ] {
            let fault = ends(text).expect_err(text);
            assert_eq!((fault.subcode(), fault.code()), (&subcode, code), "{text}");
        }
    }

    #[test]
    fn other_elements_are_rejected() {
        for wrong in ["<e:Subscribe/>", "<e:Renew/>", "<n:Subscribe><e:Delivery/></n:Subscribe>"] {
            let fault = Subscribe::parse(body(&document(wrong))).expect_err(wrong);
            assert_eq!(fault.code(), code::SCHEMA_VALIDATION_ERROR, "{wrong}");
        }
    }

    #[test]
    fn a_subscribe_response_is_parsed_with_either_parameter_name() {
        for name in ["ReferenceProperties", "ReferenceParameters"] {
            let text = format!(
                "<e:SubscribeResponse><e:SubscriptionManager><a:Address>x</a:Address><a:{name}>\
                 <e:Identifier> 7 </e:Identifier></a:{name}></e:SubscriptionManager>\
                 <e:Expires>PT0.000S</e:Expires><n:EnumerationContext>uuid:8</n:EnumerationContext>\
                 </e:SubscribeResponse>"
            );
            let read = SubscribeResponse::parse(body(&document(&text))).expect("an answer");
            assert_eq!((read.identifier.as_str(), read.expires), ("7", None));
            assert_eq!(read.context.as_deref(), Some("uuid:8"));
        }
        let nameless = "<e:SubscribeResponse><e:SubscriptionManager/></e:SubscribeResponse>";
        assert_eq!(SubscribeResponse::parse(body(&document(nameless))), None);
    }

    #[test]
    fn the_kind_of_a_written_item_is_recognized() {
        let mut event = Writer::new();
        write_event(&mut event, EventContent::Text("<x/>"));
        let event = event.into_fragment();
        assert!(event.as_str().ends_with("><![CDATA[<x/>]]></w:Event>"), "{}", event.as_str());
        let mut dropped = Writer::new();
        write_dropped_events(&mut dropped, 3);
        let other = Fragment::written_elsewhere("<w:Events/>".to_owned());
        let kinds = [event, dropped.into_fragment(), other].map(|item| ItemKind::of(&item));
        assert_eq!(kinds, [ItemKind::WrappedEvent, ItemKind::DroppedEvents, ItemKind::Event]);
    }

    #[test]
    fn dropped_events_are_distinguished_from_events() {
        let mut writer = Writer::new();
        write_dropped_events(&mut writer, 12);
        let written = writer.finish();
        let written = Document::parse(written, &Bounds::default()).expect("XML");
        assert_eq!(dropped_events(written.root()), Some(12));
        assert_eq!(dropped_events(body(&document("<e:DroppedEvents>1</e:DroppedEvents>"))), None);
    }
}
