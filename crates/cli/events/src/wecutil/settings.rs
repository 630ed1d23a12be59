//! Options of `ss`: settings of a subscription.

use winevent::subscription::{
    ConfigurationMode, ContentFormat, DeliveryMode, SubjectPattern, Thumbprint, TransportName,
};
use winevent::{Subscription, Timestamp, WinEventError};

use super::error::ToolError;
use crate::windows_options::{UsageError, Words};

/// Changes the settings that options name.
pub(super) fn apply(words: &Words, subscription: &mut Subscription) -> Result<(), ToolError> {
    apply_general(words, subscription)?;
    apply_content(words, subscription)?;
    apply_delivery(words, subscription)?;
    apply_sources(words, subscription)
}

fn apply_general(words: &Words, subscription: &mut Subscription) -> Result<(), ToolError> {
    if let Some(enabled) = words.switch("e")? {
        subscription.enabled = enabled;
    }
    if let Some(description) = words.text("d") {
        description.clone_into(&mut subscription.description);
    }
    if let Some(expires) = words.text("ex") {
        // An empty time removes it.
        subscription.expires = match expires {
            "" => None,
            _ => words.parsed("ex", Timestamp::parse)?,
        };
    }
    if let Some(uri) = required(words, "uri")? {
        subscription.uri = uri;
    }
    if let Some(log) = required(words, "lf")? {
        subscription.log_file = log;
    }
    if let Some(publisher) = words.text("pn") {
        subscription.publisher = (!publisher.is_empty()).then(|| publisher.to_owned());
    }
    Ok(())
}

fn apply_content(words: &Words, subscription: &mut Subscription) -> Result<(), ToolError> {
    if let Some(query) = required(words, "q")? {
        subscription.query = query;
    }
    if let Some(dialect) = required(words, "dia")? {
        subscription.dialect = dialect;
    }
    if let Some(existing) = words.switch("ree")? {
        subscription.read_existing_events = existing;
    }
    if let Some(format) = words.parsed("cf", ContentFormat::parse)? {
        subscription.content_format = format;
    }
    if let Some(locale) = words.text("l") {
        if subscription.content_format != ContentFormat::RenderedText {
            let problem = "Option l is only valid with the content format RenderedText.";
            return Err(UsageError(problem.to_owned()).into());
        }
        subscription.locale = (!locale.is_empty()).then(|| locale.to_owned());
    }
    Ok(())
}

fn apply_delivery(words: &Words, subscription: &mut Subscription) -> Result<(), ToolError> {
    if let Some(mode) = words.parsed("cm", ConfigurationMode::parse)? {
        subscription.mode = mode;
    }
    let custom = ["dm", "dmi", "dmlt", "hi"].into_iter().find(|name| words.text(name).is_some());
    if let Some(name) = custom.filter(|_| subscription.mode != ConfigurationMode::Custom) {
        let problem = format!("Option {name} is only valid with the configuration mode Custom (/cm:Custom).");
        return Err(UsageError(problem).into());
    }
    let delivery = &mut subscription.delivery;
    if let Some(mode) = words.parsed("dm", DeliveryMode::parse)? {
        delivery.mode = mode;
    }
    for (name, setting) in [
        ("dmi", &mut delivery.max_items),
        ("dmlt", &mut delivery.max_latency),
        ("hi", &mut delivery.heartbeat),
    ] {
        if let Some(number) = words.parsed(name, positive)? {
            *setting = Some(number);
        }
    }
    if let Some(name) = words.text("hn") {
        delivery.host_name = (!name.is_empty()).then(|| name.to_owned());
    }
    if let Some(transport) = words.parsed("tn", TransportName::parse)? {
        subscription.transport = transport;
    }
    if let Some(port) = words.parsed("tp", str::parse::<std::num::NonZeroU16>)? {
        subscription.transport_port = Some(port.get());
    }
    Ok(())
}

fn apply_sources(words: &Words, subscription: &mut Subscription) -> Result<(), ToolError> {
    let rules = &mut subscription.non_domain_sources;
    if let Some(issuers) = words.parsed("ica", |text| listed(text, Thumbprint::parse))? {
        rules.issuers = issuers;
    }
    if let Some(allowed) = words.parsed("as", |text| listed(text, SubjectPattern::parse))? {
        rules.allowed = allowed;
    }
    if let Some(denied) = words.parsed("ds", |text| listed(text, SubjectPattern::parse))? {
        rules.denied = denied;
    }
    if let Some(descriptor) = required(words, "adc")? {
        subscription.domain_sources = descriptor;
    }
    Ok(())
}

/// Returns the value of an option that must not be empty.
fn required(words: &Words, name: &str) -> Result<Option<String>, UsageError> {
    match words.text(name).map(str::trim) {
        Some("") => Err(UsageError::value(name, "it is empty")),
        value => Ok(value.map(str::to_owned)),
    }
}

fn positive(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("expected a number from 1 to 4294967295")
}

/// Parses a list with commas; an empty text is an empty list.
fn listed<T>(text: &str, parse: fn(&str) -> Result<T, WinEventError>) -> Result<Vec<T>, WinEventError> {
    text.split(',').filter(|item| !item.trim().is_empty()).map(parse).collect()
}
