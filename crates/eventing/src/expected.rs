//! Deliveries that the collector has requested from sources of collector-initiated subscriptions.
//!
//! The address of a delivery contains a secret, which only the collector and one source know. It identifies source and
//! subscription, whatever the message says, and is valid until the collector cancels the delivery or ends.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use locks::Mutex;
use tokio::sync::{MutexGuard, watch};

use crate::error::CollectorError;
use crate::source::Source;
use crate::subscriptions::CollectorSubscription;

/// Requested deliveries by their secrets.
#[derive(Debug, Default)]
pub(crate) struct ExpectedDeliveries(Mutex<HashMap<String, Arc<Expected>>>);

/// Delivery that was requested from one source in one subscription.
pub struct Expected {
    source: Source,
    settings: Arc<CollectorSubscription>,
    activity: watch::Sender<Activity>,
    /// Whether no message is accepted any more. Locked while a message is stored.
    is_closed: tokio::sync::Mutex<bool>,
}

/// Messages of a source so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Number of heartbeats and batches.
    pub messages: u64,
    /// Reason for which the source has ended the subscription, once it has.
    pub end: Option<String>,
}

/// Right to store one message of a delivery. The next message waits until it is dropped.
#[derive(Debug)]
pub struct DeliveryTurn<'e> {
    _is_closed: MutexGuard<'e, bool>,
}

/// A requested delivery, until it is closed or dropped.
pub struct DeliveryRequest {
    secret: String,
    expected: Arc<Expected>,
    all: Weak<ExpectedDeliveries>,
}

/// Number of random bytes in a secret.
const SECRET_BYTES: usize = 24;

/// Returns whether a text has the form of a secret: 48 lower-case hexadecimal digits.
#[must_use]
pub fn is_delivery_secret(text: &str) -> bool {
    text.len() == 2 * SECRET_BYTES && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl ExpectedDeliveries {
    /// Creates the secret of a delivery, which is accepted from now on.
    pub(crate) fn begin(
        self: &Arc<Self>,
        source: &Source,
        settings: &Arc<CollectorSubscription>,
    ) -> Result<DeliveryRequest, CollectorError> {
        let bytes = random::bytes::<SECRET_BYTES>().map_err(|_| CollectorError::NoRandomBytes)?;
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = Arc::new(Expected {
            source: source.clone(),
            settings: Arc::clone(settings),
            activity: watch::Sender::default(),
            is_closed: tokio::sync::Mutex::new(false),
        });
        self.0.lock().insert(secret.clone(), Arc::clone(&expected));
        Ok(DeliveryRequest { secret, expected, all: Arc::downgrade(self) })
    }

    /// Returns the delivery with this secret.
    pub(crate) fn find(&self, secret: &str) -> Option<Arc<Expected>> {
        self.0.lock().get(secret).cloned()
    }
}

impl Expected {
    /// Source of the messages.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Subscription of the messages, without its sources.
    #[must_use]
    pub fn subscription(&self) -> &CollectorSubscription {
        &self.settings
    }

    /// Waits until the previous message is stored. Returns `None` once the delivery is closed.
    pub async fn turn(&self) -> Option<DeliveryTurn<'_>> {
        let is_closed = self.is_closed.lock().await;
        (!*is_closed).then_some(DeliveryTurn { _is_closed: is_closed })
    }

    /// Records that a message was accepted.
    pub fn note_message(&self) {
        self.activity.send_modify(|activity| activity.messages = activity.messages.wrapping_add(1));
    }

    /// Records that the source has ended the subscription.
    pub fn note_end(&self, reason: &str) {
        self.activity.send_modify(|activity| activity.end = Some(reason.to_owned()));
    }
}

impl DeliveryRequest {
    /// Last part of the path that the source uses.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Notifies of messages.
    #[must_use]
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.expected.activity.subscribe()
    }

    /// Accepts no further message, and waits until the last one is stored, so that its bookmark is known.
    pub async fn close(self) {
        self.withdraw();
        *self.expected.is_closed.lock().await = true;
    }

    fn withdraw(&self) {
        if let Some(all) = self.all.upgrade() {
            all.0.lock().remove(&self.secret);
        }
    }
}

impl Drop for DeliveryRequest {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// Hides the secret.
impl fmt::Debug for DeliveryRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryRequest").field("source", &self.expected.source.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("source", &self.source.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::subscriptions::Subscriptions;

    fn settings() -> Arc<CollectorSubscription> {
        let text = "<Subscription xmlns='http://schemas.microsoft.com/2006/03/windows/events/subscription'>\
            <SubscriptionId>x</SubscriptionId><SubscriptionType>CollectorInitiated</SubscriptionType>\
            <Query>&lt;QueryList/></Query></Subscription>";
        let all = Subscriptions::parse([(PathBuf::from("x.xml"), text.as_bytes().to_vec())]).unwrap();
        Arc::new(all.iter().next().unwrap().clone())
    }

    #[tokio::test]
    async fn a_secret_is_valid_until_the_delivery_is_closed_or_dropped() {
        let all = Arc::new(ExpectedDeliveries::default());
        let (source, settings) = (Source::of_address("web1"), settings());
        let [first, second] = [(); 2].map(|()| all.begin(&source, &settings).unwrap());
        assert_ne!(first.secret(), second.secret());
        assert!(is_delivery_secret(first.secret()) && !is_delivery_secret(&first.secret()[1..]));
        assert!(!format!("{first:?}").contains(first.secret()));
        let expected = all.find(first.secret()).unwrap();
        assert_eq!(expected.source().name, "web1");
        let secret = second.secret().to_owned();
        drop(second);
        assert!(all.find(&secret).is_none() && all.find(first.secret()).is_some());
        let mut activity = first.activity();
        expected.note_message();
        assert_eq!(activity.borrow_and_update().messages, 1);
        let turn = expected.turn().await.unwrap();
        let secret = first.secret().to_owned();
        let mut closing = tokio::spawn(first.close());
        // Closing waits for the message that is stored.
        tokio::task::yield_now().await;
        assert!(all.find(&secret).is_none() && !closing.is_finished());
        drop(turn);
        (&mut closing).await.unwrap();
        assert!(expected.turn().await.is_none());
    }
}
