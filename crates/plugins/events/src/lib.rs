//! Collector of forwarded events on the listeners of the service: source-initiated subscriptions, as Windows sources
//! use them (MS-WSMV 3.1.4.6 to 3.1.4.10).
//!
//! It also receives the events of collector-initiated subscriptions whose sources push. The path then contains a secret
//! that the collector has sent to one source, see [`eventing::Expected`]. It identifies the source; the gateway checks it
//! before it receives the message.
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
mod path_permits;
mod proxy;
mod request;
mod server;
mod source_message;
mod statistics;
mod text_buffers;

use std::sync::{Arc, OnceLock};

use eventing::{Batch, Collector, CollectorError, CollectorSubscription, Expected, FormattedBatch, Source};
use metrics::CollectorStatistics;
use service::{BoxFuture, ClientCertificates, EventAnswer, EventEndpoint, EventMessage, PathAccess};
use tokio::sync::Semaphore;
use winevent::delivery::{self, Answer, Content, EndStatus, Head, Message, TextForm};
use xml::Encoding;

pub use self::authorities::{Authorities, AuthorityError};
use self::path_permits::PathPermits;
pub use self::proxy::RemoteCollector;
use self::request::Target;
pub use self::server::serve;
use self::source_message::{Proof, SourceMessage};
use self::text_buffers::TextBuffers;

/// Collector as a part of the service.
///
/// Before the collector is open, sources receive the status 503 and repeat their messages.
#[derive(Clone)]
pub struct EventsPlugin(Arc<Endpoint>);

struct Endpoint {
    certificates: ClientCertificates,
    /// Permits for messages in work, each of which has a thread while the store is busy.
    in_work: Semaphore,
    paths: PathPermits,
    /// Empty until the collector is open.
    plugin: OnceLock<Arc<Plugin>>,
}

struct Plugin {
    collector: Arc<Collector>,
    authorities: Authorities,
    buffers: TextBuffers,
    /// Permits to read a long message, as many as there are processors: more would only need more memory.
    reading: Semaphore,
}

/// Message that was read, without its text.
struct Received {
    source: Source,
    /// The message without its body.
    message: SourceMessage,
    head: Head,
    encoding: Encoding,
    content: ReceivedContent,
}

/// Content of a message that was read.
enum ReceivedContent {
    /// Request for subscriptions.
    Manager(ManagerRequest),
    /// Message of a subscription.
    Subscription(Box<CollectorSubscription>, SubscriptionMessage),
    /// Message of a delivery that the collector has requested.
    Delivery(Arc<Expected>, SubscriptionMessage),
    /// Message of a subscription that does not exist, or does not admit the source; with its identifier.
    UnknownSubscription(String),
}

enum ManagerRequest {
    Enumerate,
    Pull { context: String },
    End,
    Other,
}

enum SubscriptionMessage {
    Heartbeat,
    Events(Box<FormattedBatch>),
    SubscriptionEnd(EndStatus),
    End,
    Other,
}

impl EventsPlugin {
    /// Creates the plug-in of a collector that is not open yet. `certificates` says whether HTTPS clients must present
    /// one.
    #[must_use]
    pub fn new(certificates: ClientCertificates) -> Self {
        let in_work = Semaphore::new(MAX_IN_WORK);
        let paths = PathPermits::default();
        Self(Arc::new(Endpoint { certificates, in_work, paths, plugin: OnceLock::new() }))
    }

    /// Serves sources with a collector from now on; another one that was set before stays in use. `authorities` may
    /// issue certificates of sources.
    pub fn begin(&self, collector: Arc<Collector>, authorities: Authorities) {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let (buffers, reading) = (TextBuffers::default(), Semaphore::new(processors.max(2)));
        let plugin = Plugin { collector, authorities, buffers, reading };
        let _ = self.0.plugin.set(Arc::new(plugin));
    }

    /// Returns a response with the status 204 if the secret in a path is valid, and otherwise the response to its message.
    pub(crate) fn check_secret(&self, path: &str) -> EventAnswer {
        let Some(plugin) = self.0.plugin.get() else { return status(503) };
        match Target::secret_of(path).and_then(|secret| plugin.collector.expected(secret)) {
            Some(_) => status(204),
            None => fault::delivery_cancelled(),
        }
    }

    /// Responds to a message on a task of its own, so that a bug does not end the connection.
    pub(crate) async fn answer_on_task(&self, message: SourceMessage) -> EventAnswer {
        let Some(plugin) = self.0.plugin.get().map(Arc::clone) else { return status(503) };
        let answering = tokio::spawn(async move { plugin.respond(message).await });
        answering.await.unwrap_or_else(|error| {
            tracing::error!(%error, "The collector failed at a message");
            status(500)
        })
    }
}

impl Plugin {
    async fn respond(self: Arc<Self>, message: SourceMessage) -> EventAnswer {
        let read = if message.body.len() <= SHORT_BODY {
            self.read(message)
        } else {
            // Decompressing and parsing would keep other connections waiting.
            let Ok(_permit) = self.reading.acquire().await else { return status(503) };
            let plugin = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || plugin.read(message)).await {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, "The collector failed at a message");
                    return status(500);
                }
            }
        };
        match read {
            Ok(received) => self.handle(*received).await,
            Err(answer) => answer,
        }
    }

    /// Reads a message, and formats its events. Returns the response to one that cannot be read.
    fn read(&self, mut message: SourceMessage) -> Result<Box<Received>, EventAnswer> {
        let requested = self.requested(&message)?;
        let source = match &requested {
            Some(requested) => requested.source().clone(),
            None => self.source(&message).map_err(|reason| {
                tracing::warn!(peer = %message.address, reason, "Rejected an event source");
                status(403)
            })?,
        };
        let mut buffer = self.buffers.take();
        let decoded = request::decode(&message, &mut buffer);
        // The text replaces the body.
        message.body = Vec::new();
        let received = match decoded {
            Ok(form) => self.read_text(source, message, requested, buffer.text(), form),
            Err(error) => {
                tracing::warn!(source = %source.name, %error, "Cannot decompress the message of an event source");
                Err(status(400))
            }
        };
        self.buffers.put_back(buffer);
        received.map(Box::new)
    }

    fn read_text(
        &self,
        source: Source,
        message: SourceMessage,
        requested: Option<Arc<Expected>>,
        text: &str,
        form: TextForm,
    ) -> Result<Received, EventAnswer> {
        let encoding = match form {
            TextForm::Utf8 => Encoding::Utf8,
            TextForm::Utf16 => Encoding::Utf16,
        };
        let Message { head, content } =
            Message::parse(text, &delivery::Bounds::default()).map_err(|error| {
                tracing::warn!(source = %source.name, %error, "Rejected a message of an event source");
                fault::malformed(&error, encoding)
            })?;
        if let Some(requested) = requested {
            let message_content = self.read_content(&source, requested.subscription(), &head, content);
            let content = ReceivedContent::Delivery(requested, message_content);
            return Ok(Received { source, message, head, encoding, content });
        }
        let content = match Target::of(&message.path) {
            Some(Target::Manager) => ReceivedContent::Manager(match content {
                Content::Enumerate => ManagerRequest::Enumerate,
                Content::Pull { context } => ManagerRequest::Pull { context },
                Content::End => ManagerRequest::End,
                _ => ManagerRequest::Other,
            }),
            Some(Target::Subscription(id)) => match self.collector.find(&source, id) {
                Some(subscription) => {
                    let message = self.read_content(&source, &subscription, &head, content);
                    ReceivedContent::Subscription(Box::new(subscription), message)
                }
                None => ReceivedContent::UnknownSubscription(id.to_owned()),
            },
            Some(Target::Delivery(_)) | None => return Err(status(404)),
        };
        Ok(Received { source, message, head, encoding, content })
    }

    fn read_content(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
        head: &Head,
        content: Content<'_>,
    ) -> SubscriptionMessage {
        match content {
            Content::Heartbeat => SubscriptionMessage::Heartbeat,
            Content::Events(items) => {
                let batch = Batch { head, items: &items };
                SubscriptionMessage::Events(Box::new(self.collector.format(source, subscription, batch)))
            }
            Content::SubscriptionEnd(end) => SubscriptionMessage::SubscriptionEnd(end),
            Content::End => SubscriptionMessage::End,
            Content::Enumerate | Content::Pull { .. } => SubscriptionMessage::Other,
        }
    }

    async fn handle(&self, received: Received) -> EventAnswer {
        let Received { source, message, head, encoding, content } = received;
        let answered = match content {
            ReceivedContent::Manager(request) => self.enumerate(&source, &message, &head, request).await,
            ReceivedContent::Subscription(subscription, message) => {
                self.receive(&source, &subscription, &head, message).await
            }
            ReceivedContent::Delivery(requested, message) => {
                let Some(_turn) = requested.turn().await else { return fault::delivery_cancelled() };
                self.receive_requested(&requested, &head, message).await
            }
            ReceivedContent::UnknownSubscription(id) => {
                tracing::warn!(source = %source.name, id, "Source uses an unknown subscription, or one that does not admit it");
                return fault::delivery_refused(&head, &id, encoding);
            }
        };
        match answered {
            Ok(Some(envelope)) => EventAnswer { status: 200, envelope, encoding },
            Ok(None) => status(204),
            Err(Refusal::Action) => fault::unexpected_action(&head, encoding),
            Err(Refusal::Collector(error)) => {
                tracing::warn!(source = %source.name, %error, "Message of an event source was not stored");
                status(503)
            }
        }
    }

    /// Returns the delivery that the path of a message names. The secret in it proves which source sends.
    fn requested(&self, message: &SourceMessage) -> Result<Option<Arc<Expected>>, EventAnswer> {
        match Target::secret_of(&message.path) {
            Some(secret) => self.collector.expected(secret).map(Some).ok_or_else(fault::delivery_cancelled),
            // Only such a path needs no other proof.
            None if matches!(message.proof, Proof::Path) => Err(status(403)),
            None => Ok(None),
        }
    }

    /// Responds to a message of a delivery that the collector has requested.
    async fn receive_requested(
        &self,
        requested: &Expected,
        head: &Head,
        message: SubscriptionMessage,
    ) -> Result<Option<String>, Refusal> {
        let end = match &message {
            SubscriptionMessage::SubscriptionEnd(end) => {
                Some(format!("{} {}", end.status, end.reason).trim().to_owned())
            }
            _ => None,
        };
        let is_sign_of_life =
            matches!(message, SubscriptionMessage::Heartbeat | SubscriptionMessage::Events(_));
        let answered = self.receive(requested.source(), requested.subscription(), head, message).await?;
        if let Some(reason) = end {
            requested.note_end(&reason);
        }
        if is_sign_of_life {
            requested.note_message();
        }
        Ok(answered)
    }

    /// Returns the source that a proof identifies.
    fn source(&self, message: &SourceMessage) -> Result<Source, String> {
        match &message.proof {
            Proof::Account { name, token } => {
                Ok(Source::of_account(name, token.as_ref().clone(), message.address))
            }
            Proof::Certificate(chain) => {
                let verified = self.authorities.verify(chain).map_err(|error| error.to_string())?;
                Source::of_certificate(verified.names.clone(), verified.issuer, message.address)
                    .ok_or_else(|| "the certificate has no DNS name and no common name".to_owned())
            }
            Proof::Path => Err("the path has no secret of a source".to_owned()),
        }
    }

    /// Responds to the request for subscriptions.
    async fn enumerate(
        &self,
        source: &Source,
        message: &SourceMessage,
        head: &Head,
        request: ManagerRequest,
    ) -> Result<Option<String>, Refusal> {
        let from = match request {
            ManagerRequest::Enumerate => None,
            ManagerRequest::Pull { context } => Some(context.parse().map_err(|_| Refusal::Action)?),
            ManagerRequest::End => return Ok(None),
            ManagerRequest::Other => return Err(Refusal::Action),
        };
        let offered = self.collector.offered(source).await.map_err(Refusal::of)?;
        tracing::debug!(source = %source.name, subscriptions = offered.len(), "Source enumerated its subscriptions");
        Ok(Some(enumerate::response(source, message, head, &offered, from)))
    }

    /// Responds to a message of a subscription.
    async fn receive(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
        head: &Head,
        message: SubscriptionMessage,
    ) -> Result<Option<String>, Refusal> {
        let name = subscription.subscription.id.as_str();
        match message {
            SubscriptionMessage::Heartbeat => {
                self.collector.note(source, subscription, head, None).await.map_err(Refusal::of)?;
            }
            SubscriptionMessage::SubscriptionEnd(end) => {
                tracing::info!(
                    source = %source.name, subscription = name, status = end.status, reason = end.reason,
                    "Source ended its subscription"
                );
                let reason = format!("ended by the source: {} {}", end.status, end.reason);
                let noted = self.collector.note(source, subscription, head, Some(reason.trim())).await;
                noted.map_err(Refusal::of)?;
            }
            SubscriptionMessage::Events(batch) => {
                let delivered =
                    self.collector.store(source, subscription, *batch).await.map_err(Refusal::Collector)?;
                tracing::debug!(
                    source = %source.name, subscription = name, events = delivered.stored,
                    quarantined = delivered.quarantined, repeated = delivered.is_repeated, "Stored events"
                );
            }
            SubscriptionMessage::End => return Ok(None),
            SubscriptionMessage::Other => return Err(Refusal::Action),
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

    fn path_access<'a>(&'a self, path: &'a str) -> BoxFuture<'a, PathAccess> {
        Box::pin(async move { self.0.paths.access(path, || async { self.check_secret(path) }).await })
    }

    fn client_certificates(&self) -> ClientCertificates {
        self.0.certificates
    }

    fn answer(&self, message: EventMessage) -> BoxFuture<'_, EventAnswer> {
        let plugin = self.clone();
        Box::pin(async move {
            let _permit = plugin.0.in_work.acquire().await;
            plugin.answer_on_task(SourceMessage::from(message)).await
        })
    }

    fn statistics(&self) -> CollectorStatistics {
        self.0.plugin.get().map(|plugin| plugin.collector.statistics()).unwrap_or_default()
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

/// Maximum length in bytes of a body that is read on a task, between the messages of other connections: reading it takes
/// less time than passing it to another thread and back.
const SHORT_BODY: usize = 32 << 10;
