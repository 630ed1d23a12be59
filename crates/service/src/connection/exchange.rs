//! What is to be said back, in terms of HTTP.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use auth::Scheme;
use http::{Date, MediaType, RequestHead, ResponseWriter, WriteError};
use xml::{Encoding, EncodingError};

use super::{Next, Refusal};
use crate::access::Caller;
use crate::authentication::Admission;

/// One request's answer in the making.
pub(crate) struct Exchange {
    pub(crate) next: Next,
    pub(crate) encoding: Encoding,
    /// The request was sealed, so the answer has to be.
    pub(crate) is_sealed: bool,
    /// Instead of that of plain text.
    pub(crate) content_type: Option<&'static str>,
    /// The value of `WWW-Authenticate` that goes on with an authentication, or ends it.
    pub(crate) token: Option<String>,
    challenges: Vec<&'static str>,
}

impl Exchange {
    /// An answer after which the connection goes on if the client wants it.
    pub(crate) fn new(head: &RequestHead) -> Self {
        let next = if head.keep_alive() { Next::Request } else { Next::Close };
        Self { next, ..Self::last() }
    }

    /// An answer after which the connection is closed.
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

    /// Who asks; none if that depends on what is asked for. Whoever is not let in yet is told how to go on.
    pub(super) fn admitted(&mut self, admission: Admission) -> Result<Option<Arc<Caller>>, Refusal> {
        match admission {
            Admission::Caller(caller, token) => {
                self.token = token;
                Ok(Some(caller))
            }
            Admission::ByResource => Ok(None),
            Admission::Continue(token) => {
                self.token = Some(token);
                Err(Refusal(401))
            }
            Admission::Challenge(schemes) => {
                self.challenge(&schemes);
                Err(Refusal(401))
            }
        }
    }

    /// Offers schemes, one line each.
    pub(crate) fn challenge(&mut self, schemes: &[Scheme]) {
        self.challenges = schemes.iter().filter_map(|scheme| scheme.challenge()).collect();
    }

    /// The type of the answer's text, which is that of the request's.
    pub(crate) fn plain_type(&self) -> &'static str {
        match self.encoding {
            Encoding::Utf8 => "application/soap+xml;charset=UTF-8",
            Encoding::Utf16 => "application/soap+xml;charset=UTF-16",
        }
    }

    /// Writes the head: the headers of Windows, in its order.
    pub(crate) fn head(&self, status: u16, next: Next, length: usize) -> Result<Vec<u8>, WriteError> {
        let mut out = Vec::with_capacity(256);
        let mut writer = ResponseWriter::new(&mut out, status)?;
        if length > 0 {
            writer.header("Content-Type", self.content_type.unwrap_or(self.plain_type()))?;
        }
        // Clients read a token at the end of all such lines together, so it has to be the only one.
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

/// Why a body cannot be read as text.
pub(crate) enum Unreadable {
    /// It says that it is no XML at all.
    MediaType,
    /// Its character set is not one of those the protocol knows (DSP0226 13.1).
    CharacterSet(EncodingError),
}

/// How a body with this `Content-Type` is encoded.
pub(crate) fn encoding(content_type: Option<&str>) -> Result<Encoding, Unreadable> {
    let Some(header) = content_type else { return Ok(Encoding::Utf8) };
    let media_type = MediaType::parse(header).map_err(|_| Unreadable::MediaType)?;
    let is_soap = ["application/soap+xml", "text/xml", "application/xml"]
        .into_iter()
        .any(|essence| media_type.is(essence));
    if !is_soap {
        return Err(Unreadable::MediaType);
    }
    match media_type.charset() {
        Some(name) => Encoding::from_charset(name).map_err(Unreadable::CharacterSet),
        None => Ok(Encoding::Utf8),
    }
}

/// The name the client called this machine by, without the port.
pub(crate) fn host(head: &RequestHead) -> &str {
    let host = head.header("Host").unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
