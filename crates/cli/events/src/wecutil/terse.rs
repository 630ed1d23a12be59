//! Settings of a subscription as lines of names and values (`gs`).

use std::fmt::{Display, Write as _};

use winevent::Subscription;

/// Returns the settings in the order of Windows. Delivery settings are those in effect.
pub(super) fn text(subscription: &Subscription) -> String {
    let mut text = String::new();
    let timing = subscription.timing();
    let rules = &subscription.non_domain_sources;
    let mut line = |name: &str, value: &dyn Display| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    };
    line("Subscription Id", &subscription.id);
    line("SubscriptionType", &subscription.kind);
    line("Description", &subscription.description);
    line("Enabled", &subscription.enabled);
    line("Uri", &subscription.uri);
    line("ConfigurationMode", &subscription.mode);
    line("DeliveryMode", &subscription.delivery.mode);
    if let Some(items) = timing.max_items {
        line("DeliveryMaxItems", &items);
    }
    line("DeliveryMaxLatencyTime", &timing.max_latency);
    line("HeartbeatInterval", &timing.heartbeat);
    if let Some(expires) = subscription.expires {
        line("Expires", &expires);
    }
    line("Query", &subscription.query);
    line("ReadExistingEvents", &subscription.read_existing_events);
    line("TransportName", &subscription.transport);
    if let Some(port) = subscription.transport_port {
        line("TransportPort", &port);
    }
    line("ContentFormat", &subscription.content_format);
    line("Locale", &subscription.locale.as_deref().unwrap_or_default());
    line("LogFile", &subscription.log_file);
    line("PublisherName", &subscription.publisher.as_deref().unwrap_or_default());
    line("AllowedIssuerCAList", &joined(&rules.issuers));
    line("AllowedSubjectList", &joined(rules.allowed.iter().map(|pattern| pattern.as_str())));
    line("DeniedSubjectList", &joined(rules.denied.iter().map(|pattern| pattern.as_str())));
    line("AllowedSourceDomainComputers", &subscription.domain_sources);
    for (index, source) in subscription.sources.iter().enumerate() {
        let (address, enabled) = (&source.address, source.enabled);
        let _ = writeln!(text, "\nEventSource[{index}]:\n\tAddress: {address}\n\tEnabled: {enabled}");
    }
    text
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}
