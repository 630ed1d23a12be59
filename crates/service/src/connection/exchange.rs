//! HTTP properties of responses.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use auth::Scheme;
use http::{Date, MediaType, RequestHead, ResponseWriter, WriteError};
use xml::{Encoding, EncodingError};

use super::{MAX_COPIED, Next, Rejection};
use crate::authentication::Admission;
use crate::caller::Caller;

/// HTTP properties of the response to one request.
pub(crate) struct Exchange {
    pub(crate) next: Next,
    pub(crate) encoding: Encoding,
    /// The request was sealed, so the response must be sealed.
    pub(crate) is_sealed: bool,
    /// Media type, if it is not the one of plain SOAP.
    pub(crate) content_type: Option<&'static str>,
    /// Value of `WWW-Authenticate` that continues or completes a handshake.
    pub(crate) token: Option<String>,
    challenges: Vec<&'static str>,
}

impl Exchange {
    /// Creates a response after which the connection stays open if the client wants it to.
    pub(crate) fn new(head: &RequestHead) -> Self {
        let next = if head.keep_alive() { Next::Request } else { Next::Close };
        Self { next, ..Self::last() }
    }

    /// Creates a response after which the connection is closed.
    pub(crate) fn last() -> Self {
        Self {
            next: Next::Close,
            encoding: Encoding::Utf8,
            is_sealed: false,
            content_type: None,
            token: None,
            challenges: Vec::new(),
        }
    }

    /// Applies the result of authentication. Returns the caller, or `None` if it depends on the requested resource.
    ///
    /// # Errors
    /// Status 401, with the headers that the client needs to authenticate.
    pub(super) fn apply(&mut self, admission: Admission) -> Result<Option<Arc<Caller>>, Rejection> {
        match admission {
            Admission::Caller(caller, token) => {
                self.token = token;
                Ok(Some(caller))
            }
            Admission::ByResource => Ok(None),
            Admission::Continue(token) => {
                self.token = Some(token);
                Err(Rejection(401))
            }
            Admission::Challenge(schemes) => {
                self.challenge(&schemes);
                Err(Rejection(401))
            }
        }
    }

    /// Offers authentication schemes, with one `WWW-Authenticate` header each.
    pub(crate) fn challenge(&mut self, schemes: &[Scheme]) {
        self.challenges = schemes.iter().filter_map(|scheme| scheme.challenge()).collect();
    }

    /// Returns the media type of the message, with the character set of the request.
    pub(crate) fn text_media_type(&self) -> &'static str {
        match self.encoding {
            Encoding::Utf8 => "application/soap+xml;charset=UTF-8",
            Encoding::Utf16 => "application/soap+xml;charset=UTF-16",
        }
    }

    /// Writes the head with the headers of Windows, in the order of Windows. The buffer has room for a body that is
    /// copied behind the head.
    pub(crate) fn head(&self, status: u16, next: Next, length: usize) -> Result<Vec<u8>, WriteError> {
        let mut out = Vec::with_capacity(256 + length.min(MAX_COPIED));
        let mut writer = ResponseWriter::new(&mut out, status)?;
        if length > 0 {
            writer.header("Content-Type", self.content_type.unwrap_or(self.text_media_type()))?;
        }
        // Clients concatenate the values of all `WWW-Authenticate` headers, so a token must be the only one.
        for challenge in self.token.as_deref().into_iter().chain(self.challenges.iter().copied()) {
            writer.header("WWW-Authenticate", challenge)?;
        }
        if status == 405 {
            writer.header("Allow", "POST")?;
        }
        writer.header("Server", "Microsoft-HTTPAPI/2.0")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        writer.header("Date", Date::from_unix(now).as_str())?;
        if next == Next::Close {
            writer.header("Connection", "close")?;
        }
        writer.end(u64::try_from(length).unwrap_or(u64::MAX))?;
        Ok(out)
    }
}

/// Reason why the media type of a body is not supported.
pub(crate) enum BodyTypeError {
    /// The media type is not XML.
    MediaType,
    /// The character set is not supported (DSP0226 13.1).
    CharacterSet(EncodingError),
}

/// Returns the encoding of a body with this `Content-Type`.
pub(crate) fn encoding(content_type: Option<&str>) -> Result<Encoding, BodyTypeError> {
    let Some(header) = content_type else { return Ok(Encoding::Utf8) };
    let media_type = MediaType::parse(header).map_err(|_| BodyTypeError::MediaType)?;
    let is_soap = ["application/soap+xml", "text/xml", "application/xml"]
        .into_iter()
        .any(|essence| media_type.is(essence));
    if !is_soap {
        return Err(BodyTypeError::MediaType);
    }
    match media_type.charset() {
        Some(name) => Encoding::from_charset(name).map_err(BodyTypeError::CharacterSet),
        None => Ok(Encoding::Utf8),
    }
}

/// Returns the host name from the `Host` header, without the port.
pub(crate) fn host(head: &RequestHead) -> &str {
    let host = head.header("Host").unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
