//! Messages that the authentication of the connection seals.

use auth::Scheme;
use auth::sealed_body::{self, OpenBody, Protocol, SealedBodyError};
use http::{MediaType, RequestHead};

use super::exchange::Exchange;
use super::{Connection, Ended, Link};
use crate::listener::Transport;

impl<I: Link> Connection<'_, I> {
    /// Opens a sealed body with what the connection was authenticated with.
    pub(super) fn unseal(&mut self, head: &RequestHead, body: Vec<u8>) -> Result<OpenBody, SealedBodyError> {
        let limit = self.largest_body();
        let established = self.authentication.established().ok_or(SealedBodyError::Protocol)?;
        let protocol = Protocol::of(established.scheme()).ok_or(SealedBodyError::Protocol)?;
        let content_type = head.header("Content-Type").unwrap_or_default();
        sealed_body::unseal(established.context(), protocol, content_type, body, limit)
    }

    /// Seals an answer; what is sealed first must be sent first.
    pub(super) fn seal(&mut self, exchange: &mut Exchange, body: Vec<u8>) -> Result<Vec<u8>, Ended> {
        let failed = Ended("the answer cannot be sealed");
        let Some(established) = self.authentication.established() else { return Err(failed) };
        let Some(protocol) = Protocol::of(established.scheme()) else { return Err(failed) };
        let plain_type = exchange.plain_type();
        let sealed =
            sealed_body::seal(established.context(), protocol, plain_type, body).map_err(|_| failed)?;
        exchange.content_type = Some(sealed.content_type);
        Ok(sealed.body)
    }

    /// Whether a message may not come as it is: over HTTP with a scheme that seals, unless the settings allow it.
    pub(super) fn must_be_sealed(&mut self) -> bool {
        let is_open =
            self.peer.transport == Transport::Http && !self.service.config().service.allow_unencrypted;
        let scheme = self.authentication.established().map(|established| established.scheme());
        is_open && matches!(scheme, Some(Scheme::Negotiate | Scheme::Kerberos | Scheme::CredSsp))
    }
}

/// Whether the body of a request says that it is sealed.
pub(super) fn is_sealed(head: &RequestHead) -> bool {
    let media_type = head.header("Content-Type").and_then(|header| MediaType::parse(header).ok());
    let is = |essence| media_type.as_ref().is_some_and(|media_type| media_type.is(essence));
    is("multipart/encrypted") || is("multipart/x-multi-encrypted")
}

/// The largest sealed body, of what may be sealed in it: headers and boundaries take about a tenth at most.
pub(super) fn largest(open: usize) -> usize {
    open.saturating_add(open / 10).saturating_add(4_096)
}
