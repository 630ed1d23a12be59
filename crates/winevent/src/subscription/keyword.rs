//! Settings with a fixed set of values.

use crate::WinEventError;

macro_rules! keywords {
    ($(#[$meta:meta])* $name:ident, $field:literal, $expected:literal,
     $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Parses the value, case-insensitive.
            ///
            /// # Errors
            /// [`WinEventError::Value`] for any other text.
            pub fn parse(text: &str) -> Result<Self, WinEventError> {
                let text = text.trim();
                $(if text.eq_ignore_ascii_case($text) {
                    return Ok(Self::$variant);
                })+
                Err(WinEventError::value($field, text, $expected))
            }

            /// Returns the value as Windows writes it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

keywords! {
    /// Side that opens the connection.
    SubscriptionType, "SubscriptionType", "SourceInitiated or CollectorInitiated",
    /// Sources connect to the collector and ask for their subscriptions.
    #[default]
    SourceInitiated = "SourceInitiated",
    /// The collector connects to the listed sources.
    CollectorInitiated = "CollectorInitiated",
}

keywords! {
    /// Preset of the delivery settings.
    ConfigurationMode, "ConfigurationMode", "Normal, Custom, MinLatency or MinBandwidth",
    /// Batches and heartbeats every 15 minutes.
    #[default]
    Normal = "Normal",
    /// Batching and heartbeat of the subscription.
    Custom = "Custom",
    /// Batches after 30 seconds, heartbeats every hour.
    MinLatency = "MinLatency",
    /// Batches and heartbeats every six hours.
    MinBandwidth = "MinBandwidth",
}

keywords! {
    /// Direction of the requests that carry events.
    DeliveryMode, "Mode", "Push or Pull",
    /// The source sends events.
    #[default]
    Push = "Push",
    /// The collector asks for events.
    Pull = "Pull",
}

keywords! {
    /// Transport between source and collector.
    TransportName, "TransportName", "http or https",
    /// HTTP; messages are encrypted by Kerberos or Negotiate.
    #[default]
    Http = "http",
    /// HTTPS.
    Https = "https",
}

keywords! {
    /// Content of forwarded events.
    ContentFormat, "ContentFormat", "Events or RenderedText",
    /// Events without texts.
    Events = "Events",
    /// Events with message, level and keywords in a language.
    #[default]
    RenderedText = "RenderedText",
}

impl ContentFormat {
    /// Returns the value of the option `ContentFormat` in a message to the source.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::Events => "Raw",
            Self::RenderedText => "RenderedText",
        }
    }
}

keywords! {
    /// Authentication of the collector at its sources.
    CredentialsType, "CredentialsType", "Default, Negotiate, Digest, Basic or LocalMachine",
    /// Chosen by the machine.
    #[default]
    Default = "Default",
    /// Kerberos or NTLM.
    Negotiate = "Negotiate",
    /// HTTP Digest.
    Digest = "Digest",
    /// HTTP Basic.
    Basic = "Basic",
    /// Account of the collector's machine.
    LocalMachine = "LocalMachine",
}
