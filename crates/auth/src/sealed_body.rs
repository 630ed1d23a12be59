//! HTTP bodies that are sealed by the preceding authentication (MS-WSMV 2.2.9.1).
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
//! Lines end with CR LF; an arrow stands for a TAB. The sealed data begins with the length of the mechanism's header,
//! four bytes in little-endian order, followed by the header and the ciphertext. No empty line precedes it and no line
//! break separates it from the next boundary. Its end is computed from lengths, never searched for, because ciphertext
//! can contain anything.
//!
//! A context with a [`largest_message`](SecurityContext::largest_message) splits longer bodies into several parts; the
//! type is `multipart/x-multi-encrypted` then.
//!
//! Every message advances the counters of its context. So bodies must be sealed in the order in which they are sent,
//! and after an error neither the context nor the connection can be used.

mod content_type;
mod layout;

use self::content_type::{Form, Original, Wrapping};
use self::layout::Part;
use crate::{Scheme, SealError, SecurityContext};

/// Sealing protocol. It follows from the authentication scheme, not from the mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Scheme Negotiate, also if its tokens were those of Kerberos or NTLM without SPNEGO (MS-WSMV 2.2.9.1.1).
    Spnego,
    /// Scheme Kerberos (MS-WSMV 2.2.9.1.2).
    Kerberos,
    /// Scheme CredSSP: the sealed data is one or more TLS records (MS-WSMV 2.2.9.1.3).
    CredSsp,
}

impl Protocol {
    /// Returns the protocol of a scheme; `None` if the scheme does not seal.
    #[must_use]
    pub fn of(scheme: Scheme) -> Option<Self> {
        match scheme {
            Scheme::Negotiate => Some(Self::Spnego),
            Scheme::Kerberos => Some(Self::Kerberos),
            Scheme::CredSsp => Some(Self::CredSsp),
            Scheme::Basic | Scheme::Certificate | Scheme::Local => None,
        }
    }

    /// Name in the `Content-Type` headers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spnego => "application/HTTP-SPNEGO-session-encrypted",
            Self::Kerberos => "application/HTTP-Kerberos-session-encrypted",
            Self::CredSsp => "application/HTTP-CredSSP-session-encrypted",
        }
    }
}

/// A sealed body, ready to send.
#[derive(Debug)]
pub struct SealedBody {
    /// Value of the `Content-Type` header.
    pub content_type: &'static str,
    /// Body of the message.
    pub body: Vec<u8>,
}

/// An unsealed body.
#[derive(Debug)]
pub struct OpenBody {
    /// Original value of the `Content-Type` header, such as `application/soap+xml;charset=UTF-8`.
    ///
    /// The seal does not cover this value: an attacker on the network may have changed it.
    pub content_type: String,
    /// Unsealed bytes, at most as many as the limit allows.
    pub body: Vec<u8>,
}

/// Reason why a body was not sealed or opened. It is never sent to the peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedBodyError {
    /// The `Content-Type` is not that of a sealed body or cannot be parsed.
    #[error("content type is not that of a sealed body")]
    ContentType,
    /// The body names a protocol other than that of this connection.
    #[error("body is sealed with a protocol other than that of the connection")]
    Protocol,
    /// The structure around the sealed data is malformed.
    #[error("part {part} of the sealed body is malformed: {what}")]
    Malformed {
        /// Number of the part, from 1.
        part: usize,
        /// Cause.
        what: &'static str,
    },
    /// A part contains neither a signature nor sealed data, as clients send that have no keys.
    #[error("part {part} of the sealed body is empty: the client has no session")]
    Empty {
        /// Number of the part, from 1.
        part: usize,
    },
    /// The announced length exceeds the limit.
    #[error("sealed body exceeds {limit} bytes")]
    TooLarge {
        /// Limit in bytes.
        limit: usize,
    },
    /// There are more parts than that many bytes need.
    #[error("sealed body has more than {limit} parts")]
    TooManyParts {
        /// Maximum number of parts.
        limit: usize,
    },
    /// A part does not contain as many bytes as it announces.
    #[error("part {part} of the sealed body does not have the announced length")]
    WrongLength {
        /// Number of the part, from 1.
        part: usize,
    },
    /// The security context failed.
    #[error(transparent)]
    Context(#[from] SealError),
}

/// Returns `true` if a `Content-Type` announces a sealed body, well-formed or not.
#[must_use]
pub fn is_sealed(content_type: &str) -> bool {
    Form::of(content_type).is_some()
}

/// Seals a body whose original `Content-Type` is `content_type`.
///
/// The bytes are sealed in place and copied once.
///
/// # Errors
/// [`SealedBodyError::ContentType`] for a content type that does not fit into its header line, and the errors of the
/// context.
pub fn seal(
    context: &mut dyn SecurityContext,
    protocol: Protocol,
    content_type: &str,
    mut body: Vec<u8>,
) -> Result<SealedBody, SealedBodyError> {
    if !context.can_seal() {
        return Err(SealError::Unavailable.into());
    }
    if !content_type::is_valid(content_type) {
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

/// Opens a body that was received with `content_type` on a connection with this protocol.
///
/// At most `limit` bytes are returned. All parts are located before the first one is opened. The bytes of a single part
/// are opened in place.
///
/// # Errors
/// [`SealedBodyError`]. Respond with 400 without details and close the connection.
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

/// Removes trailing zeros from UTF-8: some clients pad their messages with zeros and include them in the length. No XML
/// ends in a NUL, but UTF-16 text can end in a zero byte.
fn drop_padding(original: &Original, body: &mut Vec<u8>) {
    if original.is_utf8 {
        let length = body.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
        body.truncate(length);
    }
}
