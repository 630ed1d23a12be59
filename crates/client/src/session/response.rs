//! What came back: a message, a fault, or something that is neither.

use http::MediaType;
use wsman::{Head, Response, ResponseError};
use xml::{Bounds, Element, Encoding};

use super::Session;
use crate::connection::{self, seen};
use crate::error::{Error, Violation};
use crate::proxy::ProxyError;
use crate::trace::Direction;

impl Session {
    /// Reads the message in a response. Its status only counts where there is no message: services differ
    /// in how they map faults to it.
    pub(super) fn understand(&self, head: &Head, response: connection::Response) -> Result<Response, Error> {
        let connection::Response { head: http, content_type, body, .. } = response;
        let content_type = content_type.as_deref();
        let status = http.status();
        let is_success = (200..300).contains(&status);
        let (direction, onlooker) = (Direction::Received(status), &self.0.onlooker);
        if body.is_empty() {
            onlooker.see(direction, self.peer(), "");
            return Err(if is_success { self.violated(Violation::Empty) } else { Error::Http { status } });
        }
        let seen = (!is_success).then(|| seen(content_type, &body));
        let shown = (!is_message(content_type)).then(|| onlooker.see_octets(direction, self.peer(), &body));
        let read = decode(content_type, body).map_err(Violation::from).and_then(|text| {
            if shown.is_none() {
                onlooker.see(direction, self.peer(), &text);
            }
            let bounds = Bounds { octets: usize::MAX, ..Bounds::default() };
            let answer = Response::parse(text, &bounds).map_err(Violation::Message)?;
            // Identify has no identifier that an answer could relate to.
            if !head.message_id.is_empty() {
                answer.require_relation(&head.message_id).map_err(Violation::Message)?;
            }
            Ok(answer)
        });
        match (read, seen) {
            (Err(Violation::Message(ResponseError::Fault(fault))), _) => Err(Error::Fault(fault)),
            (_, Some(seen)) => Err(match self.forwarder() {
                // The service itself would have sent a message, or nothing.
                Some(proxy) if matches!(status, 403 | 502..=504) => {
                    Error::Proxy { proxy: proxy.place(), reason: ProxyError::Status { status, seen } }
                }
                _ => Error::NoMessage { status, seen },
            }),
            (Ok(answer), None) => Ok(answer),
            (Err(violation), None) => Err(self.violated(violation)),
        }
    }

    /// An answer that lacks what the operation needs, where its body should have it.
    pub(crate) fn lacking(&self, what: &'static str, answer: &Response) -> Error {
        let (mut at, mut held) = ("s:Envelope/s:Body".to_owned(), None);
        if let Some(body) = answer.body() {
            (at, held) = (path(body), answer.content());
        }
        let held = held.map_or_else(|| "nothing".to_owned(), qualified_name);
        self.violated(Violation::Lacking { at: format!("{at}, which holds {held},"), what })
    }

    /// An element of an answer that lacks what the operation needs.
    pub(crate) fn lacking_in(&self, what: &'static str, element: Element<'_>) -> Error {
        self.violated(Violation::Lacking { at: path(element), what })
    }

    /// An element of an answer that cannot be read.
    pub(crate) fn unreadable(&self, element: Element<'_>, reason: impl ToString) -> Error {
        self.violated(Violation::Body { at: path(element), reason: reason.to_string() })
    }

    fn violated(&self, violation: Violation) -> Error {
        Error::Protocol { address: self.peer().to_owned(), violation }
    }
}

/// Where an element stands: `s:Envelope/s:Body/rsp:ReceiveResponse`.
fn path(element: Element<'_>) -> String {
    let mut names: Vec<_> =
        std::iter::successors(Some(element), Element::parent).map(qualified_name).collect();
    names.reverse();
    names.join("/")
}

/// The name of an element as it is written, as much of it as is worth repeating.
fn qualified_name(element: Element<'_>) -> String {
    let name = match element.prefix() {
        "" => element.name().to_owned(),
        prefix => format!("{prefix}:{}", element.name()),
    };
    name.chars().take(LONGEST_SHOWN).collect()
}

/// How much of a name is repeated.
const LONGEST_SHOWN: usize = 80;

/// Whether it says that it is a message (RFC 3902), rather than a page for people.
fn is_message(content_type: Option<&str>) -> bool {
    let media_type = content_type.and_then(|value| MediaType::parse(value).ok());
    media_type.is_some_and(|media_type| media_type.is("application/soap+xml"))
}

/// The text of a body; the parameter `charset` decides, then a byte order mark, else it is UTF-8.
fn decode(content_type: Option<&str>, body: Vec<u8>) -> Result<String, xml::EncodingError> {
    let media_type = content_type.and_then(|value| MediaType::parse(value).ok());
    let encoding = match media_type.as_ref().and_then(MediaType::charset) {
        Some(charset) => Encoding::from_charset(charset)?,
        None if body.starts_with(&[0xFF, 0xFE]) || body.starts_with(&[0xFE, 0xFF]) => Encoding::Utf16,
        None => Encoding::Utf8,
    };
    encoding.decode(body)
}
