use std::fmt;
use std::ops::Range;

use crate::fields::{Extent, Fields, control};
use crate::framing::Framing;
use crate::{BodyFraming, HeadError, Limits, ResponseFraming, Version};

/// The head of a response as received by a client. It owns its text, so the receive buffer can be reused.
///
/// It is parsed as strictly as a request, so that one response cannot be read as two.
/// The framing of responses to `HEAD`, and of 2xx responses to `CONNECT`, depends on the request. Responses
/// to `HEAD` are not supported; after a 2xx response to `CONNECT` the tunnel begins, whatever
/// [`body`](Self::body) returns.
/// The text is overwritten when the head is dropped, and `Debug` shows only the names of the headers.
///
/// RFC 9112 4 and 5.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseHead {
    status: u16,
    reason: Range<usize>,
    version: Version,
    body: ResponseFraming,
    keep_alive: bool,
    fields: Fields,
}

impl ResponseHead {
    /// Parses the head at the start of `bytes`. Returns the head and its length in bytes.
    ///
    /// `None` means that more bytes are needed; call again with the same bytes and those that followed.
    ///
    /// # Errors
    ///
    /// [`HeadError`] for any input that two readers could understand differently. An error is final: further
    /// bytes cannot correct it, and the connection must be closed.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, HeadError> {
        /// First bytes of every response, in any version.
        const BEGINNING: &[u8] = b"HTTP/";

        match bytes {
            [b'\r', b'\n', ..] => return Err(HeadError::LeadingEmptyLine),
            [b'\r'] => return Ok(None),
            _ => {}
        }
        if bytes.iter().zip(BEGINNING).any(|(byte, expected)| byte != expected) {
            return Err(HeadError::NotHttp);
        }
        let Some(extent) = Extent::find(bytes, 0, limits)? else { return Ok(None) };
        let head = bytes.get(..extent.end).unwrap_or_default();
        Ok(Some((Self::read(head, extent)?, extent.end)))
    }

    /// Returns the status code, 100 to 599.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the reason phrase; empty if it is missing or not UTF-8. Never make a decision based on
    /// it.
    pub fn reason(&self) -> &str {
        self.fields.text(&self.reason)
    }

    /// Returns the HTTP version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns how the body is delimited, determined from the whole head.
    pub fn body(&self) -> ResponseFraming {
        self.body
    }

    /// Returns whether the connection persists after this response (RFC 9112 9.3).
    ///
    /// Always `false` if the body ends when the connection closes.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Returns the value of the first header of this name, without surrounding white space. The name is
    /// case-insensitive.
    ///
    /// `None` if there is no such header or its value is not UTF-8. WS-Management headers are ASCII only, so
    /// an unreadable value is treated as absent; [`header_bytes`](Self::header_bytes) distinguishes the two
    /// cases.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Returns the value of the first header of this name as received. It may contain any byte except control
    /// bytes other than tab.
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.fields.values(name).next()
    }

    /// Returns the values of all headers of this name that are valid UTF-8, in the order received.
    ///
    /// A service that offers several schemes sends one `WWW-Authenticate` header for each.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.texts(name)
    }

    /// Returns names and values of all headers, in the order received.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter()
    }

    fn read(head: &[u8], extent: Extent) -> Result<Self, HeadError> {
        let (status_line, section) = StatusLine::parse(head)?;
        let mut framing = Framing::default();
        let fields = Fields::parse(head, section, extent, |name, value| framing.note(name, value))?;
        let StatusLine { version, status, reason } = status_line;
        let body = match (status, framing.body(version)?) {
            (100..200 | 204 | 304, _) => ResponseFraming::Empty,
            (_, BodyFraming::Length(length)) => ResponseFraming::Length(length),
            (_, BodyFraming::Chunked) => ResponseFraming::Chunked,
            (_, BodyFraming::Empty) => ResponseFraming::UntilClose,
        };
        let keep_alive = framing.persists(version) && body != ResponseFraming::UntilClose;
        Ok(Self { status, reason, version, body, keep_alive, fields })
    }
}

impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status)
            .field("version", &self.version)
            .field("body", &self.body)
            .field("headers", &self.fields)
            .finish()
    }
}

struct StatusLine {
    version: Version,
    status: u16,
    reason: Range<usize>,
}

impl StatusLine {
    /// Parses the status line of a complete head and returns the offset of the first header line.
    fn parse(head: &[u8]) -> Result<(Self, usize), HeadError> {
        let section = memchr::memchr(b'\n', head).map_or(head.len(), |feed| feed + 1);
        let line = head.get(..section.saturating_sub(2)).unwrap_or_default();
        if let Some(error) = control(line, 1) {
            return Err(error);
        }
        let mut words = line.splitn(3, |&byte| byte == b' ');
        let version = Version::parse(words.next().unwrap_or_default())?;
        let code = words.next().ok_or(HeadError::StartLine)?;
        if code.is_empty() {
            return Err(HeadError::StartLine);
        }
        // Many servers omit the space after the code together with the reason.
        let reason = words.next().unwrap_or_default();
        Ok((Self { version, status: status(code)?, reason: line.len() - reason.len()..line.len() }, section))
    }
}

fn status(code: &[u8]) -> Result<u16, HeadError> {
    match code {
        [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => {
            Ok(code.iter().fold(0, |status, digit| status * 10 + u16::from(digit & 0x0f)))
        }
        _ => Err(HeadError::InvalidStatus),
    }
}
