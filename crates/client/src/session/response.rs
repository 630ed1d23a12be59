//! Parses responses: a message, a fault, or neither.

use http::MediaType;
use wsman::{Head, Response, ResponseError};
use xml::{Bounds, Element, Encoding};

use super::{IllegalCharacters, Session};
use crate::connection::{self, describe_body};
use crate::error::{Error, Violation};
use crate::proxy::ProxyError;
use crate::trace::Direction;

impl Session {
    /// Parses the message in a response. The HTTP status matters only without a message, because services map faults
    /// to different statuses.
    pub(super) fn parse_response(
        &self,
        head: &Head,
        response: connection::Response,
    ) -> Result<Response, Error> {
        let connection::Response { head: http, content_type, body, .. } = response;
        let content_type = content_type.as_deref();
        let status = http.status();
        let is_success = (200..300).contains(&status);
        let (direction, tracer) = (Direction::Received(status), &self.0.tracer);
        if body.is_empty() {
            tracer.record(direction, self.peer(), "");
            return Err(if is_success { self.violated(Violation::Empty) } else { Error::Http { status } });
        }
        let unexpected = (!is_success).then(|| describe_body(content_type, &body));
        let shown = (!is_message(content_type)).then(|| tracer.record_bytes(direction, self.peer(), &body));
        let text = match self.0.illegal_characters {
            IllegalCharacters::Rejected => decode(content_type, body),
            IllegalCharacters::Replaced => Ok(winevent::delivery::decode(&body).0),
        };
        let read = text.map_err(Violation::from).and_then(|text| {
            if shown.is_none() {
                tracer.record(direction, self.peer(), &text);
            }
            let bounds = Bounds { octets: usize::MAX, ..Bounds::default() };
            let answer = Response::parse(text, &bounds).map_err(Violation::Message)?;
            // Identify has no message identifier that a response could refer to.
            if !head.message_id.is_empty() {
                answer.require_relation(&head.message_id).map_err(Violation::Message)?;
            }
            Ok(answer)
        });
        match (read, unexpected) {
            (Err(Violation::Message(ResponseError::Fault(fault))), _) => Err(Error::Fault(fault)),
            (_, Some(body)) => Err(match self.forwarder() {
                // The service itself would have sent a message or an empty body.
                Some(proxy) if matches!(status, 403 | 502..=504) => {
                    Error::Proxy { proxy: proxy.address(), reason: ProxyError::Status { status, body } }
                }
                _ => Error::NoMessage { status, body },
            }),
            (Ok(answer), None) => Ok(answer),
            (Err(violation), None) => Err(self.violated(violation)),
        }
    }

    /// Returns the error for a response without an element that the operation needs.
    pub(crate) fn missing(&self, what: &'static str, answer: &Response) -> Error {
        let (mut at, mut held) = ("s:Envelope/s:Body".to_owned(), None);
        if let Some(body) = answer.body() {
            (at, held) = (path(body), answer.content());
        }
        let held = held.map_or_else(|| "nothing".to_owned(), qualified_name);
        self.violated(Violation::Missing { at: format!("{at}, which contains {held}"), what })
    }

    /// Returns the error for an element without a part that the operation needs.
    pub(crate) fn missing_in(&self, what: &'static str, element: Element<'_>) -> Error {
        self.violated(Violation::Missing { at: path(element), what })
    }

    /// Returns the error for an element that cannot be parsed.
    pub(crate) fn unreadable(&self, element: Element<'_>, reason: impl ToString) -> Error {
        self.violated(Violation::Body { at: path(element), reason: reason.to_string() })
    }

    fn violated(&self, violation: Violation) -> Error {
        Error::Protocol { address: self.peer().to_owned(), violation }
    }
}

/// Returns the path of an element: `s:Envelope/s:Body/rsp:ReceiveResponse`.
fn path(element: Element<'_>) -> String {
    let mut names: Vec<_> =
        std::iter::successors(Some(element), Element::parent).map(qualified_name).collect();
    names.reverse();
    names.join("/")
}

/// Returns the qualified name of an element, truncated to 80 characters.
fn qualified_name(element: Element<'_>) -> String {
    let name = match element.prefix() {
        "" => element.name().to_owned(),
        prefix => format!("{prefix}:{}", element.name()),
    };
    name.chars().take(LONGEST_SHOWN).collect()
}

/// Maximum length of a name in an error, in characters.
const LONGEST_SHOWN: usize = 80;

/// Returns whether the media type is that of SOAP 1.2 (RFC 3902).
fn is_message(content_type: Option<&str>) -> bool {
    let media_type = content_type.and_then(|value| MediaType::parse(value).ok());
    media_type.is_some_and(|media_type| media_type.is("application/soap+xml"))
}

/// Decodes a body; `charset` takes precedence over a byte order mark, and the default is UTF-8.
fn decode(content_type: Option<&str>, body: Vec<u8>) -> Result<String, xml::EncodingError> {
    let media_type = content_type.and_then(|value| MediaType::parse(value).ok());
    let encoding = match media_type.as_ref().and_then(MediaType::charset) {
        Some(charset) => Encoding::from_charset(charset)?,
        None if body.starts_with(&[0xFF, 0xFE]) || body.starts_with(&[0xFE, 0xFF]) => Encoding::Utf16,
        None => Encoding::Utf8,
    };
    encoding.decode(body)
}
