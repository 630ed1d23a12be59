//! Subscriptions: the settings of a collector for one set of events.
//!
//! [`Subscription::parse`] reads the XML that `wecutil cs` reads, and [`Subscription::to_xml`] writes it.
//!
//! ```
//! use telarch_winevent::Subscription;
//! use telarch_winevent::subscription::ConfigurationMode;
//!
//! let text = r#"<Subscription xmlns="http://schemas.microsoft.com/2006/03/windows/events/subscription">
//!   <SubscriptionId>logons</SubscriptionId>
//!   <SubscriptionType>SourceInitiated</SubscriptionType>
//!   <ConfigurationMode>MinLatency</ConfigurationMode>
//!   <Query><![CDATA[<QueryList><Query Id="0"><Select Path="Security">*</Select></Query></QueryList>]]></Query>
//! </Subscription>"#;
//! let subscription = Subscription::parse(text)?.subscription;
//! assert_eq!(subscription.mode, ConfigurationMode::MinLatency);
//! assert_eq!(subscription.timing().heartbeat, 3_600_000);
//! assert_eq!(Subscription::parse(&subscription.to_xml())?.subscription, subscription);
//! # Ok::<(), telarch_winevent::WinEventError>(())
//! ```

mod keyword;
mod read;
mod sources;
mod version;
mod write;

pub use keyword::{
    ConfigurationMode, ContentFormat, CredentialsType, DeliveryMode, SubscriptionType, TransportName,
};
pub use read::Import;
pub use sources::{
    DEFAULT_DOMAIN_SOURCES, EventSource, MAX_SOURCES, NonDomainSources, Password, SubjectPattern, Thumbprint,
};
pub use version::Version;

use crate::Timestamp;

/// Namespace of the elements of a subscription.
pub const NAMESPACE: &str = "http://schemas.microsoft.com/2006/03/windows/events/subscription";
/// Default of [`Subscription::uri`]: the event logs of Windows.
pub const EVENT_LOG_URI: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog";
/// Default of [`Subscription::dialect`]: query lists with XPath.
pub const EVENT_QUERY_DIALECT: &str = "http://schemas.microsoft.com/win/2004/08/events/eventquery";
/// Default of [`Subscription::log_file`].
pub const DEFAULT_LOG: &str = "ForwardedEvents";
/// Maximum length of the XML of a subscription in bytes.
pub const MAX_TEXT: usize = 4 << 20;
/// Maximum length of a query in bytes.
pub const MAX_QUERY: usize = 256 << 10;

/// Settings of a subscription.
///
/// The query is text here, because a collector passes it on to sources that may know more of XPath;
/// [`crate::QueryList::parse`] compiles it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Name of the subscription, unique on a collector.
    pub id: SubscriptionId,
    /// Side that opens the connection.
    pub kind: SubscriptionType,
    /// Description for people.
    pub description: String,
    /// Whether the collector receives events of this subscription.
    pub enabled: bool,
    /// Resource URI of the subscription, by default [`EVENT_LOG_URI`].
    pub uri: String,
    /// Preset of the delivery settings.
    pub mode: ConfigurationMode,
    /// Delivery settings. Batching and heartbeat count only with [`ConfigurationMode::Custom`].
    pub delivery: Delivery,
    /// Time at which the subscription ends; `None` means never.
    pub expires: Option<Timestamp>,
    /// Query list or XPath expression, as in the file.
    pub query: String,
    /// URI of the query language, by default [`EVENT_QUERY_DIALECT`].
    pub dialect: String,
    /// Whether a source sends events that were in its logs before it subscribed.
    pub read_existing_events: bool,
    /// Transport between source and collector.
    pub transport: TransportName,
    /// Port of the transport; `None` means the default of the transport.
    pub transport_port: Option<u16>,
    /// Content of events, with or without rendered text.
    pub content_format: ContentFormat,
    /// Language of rendered text, such as `en-US`; `None` means the language of the source.
    pub locale: Option<String>,
    /// Log of the collector that receives the events, by default [`DEFAULT_LOG`].
    pub log_file: String,
    /// Publisher that owns the log; `None` means the collector service.
    pub publisher: Option<String>,
    /// Type of the credentials for sources; collector-initiated only.
    pub credentials: CredentialsType,
    /// User for sources without one of their own; collector-initiated only.
    pub common_user_name: Option<String>,
    /// Password of that user. It is read from a file, and never written to one.
    pub common_password: Option<Password>,
    /// Sources to which the collector connects; collector-initiated only.
    pub sources: Vec<EventSource>,
    /// Sources outside a domain, which sign in with certificates; source-initiated only.
    pub non_domain_sources: NonDomainSources,
    /// Security descriptor in SDDL of the domain sources; source-initiated only. Generic access (`GA`) for a
    /// group means that its computers may subscribe. It is not parsed here.
    pub domain_sources: String,
}

/// Delivery settings in the file of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Direction of requests.
    pub mode: DeliveryMode,
    /// Maximum number of events of a batch.
    pub max_items: Option<u32>,
    /// Maximum time that an event waits for its batch, in milliseconds.
    pub max_latency: Option<u32>,
    /// Time between heartbeats in milliseconds.
    pub heartbeat: Option<u32>,
    /// Host name of the collector for sources that connect to it.
    pub host_name: Option<String>,
}

/// Delivery settings in effect, from the preset or the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Maximum time that an event waits for its batch, in milliseconds.
    pub max_latency: u32,
    /// Time between heartbeats in milliseconds.
    pub heartbeat: u32,
    /// Maximum number of events of a batch; `None` means no maximum.
    pub max_items: Option<u32>,
}

/// Name of a subscription: 1 to 256 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(
    /// INVARIANT: not empty, no control characters, at most 256 characters, no space at either end.
    String,
);

impl SubscriptionId {
    /// Parses a name; white space at both ends is removed.
    ///
    /// # Errors
    /// [`crate::WinEventError`] for an empty or too long name, or one with control characters.
    pub fn parse(text: &str) -> Result<Self, crate::WinEventError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(crate::WinEventError::Missing { field: "SubscriptionId" });
        }
        if text.chars().count() > 256 || text.chars().any(char::is_control) {
            let expected = "up to 256 characters without control characters";
            return Err(crate::WinEventError::value("SubscriptionId", text, expected));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Subscription {
    /// Returns a subscription with defaults: enabled, all settings as `wecutil` sets them if the file omits
    /// them.
    #[must_use]
    pub fn new(id: SubscriptionId, kind: SubscriptionType, query: String) -> Self {
        let mode = match kind {
            SubscriptionType::SourceInitiated => DeliveryMode::Push,
            SubscriptionType::CollectorInitiated => DeliveryMode::Pull,
        };
        Self {
            id,
            kind,
            description: String::new(),
            enabled: true,
            uri: EVENT_LOG_URI.to_owned(),
            mode: ConfigurationMode::default(),
            delivery: Delivery { mode, ..Delivery::default() },
            expires: None,
            query,
            dialect: EVENT_QUERY_DIALECT.to_owned(),
            read_existing_events: false,
            transport: TransportName::default(),
            transport_port: None,
            content_format: ContentFormat::default(),
            locale: None,
            log_file: DEFAULT_LOG.to_owned(),
            publisher: None,
            credentials: CredentialsType::default(),
            common_user_name: None,
            common_password: None,
            sources: Vec::new(),
            non_domain_sources: NonDomainSources::default(),
            domain_sources: DEFAULT_DOMAIN_SOURCES.to_owned(),
        }
    }

    /// Returns whether the subscription is enabled and has not expired at a time.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.enabled && self.expires.is_none_or(|end| now < end)
    }

    /// Returns the direction of the requests that carry events, if sources need not reach the collector. The presets of a
    /// collector-initiated subscription pull: events arrive within the time of the preset.
    #[must_use]
    pub fn delivery_mode(&self) -> DeliveryMode {
        match (self.kind, self.mode) {
            (SubscriptionType::CollectorInitiated, ConfigurationMode::Custom) => self.delivery.mode,
            (SubscriptionType::CollectorInitiated, _) => DeliveryMode::Pull,
            (SubscriptionType::SourceInitiated, _) => self.delivery.mode,
        }
    }

    /// Returns the direction of the requests that carry events, as Windows selects it: sources of a collector-initiated
    /// subscription push with the presets [`ConfigurationMode::MinLatency`] and [`ConfigurationMode::MinBandwidth`].
    #[must_use]
    pub fn delivery_mode_of_windows(&self) -> DeliveryMode {
        match self.mode {
            ConfigurationMode::MinLatency | ConfigurationMode::MinBandwidth => DeliveryMode::Push,
            ConfigurationMode::Normal | ConfigurationMode::Custom => self.delivery_mode(),
        }
    }

    /// Returns the subscription without the passwords of its sources.
    #[must_use]
    pub fn without_passwords(mut self) -> Self {
        self.common_password = None;
        self.sources.iter_mut().for_each(|source| source.password = None);
        self
    }

    /// Returns whether the subscription contains a password.
    #[must_use]
    pub fn has_passwords(&self) -> bool {
        self.common_password.is_some() || self.sources.iter().any(|source| source.password.is_some())
    }

    /// Returns user name and password for a source: its own, or the common ones if it has no user name. `None` if one
    /// of them is missing.
    #[must_use]
    pub fn credentials_of<'s>(&'s self, source: &'s EventSource) -> Option<(&'s str, &'s Password)> {
        let (user, password) = match &source.user_name {
            Some(user) => (user, &source.password),
            None => (self.common_user_name.as_ref()?, &self.common_password),
        };
        Some((user, password.as_ref()?))
    }

    /// Returns the delivery settings in effect: those of the preset or, with
    /// [`ConfigurationMode::Custom`], of the file. A setting that the file omits is that of
    /// [`ConfigurationMode::Normal`].
    #[must_use]
    pub fn timing(&self) -> Timing {
        const NORMAL: u32 = 900_000;
        let fixed = |max_latency, heartbeat| Timing { max_latency, heartbeat, max_items: None };
        match self.mode {
            ConfigurationMode::Normal => fixed(NORMAL, NORMAL),
            ConfigurationMode::MinBandwidth => fixed(21_600_000, 21_600_000),
            ConfigurationMode::MinLatency => fixed(30_000, 3_600_000),
            ConfigurationMode::Custom => Timing {
                max_latency: self.delivery.max_latency.unwrap_or(NORMAL),
                heartbeat: self.delivery.heartbeat.unwrap_or(NORMAL),
                max_items: self.delivery.max_items,
            },
        }
    }
}
