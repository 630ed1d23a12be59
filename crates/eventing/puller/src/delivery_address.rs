//! Address of this collector for sources that push, and the delivery that a subscription requests.

use std::time::Duration;

use client::{Endpoint, Transport};
use eventing::CollectorSubscription;
use wsman::eventing::{DeliveryAddress, DeliveryMode, PROFILE_KERBEROS, PushDelivery};

use crate::PullerParts;
use crate::error::PullError;

/// Returns the delivery of a subscription to an address with a secret.
pub(crate) fn delivery(
    parts: &PullerParts,
    settings: &CollectorSubscription,
    secret: &str,
) -> Result<PushDelivery, PullError> {
    let base = base(parts, settings)?;
    let timing = settings.subscription.timing();
    // Without encryption others could read the secret, so that Kerberos must encrypt the messages.
    let is_open = base.transport() == Transport::Http && !parts.client.allow_unencrypted;
    Ok(PushDelivery {
        address: DeliveryAddress::new(format!("{}/subscriptions/{secret}/1", text(&base))),
        identifier: settings.version.clone(),
        profile: is_open.then_some(PROFILE_KERBEROS),
        heartbeat: heartbeat(settings),
        max_latency: Duration::from_millis(timing.max_latency.into()),
        max_items: timing.max_items,
        max_envelope_size: ENVELOPE,
        retry_interval: RETRY_INTERVAL,
        retries: RETRIES,
        encoding: "UTF-16",
    })
}

/// Returns the delivery mode on the network: messages with one event, or with several.
pub(crate) fn mode(settings: &CollectorSubscription) -> DeliveryMode {
    match settings.subscription.timing().max_items {
        Some(1) => DeliveryMode::PushWithAck,
        _ => DeliveryMode::Events,
    }
}

/// Returns the interval of heartbeats.
pub(crate) fn heartbeat(settings: &CollectorSubscription) -> Duration {
    Duration::from_millis(settings.subscription.timing().heartbeat.into()).max(MIN_HEARTBEAT)
}

/// Returns the address without a secret, for messages.
pub(crate) fn shown(parts: &PullerParts, settings: &CollectorSubscription) -> String {
    base(parts, settings).map_or_else(|_| parts.delivery_url.clone(), |base| text(&base))
}

/// Returns the address of this collector, with the host name of the subscription if it has one.
fn base(parts: &PullerParts, settings: &CollectorSubscription) -> Result<Endpoint, PullError> {
    let invalid = |reason: String| PullError::Address(reason);
    let base = Endpoint::parse(&parts.delivery_url).map_err(|error| invalid(error.to_string()))?;
    let Some(host) = &settings.subscription.delivery.host_name else { return Ok(base) };
    Endpoint::new(base.transport(), host.trim(), base.port(), base.path())
        .map_err(|error| invalid(format!("the HostName {host:?} is not valid: {error}")))
}

fn text(base: &Endpoint) -> String {
    format!("{}://{}{}", base.transport().scheme(), base.authority(), base.path().trim_end_matches('/'))
}

/// Maximum size of messages in bytes, as Windows sets it.
const ENVELOPE: u32 = 512_000;
/// Attempts of a source to deliver a message, as Windows sets them.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);
const RETRIES: u32 = 5;
/// Minimum interval of heartbeats.
const MIN_HEARTBEAT: Duration = Duration::from_secs(1);
