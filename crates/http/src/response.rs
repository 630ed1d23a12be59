use std::fmt;
use std::ops::Range;

use crate::fields::{Extent, Fields, control};
use crate::framing::Framing;
use crate::{BodyFraming, HeadError, Limits, ResponseFraming, Version};

/// The head of a response as a client receives it. It owns its text, so the buffer it came from is free.
///
/// It is read as strictly as a request, so that a reply cannot be made to look like two.
/// Replies to `HEAD` are not provided for, and after a 2xx to `CONNECT` comes the tunnel whatever [`body`](Self::body)
/// says: their framing depends on the request.
/// The text is overwritten when the head is dropped, and `Debug` shows the names of the headers only.
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
    /// Reads the head at the beginning of `bytes`: the head, and how many bytes it took.
    ///
    /// `None` means that more bytes are needed; ask again with the same bytes and those that followed.
    ///
    /// # Errors
    ///
    /// Anything that two readers could understand in two ways; see [`HeadError`]. An error is final: more
    /// bytes would not mend it, and the connection must be closed.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, HeadError> {
        /// What every response begins with, whichever version it has.
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

    /// The status code, 100 to 599.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, which may be empty; also empty if it is not UTF-8. Never decide by it.
    pub fn reason(&self) -> &str {
        self.fields.text(&self.reason)
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How the body is delimited, decided once and for all from the whole head.
    pub fn body(&self) -> ResponseFraming {
        self.body
    }

    /// Whether the connection persists after this response (RFC 9112 9.3).
    ///
    /// Never true if the body ends with the connection.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// The value of the first header of this name, in any case, without the white space around it.
    ///
    /// `None` if there is none or if its value is not UTF-8. No header that WS-Management reads may hold
    /// other than ASCII, so that unreadable means absent; [`header_bytes`](Self::header_bytes) tells the two
    /// apart.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The value of the first header of this name as it was received, which may hold any byte but control
    /// bytes other than tab.
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.fields.values(name).next()
    }

    /// The values of all headers of this name, in the order received, without those that are not UTF-8.
    ///
    /// A service that offers several schemes sends a `WWW-Authenticate` for each.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.texts(name)
    }

    /// Names and values of all headers, in the order received.
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
    /// Reads the status line of a complete head, and says where the header lines begin.
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
        // The space after the code is often left out with the reason.
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
