use std::fmt;
use std::ops::Range;

use crate::fields::{Extent, Fields, control};
use crate::framing::Framing;
use crate::grammar::{self, is_host, is_token, is_token_byte};
use crate::{BodyFraming, HeadError, Limits, Version};

/// The method of a request, as far as the service distinguishes methods (RFC 9110 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// `POST`, the method of every WS-Management request.
    Post,
    /// `GET`.
    Get,
    /// `HEAD`, whose response must not have a body.
    Head,
    /// Any other method; see [`RequestHead::method_name`].
    Other,
}

/// The head of a request as received by a service. It owns its text, so the receive buffer can be reused.
///
/// The text is overwritten when the head is dropped, and `Debug` shows the names of the headers only, because
/// `Authorization` may hold a password.
///
/// RFC 9112 3 and 5.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHead {
    method: Method,
    method_name: Range<usize>,
    target: Range<usize>,
    path: Range<usize>,
    version: Version,
    body: BodyFraming,
    keep_alive: bool,
    expects_continue: bool,
    fields: Fields,
}

impl RequestHead {
    /// Parses the head at the start of `bytes`. Returns the head and its length in bytes.
    ///
    /// `None` means that more bytes are needed; call again with the same bytes and those that followed.
    /// One empty line before the head is skipped (RFC 9112 2.2).
    ///
    /// # Errors
    ///
    /// [`HeadError`] for any input that two readers could understand differently. An error is final: further
    /// bytes cannot correct it. [`HeadError::status`] is the status to respond with.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, HeadError> {
        let Some(start) = start(bytes)? else { return Ok(None) };
        let Some(extent) = Extent::find(bytes, start, limits)? else { return Ok(None) };
        let head = bytes.get(start..extent.end).unwrap_or_default();
        Ok(Some((Self::read(head, extent)?, extent.end)))
    }

    /// Returns the method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Returns the method as sent by the client, a token. Methods are case-sensitive.
    pub fn method_name(&self) -> &str {
        self.fields.text(&self.method_name)
    }

    /// Returns the target as sent by the client, in printable ASCII: `/wsman?x` or
    /// `http://node7:5985/wsman?x`.
    pub fn target(&self) -> &str {
        self.fields.text(&self.target)
    }

    /// Returns the path of the target without its query: `/wsman`. It is neither decoded nor normalised.
    pub fn path(&self) -> &str {
        match self.fields.text(&self.path) {
            "" => "/",
            path => path,
        }
    }

    /// Returns the HTTP version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns how the body is delimited, determined from the whole head.
    pub fn body(&self) -> BodyFraming {
        self.body
    }

    /// Returns whether the client allows the connection to persist after this request (RFC 9112 9.3).
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Returns whether the client waits for [`CONTINUE`](crate::CONTINUE) before it sends the body (RFC 9110
    /// 10.1.1).
    ///
    /// Always `false` for HTTP/1.0 and for requests without a body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
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
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.texts(name)
    }

    /// Returns names and values of all headers, in the order received.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter()
    }

    fn read(head: &[u8], extent: Extent) -> Result<Self, HeadError> {
        let (start_line, section) = StartLine::parse(head)?;
        let mut known = HeaderState::default();
        let fields = Fields::parse(head, section, extent, |name, value| known.note(name, value))?;
        if start_line.version == Version::Http11 && !known.host {
            return Err(HeadError::MissingHost);
        }
        let version = start_line.version;
        let body = known.framing.body(version)?;
        let waits_with_body =
            version == Version::Http11 && !matches!(body, BodyFraming::Empty | BodyFraming::Length(0));
        Ok(Self {
            method: start_line.method,
            method_name: start_line.method_name,
            target: start_line.target,
            path: start_line.path,
            version,
            body,
            keep_alive: known.framing.persists(version),
            expects_continue: known.expects_continue && waits_with_body,
            fields,
        })
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method_name())
            .field("target", &self.target())
            .field("version", &self.version)
            .field("body", &self.body)
            .field("headers", &self.fields)
            .finish()
    }
}

/// Returns the offset where the head begins; `None` if the bytes that decide it have not arrived.
fn start(bytes: &[u8]) -> Result<Option<usize>, HeadError> {
    let (start, rest) = match bytes {
        [] | [b'\r'] => return Ok(None),
        [b'\r', b'\n', rest @ ..] => (2, rest),
        rest => (0, rest),
    };
    match rest {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => Err(HeadError::LeadingEmptyLine),
        [b'\r', ..] => Err(HeadError::BareCarriageReturn { line: 1 }),
        [b'\n', ..] => Err(HeadError::BareLineFeed { line: 1 }),
        [b' ' | b'\t', ..] => Err(HeadError::StartLine),
        [first, ..] if !is_token_byte(*first) => Err(HeadError::NotHttp),
        _ => Ok(Some(start)),
    }
}

struct StartLine {
    method: Method,
    method_name: Range<usize>,
    target: Range<usize>,
    path: Range<usize>,
    version: Version,
}

impl StartLine {
    /// Parses the start line of a complete head and returns the offset of the first header line.
    fn parse(head: &[u8]) -> Result<(Self, usize), HeadError> {
        let section = memchr::memchr(b'\n', head).map_or(head.len(), |feed| feed + 1);
        let line = head.get(..section.saturating_sub(2)).unwrap_or_default();
        if let Some(error) = control(line, 1) {
            return Err(error);
        }
        let mut words = line.split(|&byte| matches!(byte, b' ' | b'\t'));
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(HeadError::StartLine);
        };
        if method.is_empty() || target.is_empty() || version.is_empty() || line.contains(&b'\t') {
            return Err(HeadError::StartLine);
        }
        if !is_token(method) {
            return Err(HeadError::InvalidMethod);
        }
        // The version is checked before the target, so that the HTTP/2 preface (`PRI * HTTP/2.0`) is reported
        // as an unsupported version.
        let version = Version::parse(version)?;
        let target_at = method.len() + 1;
        let text = std::str::from_utf8(target).map_err(|_| HeadError::InvalidTarget)?;
        let path = grammar::path(text).ok_or(HeadError::InvalidTarget)?;
        let start_line = Self {
            method: match method {
                b"POST" => Method::Post,
                b"GET" => Method::Get,
                b"HEAD" => Method::Head,
                _ => Method::Other,
            },
            method_name: 0..method.len(),
            target: target_at..target_at + target.len(),
            path: target_at + path.start..target_at + path.end,
            version,
        };
        Ok((start_line, section))
    }
}

/// State collected from the headers that are interpreted while the head is parsed.
#[derive(Default)]
struct HeaderState {
    framing: Framing,
    host: bool,
    authorization: bool,
    expects_continue: bool,
}

impl HeaderState {
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"Host") => {
                if std::mem::replace(&mut self.host, true) {
                    return Err(HeadError::RepeatedHost);
                }
                if !is_host(value) {
                    return Err(HeadError::InvalidHost);
                }
            }
            6 if name.eq_ignore_ascii_case(b"Expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(HeadError::UnsupportedExpectation);
                }
                self.expects_continue = true;
            }
            13 if name.eq_ignore_ascii_case(b"Authorization") => {
                if std::mem::replace(&mut self.authorization, true) {
                    return Err(HeadError::RepeatedAuthorization);
                }
            }
            _ => self.framing.note(name, value)?,
        }
        Ok(())
    }
}
