//! Looking on: every message of a session, before it is sealed and after it was opened.

use std::fmt;
use std::sync::Arc;

/// Sees the messages of a session in the order in which they go.
///
/// They hold whatever the user sends, passwords in bodies included; what proves who asks is not among them.
pub trait Trace: Send + Sync {
    /// A message, or an answer that is none.
    fn see(&self, seen: Traced<'_>);
}

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced<'t> {
    /// Which way it goes.
    pub direction: Direction,
    /// Whom it goes to or comes from: host and port, or a socket.
    pub peer: &'t str,
    /// Its text; what is no text has replacement characters.
    pub text: &'t str,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the service.
    Sent,
    /// From the service, with this HTTP status.
    Received(u16),
}

/// One who looks on, or nobody.
#[derive(Clone, Default)]
pub(crate) struct Onlooker(Option<Arc<dyn Trace>>);

impl Onlooker {
    pub(crate) fn new(trace: Arc<dyn Trace>) -> Self {
        Self(Some(trace))
    }

    pub(crate) fn see(&self, direction: Direction, peer: &str, text: &str) {
        if let Some(trace) = &self.0 {
            trace.see(Traced { direction, peer, text });
        }
    }

    /// The same for octets, which are made text only if somebody looks.
    pub(crate) fn see_octets(&self, direction: Direction, peer: &str, octets: &[u8]) {
        if let Some(trace) = &self.0 {
            trace.see(Traced { direction, peer, text: &String::from_utf8_lossy(octets) });
        }
    }
}

impl fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Onlooker" } else { "nobody" })
    }
}
