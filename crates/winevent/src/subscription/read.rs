//! Reads the XML of a subscription.

use std::borrow::Cow;

use xml::{Bounds, Document, Element};

use super::{
    ConfigurationMode, ContentFormat, CredentialsType, Delivery, DeliveryMode, EventSource, MAX_QUERY,
    MAX_SOURCES, MAX_TEXT, NAMESPACE, NonDomainSources, Password, SubjectPattern, Subscription,
    SubscriptionId, SubscriptionType, Thumbprint, TransportName,
};
use crate::error::{WinEventError, quote};
use crate::timestamp::Timestamp;

/// Subscription read from a file, and what was ignored in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The subscription.
    pub subscription: Subscription,
    /// Names of unknown elements, which were ignored, in the order of the file; long names are cut.
    pub ignored: Vec<String>,
}

/// Maximum number of names in [`Import::ignored`].
const MAX_IGNORED: usize = 100;

/// Maximum length of a setting other than the query in bytes.
const MAX_SETTING: usize = 64 << 10;

impl Subscription {
    /// Parses the XML of a subscription, as `wecutil cs` reads it. Elements may have any order; unknown ones
    /// are ignored and listed.
    ///
    /// # Errors
    /// [`WinEventError`] if the text is too long or not well-formed, if `SubscriptionId`, `SubscriptionType`
    /// or `Query` is missing, if an element appears twice, or if a value is invalid.
    pub fn parse(text: &str) -> Result<Import, WinEventError> {
        if text.len() > MAX_TEXT {
            return Err(WinEventError::Limit { bound: "bytes of a subscription", maximum: MAX_TEXT });
        }
        let bounds = Bounds { octets: MAX_TEXT, depth: 16, ..Bounds::default() };
        let document = Document::parse(text, &bounds)?;
        let root = document.root();
        if !root.is(NAMESPACE, "Subscription") {
            return Err(WinEventError::WrongRoot {
                expected: "Subscription of the namespace of event subscriptions",
                found: quote(root.name()),
            });
        }
        let mut ignored = Vec::new();
        for child in root.children() {
            let is_known = child.namespace() == NAMESPACE && KNOWN.contains(&child.name());
            if !is_known && ignored.len() < MAX_IGNORED {
                ignored.push(quote(child.name()));
            }
        }
        Ok(Import { subscription: read(root)?, ignored })
    }
}

/// Names of the children of the root element.
const KNOWN: [&str; 23] = [
    "SubscriptionId",
    "SubscriptionType",
    "Description",
    "Enabled",
    "Uri",
    "ConfigurationMode",
    "Delivery",
    "Expires",
    "Query",
    "Dialect",
    "ReadExistingEvents",
    "TransportName",
    "TransportPort",
    "ContentFormat",
    "Locale",
    "LogFile",
    "PublisherName",
    "CredentialsType",
    "CommonUserName",
    "CommonPassword",
    "EventSources",
    "AllowedSourceNonDomainComputers",
    "AllowedSourceDomainComputers",
];

fn read(root: Element<'_>) -> Result<Subscription, WinEventError> {
    let id = SubscriptionId::parse(&required(root, "SubscriptionId")?)?;
    let kind = SubscriptionType::parse(&required(root, "SubscriptionType")?)?;
    let query = child(root, "Query")?.map(|query| query.text()).unwrap_or_default();
    if query.trim().is_empty() {
        return Err(WinEventError::Missing { field: "Query" });
    }
    if query.len() > MAX_QUERY {
        return Err(WinEventError::Limit { bound: "bytes of a query", maximum: MAX_QUERY });
    }
    let mut subscription = Subscription::new(id, kind, query.into_owned());
    if let Some(description) = child(root, "Description")? {
        subscription.description = setting("Description", description)?.into_owned();
    }
    if let Some(enabled) = optional(root, "Enabled")? {
        subscription.enabled = boolean("Enabled", &enabled)?;
    }
    if let Some(mode) = optional(root, "ConfigurationMode")? {
        subscription.mode = ConfigurationMode::parse(&mode)?;
    }
    if let Some(delivery) = child(root, "Delivery")? {
        subscription.delivery = read_delivery(delivery, subscription.delivery.mode)?;
    }
    if let Some(expires) = optional(root, "Expires")? {
        subscription.expires = Some(Timestamp::parse(&expires)?);
    }
    if let Some(existing) = optional(root, "ReadExistingEvents")? {
        subscription.read_existing_events = boolean("ReadExistingEvents", &existing)?;
    }
    if let Some(transport) = optional(root, "TransportName")? {
        subscription.transport = TransportName::parse(&transport)?;
    }
    if let Some(port) = optional(root, "TransportPort")? {
        let wrong = || WinEventError::value("TransportPort", &port, "a port from 1 to 65535");
        subscription.transport_port = Some(port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?);
    }
    if let Some(format) = optional(root, "ContentFormat")? {
        subscription.content_format = ContentFormat::parse(&format)?;
    }
    if let Some(locale) = child(root, "Locale")? {
        let language = locale.attribute("", "Language").unwrap_or_default();
        let language = language.trim();
        let is_tag = language.len() <= 85
            && language.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_tag {
            return Err(WinEventError::value("Language", language, "a language such as en-US"));
        }
        subscription.locale = (!language.is_empty()).then(|| language.to_owned());
    }
    read_names(root, &mut subscription)?;
    read_sources(root, &mut subscription)?;
    Ok(subscription)
}

/// Reads settings that are plain names.
fn read_names(root: Element<'_>, subscription: &mut Subscription) -> Result<(), WinEventError> {
    if let Some(uri) = optional(root, "Uri")? {
        subscription.uri = uri;
    }
    if let Some(dialect) = optional(root, "Dialect")? {
        subscription.dialect = dialect;
    }
    if let Some(log_file) = optional(root, "LogFile")? {
        subscription.log_file = log_file;
    }
    subscription.publisher = optional(root, "PublisherName")?;
    if let Some(sddl) = optional(root, "AllowedSourceDomainComputers")? {
        subscription.domain_sources = sddl;
    }
    Ok(())
}

fn read_delivery(element: Element<'_>, default: DeliveryMode) -> Result<Delivery, WinEventError> {
    let mut delivery = Delivery { mode: default, ..Delivery::default() };
    if let Some(mode) = element.attribute("", "Mode") {
        delivery.mode = DeliveryMode::parse(&mode)?;
    }
    if let Some(batching) = child(element, "Batching")? {
        if let Some(items) = optional(batching, "MaxItems")? {
            delivery.max_items = Some(number("MaxItems", &items)?);
        }
        if let Some(latency) = optional(batching, "MaxLatencyTime")? {
            delivery.max_latency = Some(number("MaxLatencyTime", &latency)?);
        }
    }
    if let Some(push) = child(element, "PushSettings")? {
        delivery.host_name = optional(push, "HostName")?;
        if let Some(heartbeat) = child(push, "Heartbeat")? {
            let interval = heartbeat.attribute("", "Interval").unwrap_or_default();
            delivery.heartbeat = Some(number("Interval", interval.trim())?);
        }
    }
    Ok(delivery)
}

fn read_sources(root: Element<'_>, subscription: &mut Subscription) -> Result<(), WinEventError> {
    if let Some(credentials) = optional(root, "CredentialsType")? {
        subscription.credentials = CredentialsType::parse(&credentials)?;
    }
    subscription.common_user_name = user_name(root, "CommonUserName")?;
    subscription.common_password = password(root, "CommonPassword")?;
    if let Some(sources) = child(root, "EventSources")? {
        for source in listed(sources, "EventSource")? {
            let mut read = EventSource::new(&required(source, "Address")?)?;
            if let Some(enabled) = source.attribute("", "Enabled") {
                read.enabled = boolean("Enabled", enabled.trim())?;
            }
            read.user_name = user_name(source, "UserName")?;
            read.password = password(source, "Password")?;
            subscription.sources.push(read);
        }
    }
    let Some(rules) = child(root, "AllowedSourceNonDomainComputers")? else { return Ok(()) };
    let NonDomainSources { issuers, allowed, denied } = &mut subscription.non_domain_sources;
    if let Some(list) = child(rules, "AllowedIssuerCAList")? {
        for issuer in listed(list, "IssuerCA")? {
            issuers.push(Thumbprint::parse(&setting("IssuerCA", issuer)?)?);
        }
    }
    for (name, patterns) in [("AllowedSubjectList", allowed), ("DeniedSubjectList", denied)] {
        if let Some(list) = child(rules, name)? {
            for subject in listed(list, "Subject")? {
                patterns.push(SubjectPattern::parse(&setting("Subject", subject)?)?);
            }
        }
    }
    Ok(())
}

/// Returns a user name; `None` if it is missing or empty.
fn user_name(parent: Element<'_>, name: &'static str) -> Result<Option<String>, WinEventError> {
    let found = optional(parent, name)?;
    found.map(|found| EventSource::parse_user_name(name, &found)).transpose()
}

fn password(parent: Element<'_>, name: &'static str) -> Result<Option<Password>, WinEventError> {
    let Some(element) = child(parent, name)? else { return Ok(None) };
    let text = element.text();
    if text.len() > Password::MAX {
        // The value itself is not part of the error.
        return Err(WinEventError::Limit { bound: "bytes of a password", maximum: Password::MAX });
    }
    Ok(Some(Password::new(text.into_owned())))
}

/// Returns the only child of this name.
fn child<'d>(parent: Element<'d>, name: &'static str) -> Result<Option<Element<'d>>, WinEventError> {
    let mut found = parent.children().filter(|child| child.is(NAMESPACE, name));
    let first = found.next();
    if found.next().is_some() {
        return Err(WinEventError::Duplicate { field: name });
    }
    Ok(first)
}

/// Returns the children of this name, which are at most [`MAX_SOURCES`].
fn listed<'d>(parent: Element<'d>, name: &'static str) -> Result<Vec<Element<'d>>, WinEventError> {
    let found: Vec<_> =
        parent.children().filter(|child| child.is(NAMESPACE, name)).take(MAX_SOURCES + 1).collect();
    if found.len() > MAX_SOURCES {
        return Err(WinEventError::Limit { bound: "sources of a subscription", maximum: MAX_SOURCES });
    }
    Ok(found)
}

fn setting<'d>(field: &'static str, element: Element<'d>) -> Result<Cow<'d, str>, WinEventError> {
    let text = element.text();
    if text.len() > MAX_SETTING {
        let expected = "at most 65536 bytes";
        return Err(WinEventError::value(field, &text, expected));
    }
    Ok(text)
}

/// Returns the trimmed text of a child; `None` if the child is missing or empty.
fn optional(parent: Element<'_>, name: &'static str) -> Result<Option<String>, WinEventError> {
    let Some(element) = child(parent, name)? else { return Ok(None) };
    let text = setting(name, element)?;
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn required(parent: Element<'_>, name: &'static str) -> Result<String, WinEventError> {
    optional(parent, name)?.ok_or(WinEventError::Missing { field: name })
}

/// Parses a Boolean of XML Schema, in any case as `wecutil` accepts it.
fn boolean(field: &'static str, text: &str) -> Result<bool, WinEventError> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(WinEventError::value(field, text, "true or false")),
    }
}

fn number(field: &'static str, text: &str) -> Result<u32, WinEventError> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| WinEventError::value(field, text, "a number from 1 to 4294967295"))
}
