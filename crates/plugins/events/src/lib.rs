//! Collector of forwarded events on the listeners of the service: source-initiated subscriptions, as Windows sources
//! use them (MS-WSMV 3.1.4.6 to 3.1.4.10).
//!
//! A source requests its subscriptions at `/wsman/SubscriptionManager/WEC`, and delivers heartbeats and events to
//! `/wsman/subscriptions/ID/1`. This crate verifies certificates of sources, removes compression, and translates
//! between messages and the collector (`eventing`), which stores the events.
//!
//! An acknowledgement is sent only after the collector has stored a batch durably. If it cannot, the source receives
//! the status 503 and repeats the batch.

mod authorities;
mod enumerate;
mod fault;
mod message;
mod proxy;
mod request;
mod server;
mod source_message;
mod statistics;

use std::sync::Arc;

use eventing::{Batch, Collector, CollectorError, CollectorSubscription, Source};
use metrics::CollectorStatistics;
use service::{BoxFuture, ClientCertificates, EventAnswer, EventEndpoint, EventMessage};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use winevent::delivery::{self, Answer, Content, Message, TextForm};
use xml::Encoding;

pub use self::authorities::{Authorities, AuthorityError};
pub use self::proxy::RemoteCollector;
use self::request::{Body, Target};
pub use self::server::serve;
use self::source_message::{Proof, SourceMessage};

/// Collector as a part of the service.
#[derive(Clone)]
pub struct EventsPlugin {
    collector: Arc<Collector>,
    authorities: Arc<Authorities>,
    certificates: ClientCertificates,
    /// Messages in work, each of which has a thread while the store is busy.
    in_work: Arc<Semaphore>,
}

impl EventsPlugin {
    /// Creates the plug-in. `authorities` may issue certificates of sources, and `certificates` says whether HTTPS
    /// clients must present one.
    #[must_use]
    pub fn new(
        collector: Arc<Collector>,
        authorities: Authorities,
        certificates: ClientCertificates,
    ) -> Self {
        let in_work = Arc::new(Semaphore::new(MAX_IN_WORK));
        Self { collector, authorities: Arc::new(authorities), certificates, in_work }
    }

    /// Responds to a message on a thread of its own, because decompressing, parsing and reading the store would keep
    /// other connections waiting.
    pub(crate) async fn answer_on_thread(&self, message: SourceMessage) -> EventAnswer {
        let (plugin, runtime) = (self.clone(), Handle::current());
        let answering = tokio::task::spawn_blocking(move || runtime.block_on(plugin.respond(message)));
        answering.await.unwrap_or_else(|error| {
            tracing::error!(%error, "The collector failed at a message");
            status(500)
        })
    }

    /// Responds to a message. Blocks the thread while it parses.
    async fn respond(&self, message: SourceMessage) -> EventAnswer {
        let source = match self.source(&message) {
            Ok(source) => source,
            Err(reason) => {
                tracing::warn!(peer = %message.address, reason, "Rejected an event source");
                return status(403);
            }
        };
        let body = match Body::decode(&message) {
            Ok(body) => body,
            Err(error) => {
                tracing::warn!(source = %source.name, %error, "Cannot decompress the message of an event source");
                return status(400);
            }
        };
        let encoding = match body.form {
            TextForm::Utf8 => Encoding::Utf8,
            TextForm::Utf16 => Encoding::Utf16,
        };
        let parsed = match Message::parse(&body.text, &delivery::Bounds::default()) {
            Ok(parsed) => parsed,
            Err(error) => {
                tracing::warn!(source = %source.name, %error, "Rejected a message of an event source");
                return fault::malformed(&error, encoding);
            }
        };
        let answered = match Target::of(&message.path) {
            Some(Target::Manager) => self.enumerate(&source, &message, &parsed).await,
            Some(Target::Subscription(id)) => match self.collector.find(&source, id) {
                Some(subscription) => self.receive(&source, &subscription, &parsed).await,
                None => {
                    tracing::warn!(source = %source.name, id, "Source uses an unknown subscription, or one that does not admit it");
                    return fault::delivery_refused(&parsed.head, id, encoding);
                }
            },
            None => return status(404),
        };
        match answered {
            Ok(Some(envelope)) => EventAnswer { status: 200, envelope, encoding },
            Ok(None) => status(204),
            Err(Refusal::Action) => fault::unexpected_action(&parsed.head, encoding),
            Err(Refusal::Collector(error)) => {
                tracing::warn!(source = %source.name, %error, "Message of an event source was not stored");
                status(503)
            }
        }
    }

    /// Returns the source that a proof identifies.
    fn source(&self, message: &SourceMessage) -> Result<Source, String> {
        match &message.proof {
            Proof::Account { name, token } => {
                Ok(Source::of_account(name, token.as_ref().clone(), message.address))
            }
            Proof::Certificate(chain) => {
                let verified = self.authorities.verify(chain).map_err(|error| error.to_string())?;
                Source::of_certificate(verified.names, verified.issuer, message.address)
                    .ok_or_else(|| "the certificate has no DNS name and no common name".to_owned())
            }
        }
    }

    /// Responds to the request for subscriptions.
    async fn enumerate(
        &self,
        source: &Source,
        message: &SourceMessage,
        parsed: &Message<'_>,
    ) -> Result<Option<String>, Refusal> {
        let from = match &parsed.content {
            Content::Enumerate => None,
            Content::Pull { context } => Some(context.parse().map_err(|_| Refusal::Action)?),
            Content::End => return Ok(None),
            _ => return Err(Refusal::Action),
        };
        let offered = self.collector.offered(source).await.map_err(Refusal::of)?;
        tracing::debug!(source = %source.name, subscriptions = offered.len(), "Source enumerated its subscriptions");
        Ok(Some(enumerate::response(source, message, &parsed.head, &offered, from)))
    }

    /// Responds to a message of a subscription.
    async fn receive(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
        parsed: &Message<'_>,
    ) -> Result<Option<String>, Refusal> {
        let (head, name) = (&parsed.head, subscription.subscription.id.as_str());
        match &parsed.content {
            Content::Heartbeat => {
                self.collector.note(source, subscription, head, None).await.map_err(Refusal::of)?;
            }
            Content::SubscriptionEnd(end) => {
                tracing::info!(
                    source = %source.name, subscription = name, status = end.status, reason = end.reason,
                    "Source ended its subscription"
                );
                let reason = format!("ended by the source: {} {}", end.status, end.reason);
                let noted = self.collector.note(source, subscription, head, Some(reason.trim())).await;
                noted.map_err(Refusal::of)?;
            }
            Content::Events(items) => {
                let batch = Batch { head, items };
                let delivered =
                    self.collector.deliver(source, subscription, batch).await.map_err(Refusal::Collector)?;
                tracing::debug!(
                    source = %source.name, subscription = name, events = delivered.stored,
                    quarantined = delivered.quarantined, repeated = delivered.is_repeated, "Stored events"
                );
            }
            Content::End => return Ok(None),
            Content::Enumerate | Content::Pull { .. } => return Err(Refusal::Action),
        }
        let message_id = request::new_id();
        let answer = Answer {
            relates_to: &head.message_id,
            operation_id: head.operation_id.as_deref(),
            message_id: &message_id,
        };
        Ok(Some(delivery::acknowledge(&answer)))
    }
}

impl EventEndpoint for EventsPlugin {
    fn has_path(&self, path: &str) -> bool {
        Target::of(path).is_some()
    }

    fn client_certificates(&self) -> ClientCertificates {
        self.certificates
    }

    fn answer(&self, message: EventMessage) -> BoxFuture<'_, EventAnswer> {
        let plugin = self.clone();
        Box::pin(async move {
            let _permit = plugin.in_work.acquire().await;
            plugin.answer_on_thread(SourceMessage::from(message)).await
        })
    }

    fn statistics(&self) -> CollectorStatistics {
        self.collector.statistics()
    }
}

/// Reason why a message has no regular answer.
enum Refusal {
    /// The path does not have this action.
    Action,
    /// The collector cannot store or read.
    Collector(Arc<CollectorError>),
}

impl Refusal {
    fn of(error: CollectorError) -> Self {
        Self::Collector(Arc::new(error))
    }
}

/// Maximum number of messages in work; others wait without a thread.
const MAX_IN_WORK: usize = 128;

/// Returns a response without a body.
pub(crate) fn status(status: u16) -> EventAnswer {
    EventAnswer { status, envelope: String::new(), encoding: Encoding::Utf8 }
}
