//! Errors of push delivery and their faults.

use winevent::delivery::DeliverySettingsError;
use wsman::{Detail, Fault, Subcode, code};

/// Reason why a subscription in a push mode is refused or has ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    /// The request has no usable delivery.
    #[error("invalid Delivery: {0}; send the address of the subscriber in NotifyTo")]
    Delivery(#[from] DeliverySettingsError),
    /// The address is not a URL of HTTP or HTTPS.
    #[error("cannot deliver events to \"{url}\": {reason}; use a URL such as https://collector:5986/events")]
    Address { url: String, reason: String },
    /// Messages to the address would not be encrypted.
    #[error(
        "events would be sent to \"{0}\" without encryption; use https, or set Client.AllowUnencrypted on this machine"
    )]
    Unencrypted(String),
    /// The address requires authentication.
    #[error(
        "unsupported authentication \"{0}\" at the subscriber; use the profile of Basic or Digest in the element Auth, the policy of Kerberos or of a certificate in NotifyTo, or no authentication, and identify the subscription by reference properties"
    )]
    Authentication(String),
    /// The address requires Kerberos or a certificate, and the settings name no file.
    #[error(
        "the subscriber requires {scheme}, and the service has no {content} for it; set EventForwarding.{setting} on this machine"
    )]
    NotConfigured { scheme: &'static str, content: &'static str, setting: &'static str },
    /// The file of the settings cannot be used.
    #[error(
        "the subscriber requires {scheme}: {reason}; check EventForwarding.{setting} on this machine, which the user of the subscription must be able to read"
    )]
    Unusable { scheme: &'static str, setting: &'static str, reason: String },
    /// The delivery requires authentication, and the request contains no credentials.
    #[error(
        "the delivery requires authentication, but the request has no user name and password; send a UsernameToken with the text of the password in the header IssuedTokens"
    )]
    NoCredentials,
    /// The requested encoding is neither UTF-8 nor UTF-16.
    #[error("unsupported ContentEncoding \"{0}\"; use UTF-8 or UTF-16")]
    Encoding(String),
    /// The user has too many subscriptions.
    #[error(
        "the user has {0} subscriptions with push delivery, or all users together have too many; cancel one"
    )]
    TooMany(usize),
    /// An event does not fit into a message.
    #[error(
        "an event of {bytes} bytes is larger than a message; raise MaxEnvelopeSize, or use another Policy of it"
    )]
    TooLarge { bytes: usize },
    /// The subscriber has refused a message.
    #[error("the subscriber has cancelled the subscription; subscribe again")]
    Cancelled,
    /// The subscriber has accepted a message in no attempt.
    #[error("the subscriber has not accepted a message in any attempt; see the log of the service")]
    Undeliverable,
}

impl From<PushError> for Fault {
    fn from(error: PushError) -> Self {
        let reason = error.to_string();
        match error {
            PushError::Delivery(_) => {
                Self::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason)
            }
            PushError::Address { .. } | PushError::Unencrypted(_) => {
                Self::new(Subcode::UnsupportedFeature, code::ADDRESSING_MODE, reason)
                    .with_detail(Detail::ADDRESSING_MODE)
            }
            PushError::Authentication(_)
            | PushError::NotConfigured { .. }
            | PushError::Unusable { .. }
            | PushError::NoCredentials => {
                Self::new(Subcode::UnsupportedFeature, code::UNSUPPORTED_FEATURE, reason)
                    .with_detail(Detail::AUTHORIZATION_MODE)
            }
            PushError::Encoding(_) => Self::new(Subcode::UnsupportedFeature, code::CHARACTER_SET, reason)
                .with_detail(Detail::CHARACTER_SET),
            PushError::TooMany(_) => Self::new(Subcode::QuotaLimit, code::QUOTA_LIMIT, reason),
            PushError::TooLarge { .. } => {
                Self::new(Subcode::EncodingLimit, code::MAX_ENVELOPE_SIZE_EXCEEDED, reason)
                    .with_detail(Detail::MAX_ENVELOPE_SIZE)
            }
            PushError::Cancelled | PushError::Undeliverable => {
                Self::new(Subcode::DeliveryRefused, code::EVENT_SOURCE_UNABLE, reason)
            }
        }
    }
}
