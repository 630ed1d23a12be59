//! Messages sealed with the security context of the connection (MS-WSMV 2.2.9.1).

use auth::Scheme;
use auth::sealed_body::{self, OpenBody, Protocol, SealedBodyError};
use http::{MediaType, RequestHead};

use super::exchange::Exchange;
use super::{Connection, Disconnect, Link};
use crate::endpoint::Transport;

impl<I: Link> Connection<'_, I> {
    /// Unseals a body with the security context of the connection.
    pub(super) fn unseal(&mut self, head: &RequestHead, body: Vec<u8>) -> Result<OpenBody, SealedBodyError> {
        let limit = self.largest_body();
        let established = self.authentication.established().ok_or(SealedBodyError::Protocol)?;
        let protocol = Protocol::of(established.scheme()).ok_or(SealedBodyError::Protocol)?;
        let content_type = head.header("Content-Type").unwrap_or_default();
        sealed_body::unseal(established.context(), protocol, content_type, body, limit)
    }

    /// Seals a response. Responses must be sent in the order in which they are sealed.
    pub(super) fn seal(&mut self, exchange: &mut Exchange, body: Vec<u8>) -> Result<Vec<u8>, Disconnect> {
        let failed = Disconnect("cannot seal the response");
        let Some(established) = self.authentication.established() else { return Err(failed) };
        let Some(protocol) = Protocol::of(established.scheme()) else { return Err(failed) };
        let text_media_type = exchange.text_media_type();
        let sealed =
            sealed_body::seal(established.context(), protocol, text_media_type, body).map_err(|_| failed)?;
        exchange.content_type = Some(sealed.content_type);
        Ok(sealed.body)
    }

    /// Returns whether messages must be sealed: over HTTP with a scheme that can seal, unless the settings allow plain
    /// text.
    pub(super) fn must_be_sealed(&mut self) -> bool {
        let is_protected =
            self.peer.transport != Transport::Http || self.service.config().service.allow_unencrypted;
        let scheme = self.authentication.established().map(|established| established.scheme());
        !is_protected && matches!(scheme, Some(Scheme::Negotiate | Scheme::Kerberos | Scheme::CredSsp))
    }
}

/// Returns whether the media type of a request is that of a sealed body.
pub(super) fn is_sealed(head: &RequestHead) -> bool {
    let media_type = head.header("Content-Type").and_then(|header| MediaType::parse(header).ok());
    media_type.is_some_and(|media_type| {
        media_type.is("multipart/encrypted") || media_type.is("multipart/x-multi-encrypted")
    })
}

/// Returns the maximum size of a sealed body for a maximum size of its content. Headers and boundaries add a tenth at
/// most.
pub(super) fn largest(open: usize) -> usize {
    open.saturating_add(open / 10).saturating_add(4_096)
}
