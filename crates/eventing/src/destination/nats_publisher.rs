//! Events as messages to a stream of JetStream.
//!
//! An event counts as sent when JetStream has acknowledged it. Each message has an identifier that depends on the event
//! and the subject only, so that the stream drops an event that is published again.

use std::io;
use std::time::{Duration, Instant};

use nats::publish::{self, Publication};
use nats::{Info, Login, Message, PublishAck, ServerMessage, SubjectTemplate, SubjectValues};
use outbound::{Address, Connection};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::failure::SendFailure;
use super::line::{event_id, hexadecimal, text};
use super::undeliverable::Undeliverable;

/// Server and subject of the messages.
#[derive(Debug)]
pub(super) struct NatsTarget {
    pub(super) address: Address,
    pub(super) subject: SubjectTemplate,
    pub(super) login: Login,
}

/// Connection after the login.
pub(super) struct NatsConnection {
    link: Link,
    /// Prefix of the subjects of acknowledgements.
    inbox: String,
    /// Number of messages published so far.
    published: u64,
    max_payload: usize,
    used: Instant,
}

/// Event as a message.
struct Prepared<'l> {
    line: &'l str,
    subject: String,
    identifier: String,
}

impl NatsConnection {
    /// Connects, and waits until the server has accepted the login.
    pub(super) fn open(target: &NatsTarget) -> Result<Self, String> {
        let mut link = Link::new(Connection::open_tcp(&target.address).map_err(|error| error.to_string())?);
        let info = link.receive_info()?;
        match &target.address.tls {
            Some(config) => {
                if !info.offers_tls {
                    return Err("the NATS server does not offer TLS".to_owned());
                }
                if !link.received.is_empty() {
                    // They could have been inserted on the way to take effect after the handshake.
                    return Err("the NATS server sent data before the TLS handshake".to_owned());
                }
                let secured = link.connection.secure(&target.address.host, config);
                link =
                    Link::new(secured.map_err(|error| format!("TLS with the NATS server failed: {error}"))?);
            }
            None if info.requires_tls => {
                return Err("the NATS server requires TLS\n  use nats+tls:// in Url".to_owned());
            }
            None => {}
        }
        if !info.has_headers {
            return Err("the NATS server does not support headers; version 2.2 or later is needed".to_owned());
        }
        let token = random_token()?;
        let inbox = format!("_INBOX.{token}");
        let connect = target.login.connect(&info, target.address.tls.is_some());
        link.write(&connect.map_err(|error| error.to_string())?)?;
        let mut lines = Vec::new();
        publish::subscribe(&inbox, &mut lines);
        lines.extend_from_slice(publish::PING);
        link.write(&lines)?;
        link.receive_pong()?;
        let used = Instant::now();
        Ok(Self { link, inbox, published: 0, max_payload: info.max_payload, used })
    }

    /// Publishes events, and waits until JetStream has acknowledged all of them.
    pub(super) fn publish(
        &mut self,
        target: &NatsTarget,
        lines: &[String],
        undeliverable: &mut Undeliverable,
    ) -> Result<(), SendFailure> {
        if self.used.elapsed() > IDLE {
            // The server may have closed the connection, or waits for a PONG.
            self.link.write(publish::PING)?;
            self.link.receive_pong()?;
        }
        let mut accepted = 0;
        let prepared: Vec<_> = lines.iter().map(|line| prepare(target, line)).collect();
        let mut rest = prepared.as_slice();
        while !rest.is_empty() {
            let count = self.fitting(rest);
            let window = rest.get(..count).unwrap_or_default();
            self.publish_window(window, undeliverable).map_err(|failure| failure.after(accepted))?;
            accepted += count;
            rest = rest.get(count..).unwrap_or_default();
        }
        self.used = Instant::now();
        Ok(())
    }

    /// Returns the number of messages to be published together. A message that is too large according to the server is
    /// published alone, so that the server's refusal concerns this one: without TLS, or before it, the stated size may
    /// be false.
    fn fitting(&self, prepared: &[Prepared<'_>]) -> usize {
        let first = prepared.iter().position(|one| self.is_large(one));
        match first {
            Some(0) => 1,
            Some(count) => count.min(WINDOW),
            None => prepared.len().min(WINDOW),
        }
    }

    fn is_large(&self, message: &Prepared<'_>) -> bool {
        message.publication("").size() > self.max_payload
    }

    /// Publishes messages, and waits for the acknowledgements of all.
    fn publish_window(
        &mut self,
        window: &[Prepared<'_>],
        undeliverable: &mut Undeliverable,
    ) -> Result<(), SendFailure> {
        let first = self.published;
        let mut messages = Vec::new();
        for message in window {
            let reply = format!("{}.{}", self.inbox, self.published);
            message.publication(&reply).write(&mut messages);
            self.published = self.published.wrapping_add(1);
        }
        let is_large = window.iter().any(|message| self.is_large(message));
        if is_large {
            // The server closes the connection when it has read the first line. If it had more to read, the reason could
            // be lost with the connection.
            let end = messages.iter().position(|byte| *byte == b'\n').map_or(messages.len(), |at| at + 1);
            let content = messages.split_off(end);
            self.link.write(&messages)?;
            if !self.link.connection.wait_for_data(REFUSAL).map_err(LinkError::from)? {
                self.link.write(&content)?;
            }
        } else {
            self.link.write(&messages)?;
        }
        let mut is_acknowledged = vec![false; window.len()];
        while let Some(waiting) = is_acknowledged.iter().position(|done| !done) {
            let answer = match self.link.receive_answer(&self.inbox) {
                Ok(answer) => answer,
                Err(LinkError::Server(reason)) if is_large && reason == TOO_LARGE => {
                    let line = window.first().map_or("", |message| message.line);
                    undeliverable.add(line)?;
                    let reason = "an event is larger than the NATS server permits".to_owned();
                    return Err(SendFailure { accepted: 1, reason });
                }
                Err(error) => return Err(SendFailure::from(error).after(waiting)),
            };
            let index = answer.number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
            let Some((index, message)) = index.and_then(|index| Some((index, window.get(index)?))) else {
                // An acknowledgement of an earlier message.
                continue;
            };
            match answer.ack {
                Ok(PublishAck::Stored { .. }) => {}
                Ok(PublishAck::TooLarge) => {
                    undeliverable
                        .add(message.line)
                        .map_err(|reason| SendFailure::from(reason).after(waiting))?;
                }
                Ok(PublishAck::Refused(reason)) => {
                    let reason = format!("JetStream has not stored an event: {reason}");
                    return Err(SendFailure { accepted: waiting, reason });
                }
                Err(reason) => {
                    let reason = format!("cannot publish to the subject {}: {reason}", message.subject);
                    return Err(SendFailure { accepted: waiting, reason });
                }
            }
            if let Some(done) = is_acknowledged.get_mut(index) {
                *done = true;
            }
        }
        Ok(())
    }
}

impl Prepared<'_> {
    fn publication<'p>(&'p self, reply: &'p str) -> Publication<'p> {
        Publication {
            subject: &self.subject,
            reply,
            identifier: &self.identifier,
            payload: self.line.as_bytes(),
        }
    }
}

/// Returns an event with its subject and its identifier.
fn prepare<'l>(target: &NatsTarget, line: &'l str) -> Prepared<'l> {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    let subject = target.subject.subject(&SubjectValues {
        source: text(&event, "/Collector/Source"),
        channel: text(&event, "/System/Channel"),
        subscription: text(&event, "/Collector/Subscription"),
    });
    let event_id = event_id(&event, line);
    let identifier = format!("{event_id}-{}", hexadecimal(&Sha256::digest(&subject), 4));
    Prepared { line, subject, identifier }
}

fn random_token() -> Result<String, String> {
    let bytes: [u8; 16] = random::bytes().map_err(|error| error.to_string())?;
    Ok(hexadecimal(&bytes, bytes.len()))
}

/// Connection that receives messages.
struct Link {
    connection: Connection,
    /// Bytes that were not decoded yet.
    received: Vec<u8>,
}

/// Answer to a published message.
struct Answer {
    /// Number of the message on this connection.
    number: u64,
    ack: Result<PublishAck, String>,
}

/// Failure of a connection.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("the connection to the NATS server failed: {0}")]
    Connection(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] nats::NatsError),
    #[error("the NATS server has answered: {0}")]
    Server(String),
}

impl From<LinkError> for String {
    fn from(error: LinkError) -> Self {
        error.to_string()
    }
}

impl From<LinkError> for SendFailure {
    fn from(error: LinkError) -> Self {
        error.to_string().into()
    }
}

/// Message that concerns the publisher.
enum Event {
    Info(Info),
    Pong,
    Answer(Answer),
}

impl Link {
    fn new(connection: Connection) -> Self {
        Self { connection, received: Vec::new() }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        Ok(self.connection.write(bytes)?)
    }

    fn receive_info(&mut self) -> Result<Info, LinkError> {
        loop {
            if let Event::Info(info) = self.receive("")? {
                return Ok(info);
            }
        }
    }

    fn receive_pong(&mut self) -> Result<(), LinkError> {
        loop {
            if let Event::Pong = self.receive("")? {
                return Ok(());
            }
        }
    }

    fn receive_answer(&mut self, inbox: &str) -> Result<Answer, LinkError> {
        loop {
            if let Event::Answer(answer) = self.receive(inbox)? {
                return Ok(answer);
            }
        }
    }

    /// Receives the next message that concerns the publisher, and answers those of the server.
    fn receive(&mut self, inbox: &str) -> Result<Event, LinkError> {
        loop {
            let Some((message, length)) = ServerMessage::decode(&self.received)? else {
                let mut buffer = [0; 16 << 10];
                let count = self.connection.read(&mut buffer)?;
                if count == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                self.received.extend_from_slice(buffer.get(..count).unwrap_or_default());
                continue;
            };
            let mut is_ping = false;
            let event = match message {
                ServerMessage::Info(info) => Some(Event::Info(info)),
                ServerMessage::Pong => Some(Event::Pong),
                ServerMessage::Message(message) => answer(&message, inbox).map(Event::Answer),
                ServerMessage::Error(text) => {
                    return Err(LinkError::Server(text.chars().take(256).collect()));
                }
                ServerMessage::Ping => {
                    is_ping = true;
                    None
                }
                ServerMessage::Ok => None,
            };
            self.received.drain(..length);
            if is_ping {
                self.write(publish::PONG)?;
            }
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }
}

/// Returns the answer in a message to a subject of the inbox.
fn answer(message: &Message<'_>, inbox: &str) -> Option<Answer> {
    let number = message.subject.strip_prefix(inbox)?.strip_prefix('.')?.parse().ok()?;
    let ack = match message.status {
        Some(NO_RESPONDERS) => Err("no stream of JetStream has the subject of an event\n  \
                                    create a stream for it, for example with nats stream add"
            .to_owned()),
        Some(status) => Err(format!("the NATS server has answered with the status {status}")),
        None => PublishAck::parse(message.payload).map_err(|error| error.to_string()),
    };
    Some(Answer { number, ack })
}

/// Maximum number of messages that wait for their acknowledgements.
const WINDOW: usize = 512;
/// Time without messages after which the connection is checked before it is used.
const IDLE: Duration = Duration::from_secs(10);
/// Time for the server to refuse a message that is larger than it permits.
const REFUSAL: Duration = Duration::from_secs(1);
/// Status of a message without receiver.
const NO_RESPONDERS: u16 = 503;
/// Error of a server that has received a message larger than it permits.
const TOO_LARGE: &str = "Maximum Payload Violation";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_depends_on_the_event_and_the_subject_only() {
        let target = |subject| NatsTarget {
            address: Address { host: "localhost".to_owned(), port: 4222, tls: None },
            subject: SubjectTemplate::parse(subject).unwrap(),
            login: Login::default(),
        };
        let line = |received: &str, subscription: &str| {
            format!(
                r#"{{"Collector":{{"Source":"w","Subscription":"{subscription}","Received":"{received}","EventId":"ab"}},"System":{{"Channel":"A/B"}}}}"#
            )
        };
        let (one, again, other) = (line("1", "s"), line("2", "s"), line("1", "t"));
        let plain = target("wef.{channel}");
        let first = prepare(&plain, &one);
        assert_eq!(first.subject, "wef.A%2FB");
        assert!(first.identifier.starts_with("ab-"), "{}", first.identifier);
        assert_eq!(first.identifier, prepare(&plain, &again).identifier);
        assert_eq!(first.identifier, prepare(&plain, &other).identifier);
        let both = target("wef.{subscription}");
        assert_ne!(prepare(&both, &one).identifier, prepare(&both, &other).identifier);
        assert_eq!(prepare(&both, "no JSON").subject, "wef.-");
    }

    #[test]
    fn only_answers_to_this_connection_count() {
        let message = |subject| Message { subject, status: None, payload: br#"{"stream":"S","seq":1}"# };
        let found = answer(&message("_INBOX.a.7"), "_INBOX.a").unwrap();
        assert_eq!((found.number, found.ack), (7, Ok(PublishAck::Stored { is_duplicate: false })));
        for subject in ["_INBOX.b.7", "_INBOX.a", "_INBOX.a.x", "_INBOX.ab.7"] {
            assert!(answer(&message(subject), "_INBOX.a").is_none(), "{subject}");
        }
        let refused = Message { status: Some(503), ..message("_INBOX.a.1") };
        assert!(answer(&refused, "_INBOX.a").unwrap().ack.unwrap_err().contains("no stream"));
    }
}
