//! Answers of a collector, as an event source reads them.

use std::time::Duration;

use xml::{Document, Element};

use super::answer::ContentFormat;
use super::error::DeliveryError;
use super::names::{
    ACK, ADDRESSING, EARLIEST, ENUMERATE_RESPONSE, ENUMERATION, EVENT_QUERY, EVENTING, PULL_RESPONSE, SOAP,
    SUBSCRIPTION, WSMAN,
};
use super::settings::{Address, DeliverySettings};
use crate::QueryList;
use crate::event::BookmarkList;

/// Answer of a collector to an event source.
#[derive(Clone, Debug)]
pub enum CollectorAnswer {
    /// The collector has accepted a heartbeat, events, or the end of a subscription.
    Acknowledged,
    /// Subscriptions of the source.
    Subscriptions(OfferPage),
    /// The collector has rejected the message.
    Fault {
        /// Local name of the subcode, such as `DeliveryRefused`; empty without one.
        subcode: String,
        /// Explanation of the collector, at most 500 characters.
        reason: String,
    },
}

/// Part of the list of subscriptions.
#[derive(Clone, Debug, Default)]
pub struct OfferPage {
    /// Subscriptions in order. A subscription that cannot be used is an error, and the others are usable.
    pub offers: Vec<Result<OfferedSubscription, OfferError>>,
    /// Context of the next part; `None` at the end.
    pub context: Option<String>,
}

/// Reason why a source cannot use a subscription.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the subscription {name:?}: {reason}")]
pub struct OfferError {
    /// Name of the subscription; empty if it has none.
    pub name: String,
    /// Missing or wrong property.
    pub reason: String,
}

/// Subscription that a collector offers to a source.
#[derive(Clone, Debug)]
pub struct OfferedSubscription {
    /// Name for the log of the source.
    pub name: String,
    /// Identifier that changes with every property except the bookmark.
    pub version: String,
    /// Address for heartbeats and events.
    pub notify_to: Address,
    /// Address for the message at the end.
    pub end_to: Address,
    /// Events that the source sends.
    pub query: QueryList,
    /// Form of the content of events.
    pub content_format: ContentFormat,
    /// Form of events in messages.
    pub form: EventForm,
    /// Whether messages are compressed with SLDC.
    pub is_compressed: bool,
    /// Whether the subscription runs although the source cannot read some of its channels.
    pub ignores_channel_errors: bool,
    /// Maximum time between two messages.
    pub heartbeat: Duration,
    /// Maximum time that an event waits for others.
    pub max_latency: Duration,
    /// Maximum number of events of a message.
    pub max_items: Option<usize>,
    /// Maximum size of a message in bytes, before compression.
    pub max_envelope_size: usize,
    /// Time between attempts after a failure.
    pub retry_interval: Duration,
    /// Number of attempts after a failure.
    pub retries: u32,
    /// Position at which the source begins.
    pub start: Start,
}

/// Position at which a source begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With events that are logged from now on.
    Now,
    /// With the oldest event.
    Earliest,
    /// Behind the position that the collector has stored.
    Bookmark(BookmarkList),
}

/// Form of events in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventForm {
    /// Text in CDATA sections.
    CharacterData,
    /// Elements.
    Inline,
}

/// Maximum number of subscriptions of a page.
const MAX_OFFERS: usize = 1_024;
impl CollectorAnswer {
    /// Parses the answer to the message with this `a:MessageID`, without `uuid:`.
    ///
    /// # Errors
    /// [`DeliveryError`] if the text is not an answer of a collector, or answers another message.
    pub fn parse(text: &str, message_id: &str) -> Result<Self, DeliveryError> {
        let document = Document::parse(text, &xml::Bounds::default()).map_err(DeliveryError::Malformed)?;
        let root = document.root();
        if !root.is(SOAP, "Envelope") {
            return Err(DeliveryError::NotAnEnvelope("the root element is not a SOAP 1.2 envelope"));
        }
        let header = root.child(SOAP, "Header").ok_or(DeliveryError::MissingHeader("s:Header"))?;
        let body = root.child(SOAP, "Body").ok_or(DeliveryError::NotAnEnvelope("it has no body"))?;
        if let Some(fault) = body.child(SOAP, "Fault") {
            return Ok(read_fault(fault));
        }
        let related = header.child(ADDRESSING, "RelatesTo").map(|relates| relates.text().trim().to_owned());
        let expected = format!("uuid:{message_id}");
        if !related.is_some_and(|related| related.eq_ignore_ascii_case(&expected)) {
            return Err(DeliveryError::MissingHeader("a:RelatesTo of this message"));
        }
        let action = header.child(ADDRESSING, "Action").ok_or(DeliveryError::MissingHeader("a:Action"))?;
        match action.text().trim() {
            ACK => Ok(Self::Acknowledged),
            ENUMERATE_RESPONSE => {
                let response = body.child(ENUMERATION, "EnumerateResponse");
                let response = response.ok_or(DeliveryError::WrongBody("n:EnumerateResponse"))?;
                Ok(Self::Subscriptions(read_page(response, WSMAN)))
            }
            PULL_RESPONSE => {
                let response = body.child(ENUMERATION, "PullResponse");
                let response = response.ok_or(DeliveryError::WrongBody("n:PullResponse"))?;
                Ok(Self::Subscriptions(read_page(response, ENUMERATION)))
            }
            other => Err(DeliveryError::UnknownAction(other.chars().take(200).collect())),
        }
    }
}

fn read_fault(fault: Element<'_>) -> CollectorAnswer {
    let code = fault.child(SOAP, "Code");
    let subcode = code.and_then(|code| code.child(SOAP, "Subcode"));
    let value = subcode.and_then(|subcode| subcode.child(SOAP, "Value"));
    let value = value.map(|value| value.text().trim().to_owned()).unwrap_or_default();
    let reason = fault.child(SOAP, "Reason").and_then(|reason| reason.child(SOAP, "Text"));
    CollectorAnswer::Fault {
        subcode: value.rsplit(':').next().unwrap_or_default().chars().take(100).collect(),
        reason: reason.map(|text| text.text().trim().chars().take(500).collect()).unwrap_or_default(),
    }
}

fn read_page(response: Element<'_>, namespace: &str) -> OfferPage {
    let context = response.child(ENUMERATION, "EnumerationContext").map(|context| context.text());
    let context = context.map(|context| context.trim().to_owned());
    let is_last = [WSMAN, ENUMERATION].iter().any(|uri| response.child(uri, "EndOfSequence").is_some());
    let offers = response
        .child(namespace, "Items")
        .into_iter()
        .flat_map(|items| items.children())
        .filter(|item| item.is(SUBSCRIPTION, "Subscription"))
        .take(MAX_OFFERS)
        .map(read_offer);
    OfferPage { offers: offers.collect(), context: context.filter(|context| !is_last && !context.is_empty()) }
}

fn read_offer(item: Element<'_>) -> Result<OfferedSubscription, OfferError> {
    let envelope = item.child(SOAP, "Envelope");
    let header = envelope.and_then(|envelope| envelope.child(SOAP, "Header"));
    let options = header.and_then(|header| header.child(WSMAN, "OptionSet"));
    let name: String =
        text_option(options, "SubscriptionName").unwrap_or_default().chars().take(256).collect();
    read_named_offer(item, envelope, options, &name).map_err(|reason| OfferError { name, reason })
}

/// Returns the option with a name.
fn option<'a>(options: Option<Element<'a>>, name: &str) -> Option<Element<'a>> {
    let mut options = options?.children().filter(|option| option.is(WSMAN, "Option"));
    options.find(|option| option.attribute("", "Name").is_some_and(|found| found == name))
}

fn text_option(options: Option<Element<'_>>, name: &str) -> Option<String> {
    option(options, name).map(|option| option.text().trim().to_owned())
}

fn missing(part: &str) -> String {
    format!("{part} is missing")
}

fn read_named_offer(
    item: Element<'_>,
    envelope: Option<Element<'_>>,
    options: Option<Element<'_>>,
    name: &str,
) -> Result<OfferedSubscription, String> {
    let version = item.child(SUBSCRIPTION, "Version").map(|version| version.text().trim().to_owned());
    let version = version.filter(|version| !version.is_empty() && version.len() <= 256);
    let subscribe = envelope
        .and_then(|envelope| envelope.child(SOAP, "Body"))
        .and_then(|body| body.child(EVENTING, "Subscribe"))
        .ok_or_else(|| missing("e:Subscribe"))?;
    let delivery = DeliverySettings::parse(subscribe).map_err(|error| error.to_string())?;
    let filter = subscribe.child(WSMAN, "Filter").ok_or_else(|| missing("w:Filter"))?;
    if filter.attribute("", "Dialect").is_some_and(|dialect| dialect != EVENT_QUERY) {
        return Err("the dialect of the filter is not that of event queries".to_owned());
    }
    let query = filter.children().next().ok_or_else(|| missing("QueryList"))?;
    let query = QueryList::parse(query.source()).map_err(|error| error.to_string())?;
    let start = match subscribe.child(WSMAN, "Bookmark") {
        None if option(options, "ReadExistingEvents").is_some() => Start::Earliest,
        None => Start::Now,
        Some(bookmark) => match bookmark.children().next() {
            Some(list) => {
                Start::Bookmark(BookmarkList::parse(list.source()).map_err(|error| error.to_string())?)
            }
            None if bookmark.text().trim() == EARLIEST => Start::Earliest,
            None => Start::Now,
        },
    };
    Ok(OfferedSubscription {
        version: version.ok_or_else(|| missing("m:Version"))?,
        end_to: delivery.end_to.unwrap_or_else(|| delivery.notify_to.clone()),
        notify_to: delivery.notify_to,
        query,
        content_format: match text_option(options, "ContentFormat").as_deref() {
            Some("RenderedText") => ContentFormat::RenderedText,
            _ => ContentFormat::Raw,
        },
        form: if option(options, "CDATA").is_some() { EventForm::CharacterData } else { EventForm::Inline },
        is_compressed: text_option(options, "Compression")
            .is_some_and(|name| name.eq_ignore_ascii_case("SLDC")),
        ignores_channel_errors: option(options, "IgnoreChannelError").is_some(),
        heartbeat: delivery.heartbeat.unwrap_or(DEFAULT_HEARTBEAT),
        max_latency: delivery.max_latency.unwrap_or(DEFAULT_LATENCY),
        max_items: delivery.max_items,
        max_envelope_size: delivery.max_envelope_size,
        retry_interval: delivery.retry_interval,
        retries: delivery.retries,
        start,
        name: name.to_owned(),
    })
}

const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(900);
const DEFAULT_LATENCY: Duration = Duration::from_secs(900);
