//! Events as records of a topic of Kafka, with librdkafka.
//!
//! An event counts as sent when all in-sync replicas have it. The producer is idempotent, so that the attempts of one
//! producer store an event once. The key of a record is the source, so that the events of a source keep their order.

use std::time::Duration;

use locks::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use serde_json::Value;

use super::failure::SendFailure;
use super::kafka_target::KafkaTarget;
use super::line::{event_id, text};
use super::undeliverable::Undeliverable;

/// Producer of one destination.
pub(super) struct KafkaProducer(BaseProducer<Reports>);

/// Result of a record.
type SendResult = Result<(), RDKafkaErrorCode>;

/// Reports of librdkafka about records.
#[derive(Default)]
struct Reports {
    /// Results of the records of a batch; `None` for records that wait for theirs.
    results: Mutex<Vec<Option<SendResult>>>,
    /// Last error of a connection to a broker.
    last_error: Mutex<Option<String>>,
}

impl ClientContext for Reports {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message = %excerpt(message), "Message of librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason = %excerpt(reason), "Error of librdkafka");
        *self.last_error.lock() = Some(excerpt(reason));
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, position: usize) {
        let result = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)),
        };
        if let Some(place) = self.results.lock().get_mut(position) {
            *place = Some(result);
        }
    }
}

impl KafkaProducer {
    /// Starts a producer. It connects when records are sent.
    pub(super) fn open(target: &KafkaTarget) -> Result<Self, String> {
        let mut config = ClientConfig::new();
        for (key, value) in target.properties() {
            config.set(key, value);
        }
        let producer = config.create_with_context(Reports::default());
        producer.map(Self).map_err(|error| format!("cannot start a producer for Kafka: {error}"))
    }

    /// Sends events, and waits until Kafka has stored or refused each.
    pub(super) fn publish(
        &self,
        target: &KafkaTarget,
        lines: &[String],
        undeliverable: &mut Undeliverable,
    ) -> Result<(), SendFailure> {
        let results = self.attempt(target, lines);
        for (accepted, (line, result)) in lines.iter().zip(results).enumerate() {
            let mut result = result;
            if is_too_large(result) && lines.len() > 1 {
                // Brokers refuse a request as a whole, so that only an event that is sent alone is too large itself.
                let alone = self.attempt(target, std::slice::from_ref(line));
                result = alone.into_iter().next().unwrap_or(Err(RDKafkaErrorCode::Unknown));
            }
            let reason = match result {
                Ok(()) => continue,
                Err(_) if is_too_large(result) => match undeliverable.add(line) {
                    Ok(()) => continue,
                    Err(reason) => reason,
                },
                Err(code) => self.describe(target, code),
            };
            return Err(SendFailure { accepted, reason });
        }
        Ok(())
    }

    /// Sends events once, and returns the result of each.
    fn attempt(&self, target: &KafkaTarget, lines: &[String]) -> Vec<SendResult> {
        let reports = self.0.context();
        *reports.results.lock() = vec![None; lines.len()];
        *reports.last_error.lock() = None;
        for (position, line) in lines.iter().enumerate() {
            self.send(target, position, line);
        }
        // Each record has its report after the time limit of records.
        while reports.results.lock().iter().any(Option::is_none) {
            self.0.poll(POLL);
        }
        std::mem::take(&mut *reports.results.lock()).into_iter().flatten().collect()
    }

    /// Puts an event into the queue of librdkafka, and waits for room if it is full.
    fn send(&self, target: &KafkaTarget, position: usize, line: &str) {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        let (key, id) = (text(&event, "/Collector/Source"), event_id(&event, line));
        let headers = OwnedHeaders::new().insert(Header { key: EVENT_ID, value: Some(&id) });
        let mut record =
            BaseRecord::with_opaque_to(&target.topic, position).key(key).payload(line).headers(headers);
        loop {
            let (error, refused) = match self.0.send(record) {
                Ok(()) => return,
                Err(refused) => refused,
            };
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            if code != RDKafkaErrorCode::QueueFull {
                if let Some(place) = self.0.context().results.lock().get_mut(position) {
                    *place = Some(Err(code));
                }
                return;
            }
            self.0.poll(POLL);
            record = refused;
        }
    }

    fn describe(&self, target: &KafkaTarget, code: RDKafkaErrorCode) -> String {
        let error = KafkaError::MessageProduction(code);
        let cause = self.0.context().last_error.lock().clone();
        let cause = cause.map_or_else(String::new, |cause| format!("; {cause}"));
        format!("Kafka has not stored events in topic {} at {}: {error}{cause}", target.topic, target.brokers)
    }
}

/// Returns whether Kafka has refused a record because of its size.
fn is_too_large(result: SendResult) -> bool {
    matches!(result, Err(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize))
}

/// Returns the beginning of a text without control characters.
fn excerpt(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(256).collect()
}

/// Header with the identifier of the event.
const EVENT_ID: &str = "event-id";
/// Time until reports are served again.
const POLL: Duration = Duration::from_millis(100);
