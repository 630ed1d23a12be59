//! Delivery that a subscriber requests, within the limits of this service.

use std::time::Duration;

use service::Call;
use winevent::delivery::{
    Address, DeliverySettings, OversizedEvents, SinkCredentials, SinkScheme, requested_profile,
};
use wsman::Fault;
use wsman::eventing::DeliveryMode;
use xml::Encoding;

use crate::error::PushError;

/// Requested delivery.
pub(crate) struct PushRequest {
    pub(crate) notify_to: Address,
    pub(crate) end_to: Option<Address>,
    pub(crate) form: MessageForm,
    /// Sign-in at the addresses; `None` without authentication.
    pub(crate) sign_in: Option<SignIn>,
    pub(crate) rules: DeliveryRules,
}

/// Sign-in at the addresses of the subscriber.
#[derive(Clone, Debug)]
pub(crate) enum SignIn {
    /// Basic with the credentials of the request.
    Basic(SinkCredentials),
    /// Digest with the credentials of the request.
    Digest(SinkCredentials),
    /// Kerberos with the keytab of the settings.
    Keytab,
    /// Certificate of the settings.
    Certificate,
}

/// Encoding and compression of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageForm {
    pub(crate) encoding: Encoding,
    /// Whether messages are compressed with SLDC.
    pub(crate) is_compressed: bool,
}

/// Form, size and times of messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeliveryRules {
    pub(crate) mode: DeliveryMode,
    /// Maximum time between two messages.
    pub(crate) heartbeat: Option<Duration>,
    /// Maximum time that an event waits for others.
    pub(crate) max_latency: Duration,
    /// Maximum number of events of a message.
    pub(crate) max_items: usize,
    /// Maximum number of bytes of the events of a message, in UTF-8.
    pub(crate) max_bytes: usize,
    pub(crate) oversized: OversizedEvents,
    pub(crate) retry_interval: Duration,
    pub(crate) retries: u32,
}

/// Bounds of the time between two attempts.
const RETRY_INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));
/// Maximum number of attempts after a failure.
const MAX_RETRIES: u32 = 100;
/// Minimum time between two heartbeats.
const MIN_HEARTBEAT: Duration = Duration::from_secs(1);
/// Maximum number of events of a message.
const MAX_ITEMS: usize = 1_000;
/// Time that an event waits for others if the subscriber does not request one.
const DEFAULT_LATENCY: Duration = Duration::from_millis(50);
/// Size of a message without events and reference properties, in bytes of UTF-8.
const ENVELOPE: usize = 2_560;

impl PushRequest {
    /// Reads the request of a subscriber in a push mode.
    pub(crate) fn of(call: &Call, mode: DeliveryMode) -> Result<Self, Fault> {
        let subscribe = call.request.require_body("Subscribe")?;
        let settings = DeliverySettings::parse(subscribe).map_err(PushError::from)?;
        let sign_in = SignIn::of(call, requested_profile(subscribe), &settings.profiles)?;
        let encoding = match settings.encoding.as_deref() {
            None => Encoding::Utf8,
            Some(name) if name.eq_ignore_ascii_case("UTF-8") => Encoding::Utf8,
            Some(name) if name.eq_ignore_ascii_case("UTF-16") => Encoding::Utf16,
            Some(other) => return Err(PushError::Encoding(excerpt(other)).into()),
        };
        // A subscriber must accept messages without compression, so that an unknown one is ignored (MS-WSMV 2.2.4.10).
        let compression = call.request.head().options.value("Compression");
        let is_compressed = compression.is_some_and(|name| name.trim().eq_ignore_ascii_case("SLDC"));
        Ok(Self {
            rules: DeliveryRules::new(&settings, mode, encoding),
            notify_to: settings.notify_to,
            end_to: settings.end_to,
            form: MessageForm { encoding, is_compressed },
            sign_in,
        })
    }
}

impl SignIn {
    /// Returns the sign-in that the delivery requests in `w:Auth` (DSP0226), or that the policy of the address requires
    /// (MS-WSMV 2.2.4.2). The policy lists alternatives.
    fn of(call: &Call, requested: Option<String>, policy: &[String]) -> Result<Option<Self>, PushError> {
        let scheme = match (&requested, policy.first()) {
            (Some(profile), _) => {
                SinkScheme::of_profile(profile).ok_or_else(|| PushError::Authentication(excerpt(profile)))?
            }
            (None, Some(first)) => {
                let mut schemes = policy.iter().filter_map(|profile| SinkScheme::of_profile(profile));
                // The policy of an address cannot contain credentials.
                let scheme =
                    schemes.find(|one| matches!(one, SinkScheme::Kerberos | SinkScheme::Certificate));
                scheme.ok_or_else(|| PushError::Authentication(excerpt(first)))?
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(match scheme {
            SinkScheme::Kerberos => Self::Keytab,
            SinkScheme::Certificate => Self::Certificate,
            SinkScheme::Basic => Self::Basic(credentials_of(call)?),
            SinkScheme::Digest => Self::Digest(credentials_of(call)?),
        }))
    }
}

fn credentials_of(call: &Call) -> Result<SinkCredentials, PushError> {
    call.request.header().and_then(SinkCredentials::of_header).ok_or(PushError::NoCredentials)
}

impl DeliveryRules {
    fn new(settings: &DeliverySettings, mode: DeliveryMode, encoding: Encoding) -> Self {
        let is_batched = mode == DeliveryMode::Events;
        let bytes_per_unit = if encoding == Encoding::Utf16 { 2 } else { 1 };
        let reference = settings.notify_to.reference.iter().map(|property| property.as_str().len());
        let head = ENVELOPE + reference.sum::<usize>();
        Self {
            mode,
            heartbeat: settings.heartbeat.map(|interval| interval.max(MIN_HEARTBEAT)),
            max_latency: settings.max_latency.unwrap_or(DEFAULT_LATENCY),
            max_items: if is_batched { settings.max_items.unwrap_or(MAX_ITEMS).min(MAX_ITEMS) } else { 1 },
            max_bytes: (settings.max_envelope_size / bytes_per_unit).saturating_sub(head),
            oversized: settings.oversized,
            retry_interval: settings.retry_interval.clamp(RETRY_INTERVAL.0, RETRY_INTERVAL.1),
            retries: settings.retries.min(MAX_RETRIES),
        }
    }
}

pub(crate) fn excerpt(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(200).collect()
}
