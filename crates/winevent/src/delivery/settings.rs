//! Delivery that a subscriber requests in Subscribe, as an event source reads it (DSP0226 10.2, MS-WSMV 2.2.4.44).

use std::time::Duration;

use xml::{Element, Fragment, Writer};

use super::names::{ADDRESSING, AUTHENTICATION, EVENTING, POLICY, SOAP, WSMAN};

/// Addresses and limits of the deliveries of a subscription.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// Address for heartbeats and events.
    pub notify_to: Address,
    /// Profiles of authentication that `notify_to` accepts; empty without a requirement.
    pub profiles: Vec<String>,
    /// Address for the message at the end.
    pub end_to: Option<Address>,
    /// Maximum time between two messages.
    pub heartbeat: Option<Duration>,
    /// Maximum time that an event waits for others.
    pub max_latency: Option<Duration>,
    /// Maximum number of events of a message, at least 1.
    pub max_items: Option<usize>,
    /// Maximum size of a message in bytes, before compression.
    pub max_envelope_size: usize,
    /// Treatment of events that are larger than a message.
    pub oversized: OversizedEvents,
    /// Character encoding of messages, such as `UTF-16`.
    pub encoding: Option<String>,
    /// Time between attempts after a failure.
    pub retry_interval: Duration,
    /// Number of attempts after a failure.
    pub retries: u32,
}

/// Address with the properties that messages to it repeat.
#[derive(Clone, Debug)]
pub struct Address {
    /// URL.
    pub url: String,
    /// Headers for every message.
    pub reference: Vec<Fragment>,
}

/// Treatment of events that are larger than a message (`w:MaxEnvelopeSize/@Policy`, DSP0226 10.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OversizedEvents {
    /// The subscription ends.
    CancelSubscription,
    /// The event is omitted.
    Skip,
    /// The event is omitted, and the subscriber receives the number of omitted events.
    Notify,
}

/// Reason why a delivery cannot be used: the name of a missing element, or a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeliverySettingsError(&'static str);

/// Maximum number of reference properties of an address.
const MAX_REFERENCE: usize = 16;
/// Maximum total length of reference properties in bytes.
const MAX_REFERENCE_TEXT: usize = 8 << 10;
/// Maximum length of a URL in bytes.
const MAX_URL: usize = 2_048;
/// Maximum number of profiles of authentication.
const MAX_PROFILES: usize = 16;
const DEFAULT_ENVELOPE: usize = 512_000;
const MIN_ENVELOPE: usize = 8_192;
const MAX_ENVELOPE: usize = 4 << 20;
const DEFAULT_RETRY_INTERVAL: Duration = Duration::from_secs(60);
const DEFAULT_RETRIES: u32 = 5;
const MAX_RETRIES: u32 = 1_000;

impl DeliverySettings {
    /// Parses the element `e:Subscribe`.
    ///
    /// # Errors
    /// [`DeliverySettingsError`] if an address is missing, or larger than the limits.
    pub fn parse(subscribe: Element<'_>) -> Result<Self, DeliverySettingsError> {
        let delivery =
            subscribe.child(EVENTING, "Delivery").ok_or(DeliverySettingsError("e:Delivery is missing"))?;
        let notify_to =
            delivery.child(EVENTING, "NotifyTo").ok_or(DeliverySettingsError("e:NotifyTo is missing"))?;
        let retry = delivery.child(WSMAN, "ConnectionRetry");
        let size = delivery.child(WSMAN, "MaxEnvelopeSize");
        let encoding =
            delivery.child(WSMAN, "ContentEncoding").map(|element| element.text().trim().to_owned());
        Ok(Self {
            notify_to: Address::parse(notify_to)?,
            profiles: profiles(notify_to),
            end_to: subscribe.child(EVENTING, "EndTo").map(Address::parse).transpose()?,
            heartbeat: duration(delivery.child(WSMAN, "Heartbeats")),
            max_latency: duration(delivery.child(WSMAN, "MaxTime")),
            max_items: number(delivery.child(WSMAN, "MaxElements")).filter(|count| *count > 0),
            max_envelope_size: number(size).unwrap_or(DEFAULT_ENVELOPE).clamp(MIN_ENVELOPE, MAX_ENVELOPE),
            oversized: oversized(size),
            encoding: encoding.filter(|name| !name.is_empty()),
            retry_interval: duration(retry).unwrap_or(DEFAULT_RETRY_INTERVAL),
            retries: retry
                .and_then(|retry| retry.attribute("", "Total")?.trim().parse().ok())
                .unwrap_or(DEFAULT_RETRIES)
                .min(MAX_RETRIES),
        })
    }
}

impl Address {
    fn parse(element: Element<'_>) -> Result<Self, DeliverySettingsError> {
        let url = element.child(ADDRESSING, "Address").map(|address| address.text().trim().to_owned());
        let url = url.filter(|url| !url.is_empty() && url.len() <= MAX_URL);
        let lists = ["ReferenceProperties", "ReferenceParameters"].into_iter();
        let lists = lists.filter_map(|name| element.child(ADDRESSING, name));
        let mut reference = Vec::new();
        let mut length = 0;
        for property in lists.flat_map(|list| list.children()) {
            // A header of the message itself could otherwise appear twice.
            if [SOAP, ADDRESSING].contains(&property.namespace()) {
                return Err(DeliverySettingsError(
                    "a reference property has the namespace of SOAP or WS-Addressing",
                ));
            }
            let mut writer = Writer::new();
            writer.copy(property);
            let property = writer.into_fragment();
            length += property.as_str().len();
            if reference.len() == MAX_REFERENCE || length > MAX_REFERENCE_TEXT {
                return Err(DeliverySettingsError("an address has too many reference properties"));
            }
            reference.push(property);
        }
        Ok(Self { url: url.ok_or(DeliverySettingsError("a:Address is missing"))?, reference })
    }
}

/// Returns the profiles of authentication in the policy of an address (MS-WSMV 2.2.4.2).
fn profiles(notify_to: Element<'_>) -> Vec<String> {
    let alternatives =
        notify_to.child(POLICY, "Policy").and_then(|policy| policy.child(POLICY, "ExactlyOne"));
    let assertions = alternatives.into_iter().flat_map(|alternatives| alternatives.children());
    let assertions = assertions.flat_map(|all| all.children());
    assertions
        .filter(|assertion| assertion.is(AUTHENTICATION, "Authentication"))
        .filter_map(|assertion| assertion.attribute("", "Profile"))
        .map(|profile| profile.trim().chars().take(MAX_URL).collect())
        .take(MAX_PROFILES)
        .collect()
}

fn oversized(size: Option<Element<'_>>) -> OversizedEvents {
    let policy = size.and_then(|size| size.attribute("", "Policy"));
    match policy.as_deref().map(str::trim) {
        Some("CancelSubscription") => OversizedEvents::CancelSubscription,
        Some("Skip") => OversizedEvents::Skip,
        _ => OversizedEvents::Notify,
    }
}

fn duration(element: Option<Element<'_>>) -> Option<Duration> {
    parse_duration(element?.text().trim())
}

fn number(element: Option<Element<'_>>) -> Option<usize> {
    element?.text().trim().parse().ok()
}

/// Parses a duration of days, hours, minutes and seconds (XML Schema 3.2.6), at most one year.
fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('P')?;
    let (days, time) = text.split_once('T').unwrap_or((text, ""));
    let mut milliseconds = 0_u64;
    for (part, units) in
        [(days, &[('D', 86_400_000)][..]), (time, &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)])]
    {
        let mut rest = part;
        for (unit, factor) in units {
            let Some((number, after)) = rest.split_once(*unit) else { continue };
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            let whole: u64 = whole.parse().ok()?;
            milliseconds = milliseconds.checked_add(whole.checked_mul(*factor)?)?;
            if !fraction.is_empty() {
                let fraction: String = fraction.chars().chain("00".chars()).take(3).collect();
                milliseconds = milliseconds.checked_add(fraction.parse::<u64>().ok()? * factor / 1_000)?;
            }
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(Duration::from_millis(milliseconds.min(366 * 86_400_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_days_and_fractions() {
        for (text, milliseconds) in [
            ("PT3600.000S", Some(3_600_000)),
            ("PT30.5S", Some(30_500)),
            ("P1DT1H2M3S", Some(90_123_000)),
            ("PT0.1234S", Some(123)),
            ("P9999D", Some(366 * 86_400_000)),
            ("PT", Some(0)),
            ("", None),
            ("PT1X", None),
            ("PT-1S", None),
        ] {
            assert_eq!(parse_duration(text).map(|one| one.as_millis()), milliseconds, "{text}");
        }
    }
}
