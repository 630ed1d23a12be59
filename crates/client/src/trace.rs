//! Tracing of messages, before encryption and after decryption.

use std::fmt;
use std::sync::Arc;

/// Receives the messages of a session in the order of transmission.
///
/// Message bodies may contain passwords; authentication tokens are not traced.
pub trait Trace: Send + Sync {
    /// Called for each message, and for each response that is not a message.
    fn record(&self, message: TracedMessage<'_>);
}

/// TracedMessage message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedMessage<'t> {
    /// Direction of the message.
    pub direction: Direction,
    /// Other end: host and port, or a socket.
    pub peer: &'t str,
    /// Text of the message; invalid bytes are replaced by U+FFFD.
    pub text: &'t str,
}

/// Direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the service.
    Sent,
    /// From the service, with the HTTP status.
    Received(u16),
}

/// Optional trace of a session.
#[derive(Clone, Default)]
pub(crate) struct Tracer(Option<Arc<dyn Trace>>);

impl Tracer {
    pub(crate) fn new(trace: Arc<dyn Trace>) -> Self {
        Self(Some(trace))
    }

    pub(crate) fn record(&self, direction: Direction, peer: &str, text: &str) {
        if let Some(trace) = &self.0 {
            trace.record(TracedMessage { direction, peer, text });
        }
    }

    /// Records bytes, which are converted to text only if tracing is enabled.
    pub(crate) fn record_bytes(&self, direction: Direction, peer: &str, octets: &[u8]) {
        if let Some(trace) = &self.0 {
            trace.record(TracedMessage { direction, peer, text: &String::from_utf8_lossy(octets) });
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tracer(enabled)" } else { "Tracer(disabled)" })
    }
}
