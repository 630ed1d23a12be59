//! Writes the XML of a subscription.

use xml::Writer;

use super::{EventSource, NAMESPACE, Subscription, SubscriptionType};

impl Subscription {
    /// Returns the XML of the subscription, as `wecutil gs /f:xml` prints it and `wecutil cs` reads it, without
    /// passwords.
    ///
    /// Settings that count for the other [`SubscriptionType`] only are omitted if they have their defaults.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut writer = Writer::with_capacity(2_048 + self.query.len());
        let w = &mut writer;
        w.start("Subscription").namespace("", NAMESPACE);
        self.write_settings(w);
        if self.kind == SubscriptionType::CollectorInitiated || !self.sources.is_empty() {
            line(w, 1).start("EventSources");
            for source in &self.sources {
                write_source(w, source);
            }
            line(w, 1).end();
        }
        if self.kind == SubscriptionType::SourceInitiated || !self.has_default_rules() {
            self.write_rules(w);
        }
        line(w, 0).end();
        writer.finish()
    }

    fn has_default_rules(&self) -> bool {
        self.non_domain_sources == super::NonDomainSources::default()
            && self.domain_sources == super::DEFAULT_DOMAIN_SOURCES
    }

    fn write_settings(&self, w: &mut Writer) {
        line(w, 1).element("SubscriptionId", self.id.as_str());
        line(w, 1).element("SubscriptionType", self.kind.as_str());
        line(w, 1).element("Description", &self.description);
        line(w, 1).element("Enabled", boolean(self.enabled));
        line(w, 1).element("Uri", &self.uri);
        line(w, 1).element("ConfigurationMode", self.mode.as_str());
        self.write_delivery(w);
        if let Some(expires) = self.expires {
            line(w, 1).element("Expires", &expires.to_string());
        }
        line(w, 1).start("Query").cdata(&self.query).end();
        if self.dialect != super::EVENT_QUERY_DIALECT {
            line(w, 1).element("Dialect", &self.dialect);
        }
        line(w, 1).element("ReadExistingEvents", boolean(self.read_existing_events));
        line(w, 1).element("TransportName", self.transport.as_str());
        if let Some(port) = self.transport_port {
            line(w, 1).element("TransportPort", &port.to_string());
        }
        line(w, 1).element("ContentFormat", self.content_format.as_str());
        if let Some(locale) = &self.locale {
            line(w, 1).start("Locale").attribute("Language", locale).end_empty();
        }
        line(w, 1).element("LogFile", &self.log_file);
        if let Some(publisher) = &self.publisher {
            line(w, 1).element("PublisherName", publisher);
        }
        if self.kind == SubscriptionType::CollectorInitiated
            || self.credentials != super::CredentialsType::default()
        {
            line(w, 1).element("CredentialsType", self.credentials.as_str());
        }
        if let Some(name) = &self.common_user_name {
            line(w, 1).element("CommonUserName", name);
        }
    }

    fn write_delivery(&self, w: &mut Writer) {
        let delivery = &self.delivery;
        line(w, 1).start("Delivery").attribute("Mode", delivery.mode.as_str());
        if delivery.max_items.is_some() || delivery.max_latency.is_some() {
            line(w, 2).start("Batching");
            if let Some(items) = delivery.max_items {
                line(w, 3).element("MaxItems", &items.to_string());
            }
            if let Some(latency) = delivery.max_latency {
                line(w, 3).element("MaxLatencyTime", &latency.to_string());
            }
            line(w, 2).end();
        }
        if delivery.heartbeat.is_some() || delivery.host_name.is_some() {
            line(w, 2).start("PushSettings");
            if let Some(name) = &delivery.host_name {
                line(w, 3).element("HostName", name);
            }
            if let Some(interval) = delivery.heartbeat {
                line(w, 3).start("Heartbeat").attribute("Interval", &interval.to_string()).end_empty();
            }
            line(w, 2).end();
        }
        line(w, 1).end();
    }

    fn write_rules(&self, w: &mut Writer) {
        let rules = &self.non_domain_sources;
        line(w, 1).start("AllowedSourceNonDomainComputers");
        let issuers = rules.issuers.iter().map(ToString::to_string);
        write_list(w, "AllowedIssuerCAList", "IssuerCA", issuers);
        for (name, patterns) in [("AllowedSubjectList", &rules.allowed), ("DeniedSubjectList", &rules.denied)]
        {
            write_list(w, name, "Subject", patterns.iter().map(|pattern| pattern.as_str().to_owned()));
        }
        line(w, 1).end();
        line(w, 1).element("AllowedSourceDomainComputers", &self.domain_sources);
    }
}

fn write_source(w: &mut Writer, source: &EventSource) {
    line(w, 2).start("EventSource");
    w.attribute("Enabled", if source.enabled { "true" } else { "false" });
    line(w, 3).element("Address", &source.address);
    if let Some(name) = &source.user_name {
        line(w, 3).element("UserName", name);
    }
    line(w, 2).end();
}

fn write_list(w: &mut Writer, list: &str, item: &str, texts: impl Iterator<Item = String>) {
    let mut texts = texts.peekable();
    if texts.peek().is_none() {
        return;
    }
    line(w, 2).start(list);
    for text in texts {
        line(w, 3).element(item, &text);
    }
    line(w, 2).end();
}

/// Starts a line with this indentation.
fn line(w: &mut Writer, depth: usize) -> &mut Writer {
    w.text("\n").text("  ".repeat(depth).as_str())
}

/// Returns a boolean as Windows writes it.
fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
