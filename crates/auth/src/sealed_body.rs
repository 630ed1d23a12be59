//! HTTP bodies that are sealed by the authentication before them (MS-WSMV 2.2.9.1).
//!
//! ```text
//! Content-Type: multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"
//!
//! --Encrypted Boundary
//! →Content-Type: application/HTTP-SPNEGO-session-encrypted
//! →OriginalContent: type=application/soap+xml;charset=UTF-8;Length=1547
//! --Encrypted Boundary
//! →Content-Type: application/octet-stream
//! ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒--Encrypted Boundary--
//! ```
//!
//! Lines end with CR LF, an arrow is a TAB. What is sealed begins with the length of the mechanism's header, in
//! four octets of which the least comes first; then come the header and the ciphertext.
//! No empty line precedes it and nothing separates it from the boundary after it: where it ends is counted, never
//! searched for, because ciphertext may look like anything.
//!
//! A context with a [`largest_message`](SecurityContext::largest_message) gets longer bodies in several parts, and
//! the type is `multipart/x-multi-encrypted` then.
//!
//! Every message moves the counters of its context, so bodies are sealed in the order in which they are sent, and
//! after an error neither the context nor the connection is of any use.

mod content_type;
mod layout;
#[cfg(test)]
mod tests;

use self::content_type::{Form, Original, Wrapping};
use self::layout::Part;
use crate::{Scheme, SealError, SecurityContext};

/// How the mechanism's messages are laid out, which follows from the scheme and not from the mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Scheme Negotiate, also when its tokens were those of Kerberos or NTLM alone (MS-WSMV 2.2.9.1.1).
    Spnego,
    /// Scheme Kerberos (MS-WSMV 2.2.9.1.2).
    Kerberos,
    /// Scheme CredSSP: what is sealed is one or more TLS records (MS-WSMV 2.2.9.1.3).
    CredSsp,
}

impl Protocol {
    /// The protocol that goes with a scheme; none if the scheme seals nothing.
    #[must_use]
    pub fn of(scheme: Scheme) -> Option<Self> {
        match scheme {
            Scheme::Negotiate => Some(Self::Spnego),
            Scheme::Kerberos => Some(Self::Kerberos),
            Scheme::CredSsp => Some(Self::CredSsp),
            Scheme::Basic | Scheme::Certificate | Scheme::Local => None,
        }
    }

    /// The name in the headers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spnego => "application/HTTP-SPNEGO-session-encrypted",
            Self::Kerberos => "application/HTTP-Kerberos-session-encrypted",
            Self::CredSsp => "application/HTTP-CredSSP-session-encrypted",
        }
    }
}

/// A body as it is sent.
#[derive(Debug)]
pub struct SealedBody {
    /// The value of the header `Content-Type`.
    pub content_type: &'static str,
    /// What follows the head.
    pub body: Vec<u8>,
}

/// A body as it was before it was sealed.
#[derive(Debug)]
pub struct OpenBody {
    /// What would have been the value of the header `Content-Type`: `application/soap+xml;charset=UTF-8`.
    ///
    /// The seal does not cover it: whoever is on the way may have changed it.
    pub content_type: String,
    /// At most as many octets as the limit allowed.
    pub body: Vec<u8>,
}

/// Why a body was not sealed or opened. The peer is told none of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedBodyError {
    /// `Content-Type` is another one, or cannot be read.
    #[error("the content type is not that of a sealed body")]
    ContentType,
    /// It names a protocol that is not the one of this connection.
    #[error("the body is sealed for another way of authentication than that of the connection")]
    Protocol,
    /// Something between the sealed octets is not where it belongs.
    #[error("part {part} of the sealed body is malformed: {what}")]
    Malformed {
        /// Counted from one.
        part: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// More octets than the limit were announced.
    #[error("the sealed body holds more than {limit} octets")]
    TooLarge {
        /// The limit, in octets.
        limit: usize,
    },
    /// More parts than so many octets can need.
    #[error("the sealed body has more than {limit} parts")]
    TooManyParts {
        /// The limit.
        limit: usize,
    },
    /// Other than so many octets were sealed in a part.
    #[error("part {part} of the sealed body is not as long as it says")]
    WrongLength {
        /// Counted from one.
        part: usize,
    },
    /// The context refused.
    #[error(transparent)]
    Context(#[from] SealError),
}

/// Whether a `Content-Type` announces a sealed body, be it well-formed or not.
#[must_use]
pub fn is_sealed(content_type: &str) -> bool {
    Form::of(content_type).is_some()
}

/// Seals a body whose `Content-Type` would have been `content_type`.
///
/// The octets are sealed in place and copied once.
///
/// # Errors
/// [`SealedBodyError::ContentType`] for a content type that does not fit into the line for it, and whatever the
/// context says.
pub fn seal(
    context: &mut dyn SecurityContext,
    protocol: Protocol,
    content_type: &str,
    mut body: Vec<u8>,
) -> Result<SealedBody, SealedBodyError> {
    if !context.can_seal() {
        return Err(SealError::Unavailable.into());
    }
    if !content_type::can_be_announced(content_type) {
        return Err(SealedBodyError::ContentType);
    }
    let largest = context.largest_message().unwrap_or(usize::MAX).max(1);
    let parts = body.len().div_ceil(largest).max(1);
    let layout = layout::Layout { protocol, content_type };
    let mut sealed = Vec::with_capacity(body.len() + parts * layout.overhead() + layout::CLOSING.len());
    if parts == 1 {
        layout.write(context, &mut body, &mut sealed)?;
    } else {
        let mut message = Vec::with_capacity(largest);
        for chunk in body.chunks(largest) {
            message.clear();
            message.extend_from_slice(chunk);
            layout.write(context, &mut message, &mut sealed)?;
        }
    }
    sealed.extend_from_slice(layout::CLOSING);
    let form = if parts == 1 { Form::One } else { Form::Several };
    Ok(SealedBody { content_type: form.content_type(protocol), body: sealed })
}

/// Opens a body that came with `content_type` on a connection whose scheme goes with `protocol`.
///
/// At most `limit` octets come out. Where each part lies is found before the first one is opened; the octets of a
/// single part are opened where they are.
///
/// # Errors
/// [`SealedBodyError`]. Answer 400 without saying why, and close the connection.
pub fn unseal(
    context: &mut dyn SecurityContext,
    protocol: Protocol,
    content_type: &str,
    body: Vec<u8>,
    limit: usize,
) -> Result<OpenBody, SealedBodyError> {
    let wrapping = Wrapping::parse(content_type)?;
    if !wrapping.protocol.eq_ignore_ascii_case(protocol.name()) {
        return Err(SealedBodyError::Protocol);
    }
    let (original, parts) = layout::find(&body, &wrapping, protocol, limit)?;
    let mut body = match parts.as_slice() {
        [only] => open_in_place(context, protocol, only, body)?,
        parts => open_each(context, protocol, parts, &body)?,
    };
    drop_padding(&original, &mut body);
    Ok(OpenBody { content_type: original.content_type, body })
}

fn open_in_place(
    context: &mut dyn SecurityContext,
    protocol: Protocol,
    part: &Part,
    mut body: Vec<u8>,
) -> Result<Vec<u8>, SealedBodyError> {
    let header = body.get(part.header.clone()).unwrap_or_default().to_vec();
    body.truncate(part.sealed.end);
    body.drain(..part.sealed.start.min(body.len()));
    context.unseal(&header, &mut body)?;
    part.check_length(1, protocol, body.len())?;
    Ok(body)
}

fn open_each(
    context: &mut dyn SecurityContext,
    protocol: Protocol,
    parts: &[Part],
    body: &[u8],
) -> Result<Vec<u8>, SealedBodyError> {
    let mut open = Vec::with_capacity(parts.iter().map(|part| part.length).sum());
    let mut message = Vec::new();
    for (number, part) in (1..).zip(parts) {
        message.clear();
        message.extend_from_slice(body.get(part.sealed.clone()).unwrap_or_default());
        context.unseal(body.get(part.header.clone()).unwrap_or_default(), &mut message)?;
        part.check_length(number, protocol, message.len())?;
        open.extend_from_slice(&message);
    }
    Ok(open)
}

/// A client in the field fills its messages up with zeros and counts them. No XML can end in one, but UTF-16 can.
fn drop_padding(original: &Original, body: &mut Vec<u8>) {
    if original.is_utf8 {
        let length = body.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
        body.truncate(length);
    }
}
