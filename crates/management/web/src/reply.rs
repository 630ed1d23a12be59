//! Responses, independent of the HTTP library.

use std::os::unix::net::UnixStream;

use bytes::Bytes;
use serde_json::Value;

use crate::event_stream::EventStream;

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content: Content,
    /// Sub-status of IIS and error code of Windows, for the request log.
    pub(crate) substatus: (u16, u32),
    /// Text for the audit log.
    pub(crate) audit: String,
}

/// Body of a response.
#[derive(Debug)]
pub(crate) enum Content {
    /// No body.
    Empty,
    /// JSON.
    Json(Value),
    /// Description of a failure (RFC 9457).
    Problem(Value),
    /// Encoded content with its media type.
    Encoded(&'static str, Bytes),
    /// A file of the console with its media type.
    Asset(&'static str, &'static [u8]),
    /// Server-sent events.
    Stream(Box<dyn EventStream>),
    /// Socket of a shell, for a WebSocket.
    Terminal(UnixStream),
}

impl Reply {
    pub(crate) fn new(status: u16, content: Content) -> Self {
        Self { status, headers: Vec::new(), content, substatus: (0, 0), audit: String::new() }
    }

    /// Returns a successful response with JSON.
    pub(crate) fn json(value: Value) -> Self {
        Self::new(200, Content::Json(value))
    }

    /// Returns a successful response with JSON in UTF-8.
    pub(crate) fn encoded_json(json: Bytes) -> Self {
        Self::new(200, Content::Encoded("application/json", json))
    }

    /// Returns a successful response without a body.
    pub(crate) fn empty() -> Self {
        Self::new(204, Content::Empty)
    }

    /// Adds a header. The value must not contain control characters.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the text for the audit log.
    pub(crate) fn audited(self, audit: impl Into<String>) -> Self {
        Self { audit: audit.into(), ..self }
    }
}
