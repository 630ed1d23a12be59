//! The thread that sends the events of a destination.

use std::sync::Arc;
use std::time::{Duration, Instant};

use outbound::{Address, Connection, HttpTarget};

use super::failure::SendFailure;
#[cfg(feature = "kafka")]
use super::kafka_producer::KafkaProducer;
use super::nats_publisher::NatsConnection;
use super::settings::{DestinationSettings, Target};
use super::spool::Spool;
use super::syslog;
use super::undeliverable::Undeliverable;
use crate::statistics::OutputCounter;

/// Starts the thread; it ends when the spool is closed.
pub(super) fn start(
    settings: Arc<DestinationSettings>,
    spool: Arc<Spool>,
    counter: OutputCounter,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("event output".to_owned())
        .spawn(move || run(&settings, &spool, &counter))?;
    Ok(())
}

fn run(settings: &DestinationSettings, spool: &Spool, counter: &OutputCounter) {
    let mut position = spool.position();
    let mut sender = Sender::new(settings, Undeliverable::of_spool(spool.folder()));
    let mut pause = FIRST_PAUSE;
    loop {
        let (accepted, failure) = match spool.read(&mut position, settings.batch_size) {
            Ok(None) => return,
            Ok(Some(lines)) => {
                let began = Instant::now();
                match sender.send(&lines.lines) {
                    Ok(()) => {
                        counter.sent(lines.lines.len(), began.elapsed());
                        (lines.position_after(lines.lines.len()), None)
                    }
                    Err(failure) => {
                        counter.failed(failure.accepted);
                        (lines.position_after(failure.accepted), Some(failure.reason))
                    }
                }
            }
            Err(error) => (None, Some(format!("cannot read the spool: {error}"))),
        };
        if let Some(after) = accepted {
            position = after;
            spool.store(&position);
        }
        match failure {
            None => {
                if pause != FIRST_PAUSE {
                    tracing::info!(output = settings.name, "Event output accepts events again");
                    pause = FIRST_PAUSE;
                }
            }
            Some(error) => {
                if pause == FIRST_PAUSE {
                    tracing::warn!(output = settings.name, error, "Cannot send events; repeating");
                }
                if spool.is_closed_after(pause) {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Connection to a destination, which is opened when lines are sent.
pub(super) struct Sender<'s> {
    settings: &'s DestinationSettings,
    connection: Option<Connection>,
    nats: Option<NatsConnection>,
    #[cfg(feature = "kafka")]
    kafka: Option<KafkaProducer>,
    pub(super) undeliverable: Undeliverable,
}

impl<'s> Sender<'s> {
    pub(super) fn new(settings: &'s DestinationSettings, undeliverable: Undeliverable) -> Self {
        Self {
            settings,
            connection: None,
            nats: None,
            #[cfg(feature = "kafka")]
            kafka: None,
            undeliverable,
        }
    }

    /// Sends lines. After an error, the connection is closed, and the lines that the server has not stored must be sent
    /// again.
    pub(super) fn send(&mut self, lines: &[String]) -> Result<(), SendFailure> {
        let sent = self.send_once(lines);
        if sent.is_err() {
            self.connection = None;
            self.nats = None;
            #[cfg(feature = "kafka")]
            {
                self.kafka = None;
            }
        }
        sent
    }

    fn send_once(&mut self, lines: &[String]) -> Result<(), SendFailure> {
        match &self.settings.target {
            Target::Syslog(address) => Ok(self.send_syslog(address, lines)?),
            Target::Http(target) => Ok(send_http(target, lines)?),
            Target::Nats(target) => {
                let mut connection = match self.nats.take() {
                    Some(connection) => connection,
                    None => NatsConnection::open(target)?,
                };
                connection.publish(target, lines, &mut self.undeliverable)?;
                self.nats = Some(connection);
                Ok(())
            }
            #[cfg(feature = "kafka")]
            Target::Kafka(target) => {
                let producer = match self.kafka.take() {
                    Some(producer) => producer,
                    None => KafkaProducer::open(target)?,
                };
                producer.publish(target, lines, &mut self.undeliverable)?;
                self.kafka = Some(producer);
                Ok(())
            }
        }
    }

    fn send_syslog(&mut self, address: &Address, lines: &[String]) -> Result<(), String> {
        let existing = self.connection.take().filter(Connection::is_open);
        let mut connection = match existing {
            Some(connection) => connection,
            None => Connection::open(address).map_err(|error| error.to_string())?,
        };
        let messages: Vec<u8> = lines.iter().flat_map(|line| syslog::frame(line)).collect();
        connection.write(&messages).map_err(|error| error.to_string())?;
        self.connection = Some(connection);
        Ok(())
    }
}

/// Sends lines as JSON Lines in one request.
fn send_http(target: &HttpTarget, lines: &[String]) -> Result<(), String> {
    let mut body = lines.join("\n").into_bytes();
    body.push(b'\n');
    target.post("application/x-ndjson", &body)
}

/// First pause after an error.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause after an error.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
