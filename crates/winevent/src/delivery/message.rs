//! Messages of event sources.

use xml::Document;

use super::error::DeliveryError;
use super::head::Head;
use super::item::{self, DROPPED_EVENTS, Item};
use super::names::{
    END, ENUMERATE, ENUMERATION, EVENT, EVENTING, EVENTS, HEARTBEAT, PULL, SOAP, SUBSCRIPTION_END, WSMAN,
};

/// Message of an event source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'t> {
    /// Headers.
    pub head: Head,
    /// Content of the body.
    pub content: Content<'t>,
}

/// Content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'t> {
    /// The source requests its subscriptions.
    Enumerate,
    /// The source requests the rest of its subscriptions, with the context of the previous answer.
    Pull {
        /// `n:EnumerationContext`.
        context: String,
    },
    /// The source runs the subscription and has no new events.
    Heartbeat,
    /// New events.
    Events(Vec<Item<'t>>),
    /// The source has ended the subscription.
    SubscriptionEnd(EndStatus),
    /// The source does not need the answer to an operation any more; there is no answer.
    End,
}

/// Reason why a source has ended a subscription (WS-Eventing 3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndStatus {
    /// Last part of the status, such as `SourceShuttingDown`; empty if the source gives none.
    pub status: String,
    /// Explanation of the source, at most 500 characters.
    pub reason: String,
}

/// Limits of a message. The caller limits its size when it decompresses the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Number of events in one message.
    pub events: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { events: 100_000 }
    }
}

impl<'t> Message<'t> {
    /// Parses a message whose text contains only characters of XML, as returned by [`decode`](super::decode).
    ///
    /// # Errors
    /// [`DeliveryError`] if the headers are malformed, or if the body is not that of the action.
    pub fn parse(text: &'t str, bounds: &Bounds) -> Result<Self, DeliveryError> {
        let (before, prefix, body) = split_at_body(text)?;
        let list = List::find(body);
        // Nearly all messages are lists of events: then the headers are parsed together with the start of the list.
        let opened = list.as_ref().ok().and_then(|list| parse(&list.opened(text, prefix)).ok());
        let head = match &opened {
            Some(opened) => Head::read(opened)?,
            None => Head::read(&parse(&format!("{before}</{prefix}Envelope>"))?)?,
        };
        let content = match head.action.as_str() {
            HEARTBEAT => Content::Heartbeat,
            END => Content::End,
            EVENTS => Content::Events(events(text, prefix, list?, opened, bounds)?),
            // Deliveries of some sources have a list with one event.
            EVENT => Content::Events(match list {
                Ok(list) => events(text, prefix, list, opened, bounds)?,
                Err(_) => vec![item::single(body, EVENT)?],
            }),
            DROPPED_EVENTS => Content::Events(vec![item::single(body, DROPPED_EVENTS)?]),
            ENUMERATE => match body_of(&parse(text)?, ENUMERATION, "Enumerate") {
                true => Content::Enumerate,
                false => return Err(DeliveryError::WrongBody("n:Enumerate")),
            },
            PULL => Content::Pull { context: context(&parse(text)?)? },
            SUBSCRIPTION_END => Content::SubscriptionEnd(end_status(text)),
            other => return Err(DeliveryError::UnknownAction(other.chars().take(200).collect())),
        };
        Ok(Self { head, content })
    }
}

/// Splits an envelope before its body. Returns the part before it, the prefix of the envelope with the colon, and the
/// body with its start tag.
fn split_at_body(text: &str) -> Result<(&str, &str, &str), DeliveryError> {
    let mut rest = text.trim_start();
    if rest.starts_with("<?xml") {
        let (_, after) = item::split_tag(rest).ok_or(DeliveryError::NotAnEnvelope("it is not complete"))?;
        rest = after.trim_start();
    }
    let name = rest.strip_prefix('<').ok_or(DeliveryError::NotAnEnvelope("it is not XML"))?;
    let name = name.split([' ', '\t', '\n', '\r', '>', '/']).next().unwrap_or_default();
    let prefix = name
        .strip_suffix("Envelope")
        .filter(|prefix| prefix.is_empty() || prefix.ends_with(':'))
        .ok_or(DeliveryError::NotAnEnvelope("the root element is not an envelope"))?;
    let at = item::find_tag(text, &format!("<{prefix}Body"))
        .ok_or(DeliveryError::NotAnEnvelope("it has no body"))?;
    Ok((text.get(..at).unwrap_or_default(), prefix, text.get(at..).unwrap_or_default()))
}

/// Start of a list of events.
struct List<'t> {
    /// Name of the element with its prefix.
    name: &'t str,
    /// Prefix of the element with the colon.
    prefix: &'t str,
    is_empty: bool,
    /// Text behind the start tag.
    inside: &'t str,
}

impl<'t> List<'t> {
    /// Finds the list in a body.
    fn find(body: &'t str) -> Result<Self, DeliveryError> {
        let (tag, inside) = item::split_tag(body).ok_or(DeliveryError::Truncated)?;
        if tag.ends_with("/>") {
            return Err(WRONG);
        }
        let list = inside.trim_start();
        let (list_tag, inside) = item::split_tag(list).ok_or(DeliveryError::Truncated)?;
        let name = list_tag.trim_start_matches('<').trim_end_matches(['/', '>']);
        let name = name.split([' ', '\t', '\n', '\r']).next().unwrap_or_default();
        let prefix = name.strip_suffix("Events").ok_or(WRONG)?;
        Ok(Self { name, prefix, is_empty: list_tag.ends_with("/>"), inside })
    }

    /// Returns the envelope with an empty list, which can be parsed strictly.
    fn opened(&self, text: &str, prefix: &str) -> String {
        let start = text.len().saturating_sub(self.inside.len());
        let mut opened = text.get(..start).unwrap_or_default().to_owned();
        if !self.is_empty {
            opened += &format!("</{}>", self.name);
        }
        opened + &format!("</{prefix}Body></{prefix}Envelope>")
    }
}

const WRONG: DeliveryError = DeliveryError::WrongBody("w:Events");

/// Returns the events of a list. `opened` is the envelope with an empty list, if it is well-formed.
fn events<'t>(
    text: &str,
    prefix: &str,
    list: List<'t>,
    opened: Option<Document>,
    bounds: &Bounds,
) -> Result<Vec<Item<'t>>, DeliveryError> {
    // The namespace of the list is known after it was parsed.
    let opened = opened.map_or_else(|| parse(&list.opened(text, prefix)), Ok)?;
    if !body_of(&opened, WSMAN, "Events") {
        return Err(WRONG);
    }
    if list.is_empty { Ok(Vec::new()) } else { item::items(list.inside, list.prefix, bounds.events) }
}

/// Returns whether the body of an envelope contains an element.
fn body_of(envelope: &Document, namespace: &str, name: &str) -> bool {
    let body = envelope.root().child(SOAP, "Body");
    body.and_then(|body| body.child(namespace, name)).is_some()
}

fn context(envelope: &Document) -> Result<String, DeliveryError> {
    let body = envelope.root().child(SOAP, "Body");
    let pull = body.and_then(|body| body.child(ENUMERATION, "Pull"));
    let context = pull.and_then(|pull| pull.child(ENUMERATION, "EnumerationContext"));
    let context = context.ok_or(DeliveryError::WrongBody("n:EnumerationContext"))?;
    Ok(context.text().trim().chars().take(100).collect())
}

/// Returns the reason in a SubscriptionEnd message. The message ends the subscription even if its body is malformed.
fn end_status(text: &str) -> EndStatus {
    let Ok(envelope) = parse(text) else { return EndStatus::default() };
    let body = envelope.root().child(SOAP, "Body");
    let Some(end) = body.and_then(|body| body.child(EVENTING, "SubscriptionEnd")) else {
        return EndStatus::default();
    };
    let of = |name| end.child(EVENTING, name).map(|element| element.text().trim().to_owned());
    let status = of("Status").unwrap_or_default();
    let status = status.rsplit('/').next().unwrap_or_default().chars().take(100).collect();
    EndStatus { status, reason: of("Reason").unwrap_or_default().chars().take(500).collect() }
}

fn parse(text: &str) -> Result<Document, DeliveryError> {
    Document::parse(text, &xml::Bounds::default()).map_err(DeliveryError::Malformed)
}
