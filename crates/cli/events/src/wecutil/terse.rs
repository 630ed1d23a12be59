//! Settings of a subscription as lines of names and values (`gs`).

use std::fmt::{Display, Write as _};

use winevent::Subscription;
use winevent::subscription::{DeliveryMode, SubjectPattern, SubscriptionType};

/// Returns the settings in the order of Windows, without passwords. Delivery settings are those in effect, with the
/// direction `mode`.
pub(super) fn text(subscription: &Subscription, mode: DeliveryMode) -> String {
    let mut text = String::new();
    let timing = subscription.timing();
    let rules = &subscription.non_domain_sources;
    let out = &mut text;
    line(out, "Subscription Id", &subscription.id);
    line(out, "SubscriptionType", &subscription.kind);
    line(out, "Description", &subscription.description);
    line(out, "Enabled", &subscription.enabled);
    line(out, "Uri", &subscription.uri);
    line(out, "ConfigurationMode", &subscription.mode);
    line(out, "DeliveryMode", &mode);
    if let Some(items) = timing.max_items {
        line(out, "DeliveryMaxItems", &items);
    }
    line(out, "DeliveryMaxLatencyTime", &timing.max_latency);
    line(out, "HeartbeatInterval", &timing.heartbeat);
    if let Some(expires) = subscription.expires {
        line(out, "Expires", &expires);
    }
    line(out, "Query", &subscription.query);
    line(out, "ReadExistingEvents", &subscription.read_existing_events);
    line(out, "TransportName", &subscription.transport);
    if let Some(port) = subscription.transport_port {
        line(out, "TransportPort", &port);
    }
    line(out, "ContentFormat", &subscription.content_format);
    line(out, "Locale", &subscription.locale.as_deref().unwrap_or_default());
    line(out, "LogFile", &subscription.log_file);
    line(out, "PublisherName", &subscription.publisher.as_deref().unwrap_or_default());
    if subscription.kind == SubscriptionType::CollectorInitiated {
        line(out, "CredentialsType", &subscription.credentials);
        line(out, "CommonUserName", &subscription.common_user_name.as_deref().unwrap_or_default());
    } else {
        line(out, "AllowedIssuerCAList", &joined(&rules.issuers));
        line(out, "AllowedSubjectList", &joined(rules.allowed.iter().map(SubjectPattern::as_str)));
        line(out, "DeniedSubjectList", &joined(rules.denied.iter().map(SubjectPattern::as_str)));
        line(out, "AllowedSourceDomainComputers", &subscription.domain_sources);
    }
    for (index, source) in subscription.sources.iter().enumerate() {
        let (address, enabled) = (&source.address, source.enabled);
        let _ = writeln!(text, "\nEventSource[{index}]:\n\tAddress: {address}\n\tEnabled: {enabled}");
        if let Some(user) = &source.user_name {
            let _ = writeln!(text, "\tUserName: {user}");
        }
    }
    text
}

fn line(text: &mut String, name: &str, value: &dyn Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name}: {value}");
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}
