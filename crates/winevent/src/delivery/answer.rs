//! Answers of the collector.

use std::time::Duration;

use xml::{Fragment, Writer};

use super::names::{
    ACK, ADDRESSING, ANONYMOUS, AUTHENTICATION, DELIVERY_MODE_EVENTS, EARLIEST, ENUMERATE_RESPONSE,
    ENUMERATION, EVENT_LOG, EVENT_QUERY, EVENTING, MICROSOFT, POLICY, PROFILE_CERTIFICATE, PROFILE_KERBEROS,
    PROFILE_KERBEROS_TLS, PULL_RESPONSE, SOAP, SUBSCRIBE, SUBSCRIPTION, WSMAN, XSI,
};

/// Headers of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// `a:MessageID` of the request.
    pub relates_to: &'a str,
    /// `p:OperationID` of the request, which Windows repeats.
    pub operation_id: Option<&'a str>,
    /// UUID of the answer, without `uuid:`.
    pub message_id: &'a str,
}

/// Subscription as it is offered to one source.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// Name that the source shows in its log.
    pub name: &'a str,
    /// URL for deliveries, with the scheme, host and port by which the source reaches the collector.
    pub address: &'a str,
    /// Query list as XML; must be well-formed.
    pub query: &'a str,
    /// Form of the events.
    pub content_format: ContentFormat,
    /// Whether the source also sends events from before its first subscription.
    pub reads_existing: bool,
    /// Maximum time between two deliveries without events.
    pub heartbeat: Duration,
    /// Maximum time that events wait at the source.
    pub max_latency: Duration,
    /// Maximum number of events in a delivery.
    pub max_items: Option<u32>,
    /// Maximum size of a delivery in bytes.
    pub max_envelope_size: u32,
    /// Language of rendered texts, and of numbers and dates in them.
    pub locale: &'a str,
    /// Position after which the source begins, as XML; must be well-formed.
    pub bookmark: Option<&'a str>,
    /// Authentication of deliveries.
    pub proof: ClientProof,
}

/// Form in which a source sends events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentFormat {
    /// Events without texts for people (`Events` in subscription files).
    Raw,
    /// Events with texts for people (`RenderingInfo`).
    RenderedText,
}

/// Proof by which a source authenticates its deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// Kerberos over HTTP.
    Kerberos,
    /// Kerberos over HTTPS.
    KerberosOverTls,
    /// Client certificate, directly issued by the authority with this SHA-1 thumbprint.
    Certificate {
        /// Thumbprint of the authority's certificate.
        issuer: [u8; 20],
    },
}

impl Offer<'_> {
    /// Returns the item of an Enumerate response. Each item needs two UUIDs of its own.
    #[must_use]
    pub fn item(&self, ids: &OfferIds<'_>) -> Fragment {
        let mut writer = Writer::with_capacity(4_096 + self.query.len());
        writer.start("m:Subscription").namespace("m", SUBSCRIPTION);
        writer.start("m:Version").text("uuid:").text(ids.version).end();
        writer.start("s:Envelope");
        for (prefix, uri) in [
            ("s", SOAP),
            ("a", ADDRESSING),
            ("e", EVENTING),
            ("n", ENUMERATION),
            ("w", WSMAN),
            ("p", MICROSOFT),
        ] {
            writer.namespace(prefix, uri);
        }
        self.write_header(&mut writer, ids);
        writer.start("s:Body").start("e:Subscribe");
        writer.start("e:EndTo");
        self.write_endpoint(&mut writer, ids);
        writer.end();
        self.write_delivery(&mut writer, ids);
        writer.start("w:Filter").attribute("Dialect", EVENT_QUERY);
        writer.fragment(&Fragment::written_elsewhere(self.query.to_owned())).end();
        match self.bookmark {
            Some(bookmark) => {
                writer.start("w:Bookmark");
                writer.fragment(&Fragment::written_elsewhere(bookmark.to_owned())).end();
            }
            None if self.reads_existing => {
                writer.element("w:Bookmark", EARLIEST);
            }
            None => {}
        }
        writer.start("w:SendBookmarks").end_empty();
        writer.end().end().end().end();
        writer.into_fragment()
    }

    fn write_header(&self, writer: &mut Writer, ids: &OfferIds<'_>) {
        writer.start("s:Header");
        writer.element("a:To", ANONYMOUS);
        writer.start("w:ResourceURI").attribute("s:mustUnderstand", "true").text(EVENT_LOG).end();
        writer.start("a:ReplyTo").start("a:Address").attribute("s:mustUnderstand", "true");
        writer.text(ANONYMOUS).end().end();
        writer.start("a:Action").attribute("s:mustUnderstand", "true").text(SUBSCRIBE).end();
        let size = self.max_envelope_size.to_string();
        writer.start("w:MaxEnvelopeSize").attribute("s:mustUnderstand", "true").text(&size).end();
        writer.start("a:MessageID").text("uuid:").text(ids.message_id).end();
        self.write_locale(writer);
        writer.start("p:OperationID").attribute("s:mustUnderstand", "false");
        writer.text("uuid:").text(ids.operation_id).end();
        writer.start("p:SequenceId").attribute("s:mustUnderstand", "false").text("1").end();
        writer.start("w:OptionSet").namespace("xsi", XSI);
        option(writer, "SubscriptionName", Some(self.name));
        option(writer, "Compression", Some("SLDC"));
        option(writer, "CDATA", None);
        let format = match self.content_format {
            ContentFormat::Raw => "Raw",
            ContentFormat::RenderedText => "RenderedText",
        };
        option(writer, "ContentFormat", Some(format));
        option(writer, "IgnoreChannelError", None);
        if self.reads_existing {
            option(writer, "ReadExistingEvents", None);
        }
        writer.end().end();
    }

    fn write_locale(&self, writer: &mut Writer) {
        for name in ["w:Locale", "p:DataLocale"] {
            writer.start(name).attribute("xml:lang", self.locale);
            writer.attribute("s:mustUnderstand", "false").end_empty();
        }
    }

    /// Writes the content of an endpoint reference. The source repeats the identifier in every delivery.
    fn write_endpoint(&self, writer: &mut Writer, ids: &OfferIds<'_>) {
        writer.element("a:Address", self.address);
        writer.start("a:ReferenceProperties").element("e:Identifier", ids.version).end();
    }

    fn write_delivery(&self, writer: &mut Writer, ids: &OfferIds<'_>) {
        writer.start("e:Delivery").attribute("Mode", DELIVERY_MODE_EVENTS);
        writer.element("w:Heartbeats", &seconds(self.heartbeat));
        writer.start("e:NotifyTo");
        self.write_endpoint(writer, ids);
        writer.start("c:Policy").namespace("c", POLICY).namespace("auth", AUTHENTICATION);
        writer.start("c:ExactlyOne").start("c:All").start("auth:Authentication");
        match &self.proof {
            ClientProof::Kerberos => writer.attribute("Profile", PROFILE_KERBEROS).end_empty(),
            ClientProof::KerberosOverTls => writer.attribute("Profile", PROFILE_KERBEROS_TLS).end_empty(),
            ClientProof::Certificate { issuer } => {
                let thumbprint: String = issuer.iter().map(|byte| format!("{byte:02x}")).collect();
                writer.attribute("Profile", PROFILE_CERTIFICATE).start("auth:ClientCertificate");
                writer.start("auth:Thumbprint").attribute("Role", "issuer").text(&thumbprint).end();
                writer.end().end()
            }
        };
        writer.end().end().end().end();
        writer.start("w:ConnectionRetry").attribute("Total", "5").text("PT60.0S").end();
        if let Some(items) = self.max_items {
            writer.element("w:MaxElements", &items.to_string());
        }
        writer.element("w:MaxTime", &seconds(self.max_latency));
        let size = self.max_envelope_size.to_string();
        writer.start("w:MaxEnvelopeSize").attribute("Policy", "Notify").text(&size).end();
        self.write_locale(writer);
        writer.element("w:ContentEncoding", "UTF-16");
        writer.end();
    }
}

/// Identifiers in an [`Offer`].
#[derive(Clone, Copy, Debug)]
pub struct OfferIds<'a> {
    /// UUID that changes with everything that the source can see, except for the bookmark.
    pub version: &'a str,
    /// New UUID.
    pub message_id: &'a str,
    /// New UUID.
    pub operation_id: &'a str,
}

/// Returns the acknowledgement of a heartbeat, of events, or of the end of a subscription.
#[must_use]
pub fn acknowledge(answer: &Answer<'_>) -> String {
    let mut writer = begin(answer, ACK);
    writer.start("s:Body").end_empty();
    writer.finish()
}

/// Returns the response to Enumerate, or to Pull.
///
/// `context` is that of the rest, for the next Pull; the end of the list has none.
#[must_use]
pub fn enumerate_response(
    answer: &Answer<'_>,
    page: Page,
    items: &[Fragment],
    context: Option<&str>,
) -> String {
    let mut writer = match page {
        Page::First => begin(answer, ENUMERATE_RESPONSE),
        Page::Next => begin(answer, PULL_RESPONSE),
    };
    writer.start("s:Body");
    let name = match page {
        Page::First => "n:EnumerateResponse",
        Page::Next => "n:PullResponse",
    };
    writer.start(name).namespace("n", ENUMERATION);
    if page == Page::First || context.is_some() {
        writer.start("n:EnumerationContext").text(context.unwrap_or_default()).end();
    }
    let (list, end) = match page {
        Page::First => ("w:Items", "w:EndOfSequence"),
        Page::Next => ("n:Items", "n:EndOfSequence"),
    };
    writer.start(list);
    for item in items {
        writer.fragment(item);
    }
    writer.end();
    if context.is_none() {
        writer.start(end).end_empty();
    }
    writer.end().end();
    writer.finish()
}

/// Part of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Response to Enumerate.
    First,
    /// Response to Pull.
    Next,
}

/// Starts an answer, with the headers in the order of Windows.
fn begin(answer: &Answer<'_>, action: &str) -> Writer {
    let mut writer = Writer::with_capacity(2_048);
    writer.start("s:Envelope").attribute("xml:lang", "en-US");
    for (prefix, uri) in [("s", SOAP), ("a", ADDRESSING), ("w", WSMAN), ("p", MICROSOFT)] {
        writer.namespace(prefix, uri);
    }
    writer.start("s:Header");
    writer.element("a:Action", action);
    writer.start("a:MessageID").text("uuid:").text(answer.message_id).end();
    if let Some(operation) = answer.operation_id {
        writer.start("p:OperationID").attribute("s:mustUnderstand", "false").text(operation).end();
        writer.start("p:SequenceId").attribute("s:mustUnderstand", "false").text("1").end();
    }
    writer.element("a:To", ANONYMOUS);
    writer.element("a:RelatesTo", answer.relates_to).end();
    writer
}

/// Returns a duration in the form that Windows uses.
fn seconds(duration: Duration) -> String {
    format!("PT{}.{:03}S", duration.as_secs(), duration.subsec_millis())
}

/// Writes an option of the subscription; `None` is an option without value.
fn option(writer: &mut Writer, name: &str, value: Option<&str>) {
    writer.start("w:Option").attribute("Name", name);
    match value {
        Some(value) => writer.text(value).end(),
        None => writer.attribute("xsi:nil", "true").end_empty(),
    };
}
