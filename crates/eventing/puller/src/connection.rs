//! Session and subscription of one source.

use std::time::Duration;

use client::{
    Authentication, Credentials, Endpoint, IllegalCharacters, Locator, PushSubscription, Secret, Session,
    SessionBuilder, Subscription, Transport,
};
use eventing::CollectorSubscription;
use winevent::subscription::{CredentialsType, EventSource, TransportName};
use wsman::enumeration::Filter;
use wsman::eventing::{PushDelivery, Start, Subscribe};
use wsman::{OptionSet, ResourceUri, WsmanOption};

use crate::delivery_address;
use crate::error::PullError;
use crate::{MachineCredentials, PullerParts};

/// Returns the session with a source; sends nothing. `wait` limits the time that the source may wait for an event
/// before it answers a request.
pub(crate) fn session(
    parts: &PullerParts,
    settings: &CollectorSubscription,
    event_source: &EventSource,
    wait: Duration,
) -> Result<Session, PullError> {
    let subscription = &settings.subscription;
    let transport = match subscription.transport {
        TransportName::Http => Transport::Http,
        TransportName::Https => Transport::Https,
    };
    let port = subscription.transport_port.unwrap_or(match transport {
        Transport::Http => HTTP_PORT,
        Transport::Https => HTTPS_PORT,
    });
    let path = format!("/{}", parts.client.url_prefix.as_str());
    let endpoint = Endpoint::new(transport, &event_source.address, port, &path)
        .map_err(|error| PullError::Invalid(error.to_string()))?;
    let host = endpoint.host().to_owned();
    let builder =
        Session::builder(endpoint).with_client_settings(&parts.client, &host).tls(parts.tls.clone());
    let builder = with_sign_in(builder, parts, subscription, event_source, transport)?
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(wait)
        .answer_limit(EXCESS)
        .illegal_characters(IllegalCharacters::Replaced);
    let builder = match &subscription.locale {
        Some(locale) => builder.locale(locale.as_str()),
        None => builder,
    };
    Ok(builder.build()?)
}

/// Adds the credentials of a subscription for a source.
fn with_sign_in(
    builder: SessionBuilder,
    parts: &PullerParts,
    subscription: &winevent::Subscription,
    event_source: &EventSource,
    transport: Transport,
) -> Result<SessionBuilder, PullError> {
    let authentication = match subscription.credentials {
        CredentialsType::LocalMachine => {
            let MachineCredentials { keytab, certificate } = &parts.machine;
            return match (transport, certificate, keytab) {
                (Transport::Https, Some(certificate), _) => Ok(builder
                    .client_certificate(certificate.clone())
                    .authentication(Authentication::Certificate)),
                // NTLM needs a password, so that Negotiate means Kerberos.
                (_, _, Some(keytab)) => {
                    Ok(builder.client_keytab(keytab.clone()).authentication(Authentication::Negotiate))
                }
                _ => Err(PullError::NoMachineCredentials),
            };
        }
        CredentialsType::Negotiate => Authentication::Negotiate,
        CredentialsType::Digest => Authentication::Digest,
        CredentialsType::Basic => Authentication::Basic,
        CredentialsType::Default => Authentication::Automatic,
    };
    let (user, password) = subscription.credentials_of(event_source).ok_or(PullError::NoCredentials)?;
    let password = Secret::new(password.expose().to_owned());
    Ok(builder.credentials(Credentials { user: user.to_owned(), password }).authentication(authentication))
}

/// Subscribes at a source from which this collector pulls.
pub(crate) async fn subscribe(
    session: &Session,
    settings: &CollectorSubscription,
    start: Option<Start>,
) -> Result<Subscription, PullError> {
    let subscription = &settings.subscription;
    let locator = locator(settings, false)?;
    let mut subscribed = session.subscribe_from(&locator, filter(settings), start, Some(LIFETIME)).await?;
    subscribed
        .set_max_elements(subscription.timing().max_items.map_or(MAX_ITEMS, |most| most.min(MAX_ITEMS)));
    Ok(subscribed)
}

/// Subscribes at a source that pushes.
pub(crate) async fn subscribe_push(
    session: &Session,
    settings: &CollectorSubscription,
    start: Option<Start>,
    delivery: PushDelivery,
) -> Result<PushSubscription, PullError> {
    let subscribe = Subscribe::push(delivery_address::mode(settings), delivery, filter(settings));
    let subscribe = Subscribe { start, expires: Some(LIFETIME), sends_bookmarks: true, ..subscribe };
    Ok(session.subscribe_push(&locator(settings, true)?, subscribe).await?)
}

/// Returns the push subscription with an identifier, which an earlier process has created; sends nothing.
pub(crate) fn earlier(
    session: &Session,
    settings: &CollectorSubscription,
    identifier: String,
) -> Result<PushSubscription, PullError> {
    Ok(session.push_subscription(&locator(settings, true)?, identifier))
}

/// Returns the resource with the options of a subscription.
fn locator(settings: &CollectorSubscription, is_compressed: bool) -> Result<Locator, PullError> {
    let subscription = &settings.subscription;
    let resource = ResourceUri::parse(&subscription.uri).map_err(|error| {
        PullError::Invalid(format!("the Uri {:?} is not valid: {error}", subscription.uri))
    })?;
    let mut options = OptionSet::new().with("SubscriptionName", subscription.id.as_str());
    if is_compressed {
        options = options.with("Compression", "SLDC");
    }
    options = options.with("ContentFormat", subscription.content_format.option());
    options.push(nil("CDATA"));
    if subscription.read_existing_events {
        options.push(nil("ReadExistingEvents"));
    }
    Ok(Locator::new(resource).with_options(options))
}

fn filter(settings: &CollectorSubscription) -> Filter {
    Filter {
        dialect: settings.subscription.dialect.clone(),
        text: String::new(),
        markup: Some(settings.query.clone()),
        ..Filter::default()
    }
}

/// Returns an option without a value, as Windows sends it.
fn nil(name: &str) -> WsmanOption {
    WsmanOption { name: name.to_owned(), value: None, must_comply: false }
}

/// Requested duration of a subscription, so that one that a crash has left at a source does not stay there.
pub(crate) const LIFETIME: Duration = Duration::from_secs(1_200);
/// Ports of WinRM.
const HTTP_PORT: u16 = 5_985;
const HTTPS_PORT: u16 = 5_986;
/// Time limit for name resolution, connecting and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Number of bytes by which a response may exceed the requested size of 512,000.
const EXCESS: usize = 1 << 20;
/// Maximum number of events in a response.
const MAX_ITEMS: u32 = 1_000;
