//! Requests of event sources, which the collector of events answers.

use std::sync::Arc;

use auth::Scheme;
use http::{Credentials, RequestHead};
use tokio::sync::Notify;

use super::exchange::Exchange;
use super::{Connection, Disconnect, Link, Next, OpenedBody, Opening, Rejection, sealed};
use crate::endpoint::Transport;
use crate::event_endpoint::{EventAnswer, EventEndpoint, EventMessage, PathAccess, SourceProof};

/// Request to the collector of events.
pub(super) struct EventRequest {
    events: Arc<dyn EventEndpoint>,
    base: String,
    path: String,
}

impl<I: Link> Connection<'_, I> {
    /// Returns the request to the collector, or `None` if the path of a request does not belong to the collector.
    pub(super) fn event_request(&self, head: &RequestHead) -> Option<EventRequest> {
        let events = self.service.events.as_ref()?;
        let scheme = match self.peer.transport {
            Transport::Http => "http",
            Transport::Https => "https",
            Transport::Local => return None,
        };
        let (prefix, path) = self.peer.route.split(head.path())?;
        let host = head.header("Host").filter(|host| !host.is_empty())?;
        events.has_path(path).then(|| EventRequest {
            events: Arc::clone(events),
            base: format!("{scheme}://{host}{prefix}"),
            path: path.to_owned(),
        })
    }

    /// Responds to a request of an event source.
    pub(super) async fn answer_event_source(
        &mut self,
        head: &RequestHead,
        mut exchange: Exchange,
        request: EventRequest,
    ) -> Result<Next, Disconnect> {
        let permit = match request.events.path_access(&request.path).await {
            PathAccess::Authenticated => None,
            PathAccess::Granted(permit) => Some(permit),
            PathAccess::Refused(answer) => return self.refuse_event_source(head, exchange, answer).await,
        };
        let proof = match permit.is_some() && self.accepts_path_as_proof(head) {
            true => Ok(SourceProof::Path),
            false => self.source_proof(head, &mut exchange).await,
        };
        let proof = match proof {
            Ok(proof) => proof,
            Err(Rejection(status)) => return self.send_status_after_body(head, exchange, status).await,
        };
        let is_sealed = sealed::is_sealed(head);
        let limit = if is_sealed { sealed::largest(self.largest_body()) } else { self.largest_body() };
        let caller = match &proof {
            SourceProof::Account(caller) => Some(Arc::clone(caller)),
            SourceProof::Certificate(_) | SourceProof::Path => None,
        };
        let body = match self.body(head, limit, caller.as_deref()).await? {
            Ok(body) => body,
            Err(Rejection(status)) => return self.reject(status).await,
        };
        let OpenedBody { exchange, bytes: body, .. } = match self.open_body(head, exchange, body).await? {
            Opening::Opened(opened) => opened,
            Opening::Responded(next) => return Ok(next),
        };
        let _request = match &caller {
            Some(caller) => match self.slot.begin_request(caller, &self.service.config()) {
                Ok(request) => Some(request),
                Err(busy) => return self.send_busy(exchange, &busy).await,
            },
            None => None,
        };
        let EventRequest { events, base, path } = request;
        let message = EventMessage {
            proof,
            address: self.peer.address.ip(),
            transport: self.peer.transport,
            base,
            path,
            content_encoding: head.header("Content-Encoding").map(str::to_owned),
            body,
        };
        let Some(answer) = self.await_answer(Box::pin(events.answer(message)), &Notify::new()).await else {
            return Err(Disconnect("the event source reset the connection"));
        };
        drop(permit);
        self.is_event_source |= matches!(answer.status, 200 | 204);
        self.send_event_answer(exchange, answer).await
    }

    async fn send_event_answer(
        &mut self,
        mut exchange: Exchange,
        answer: EventAnswer,
    ) -> Result<Next, Disconnect> {
        exchange.encoding = answer.encoding;
        if answer.envelope.is_empty() {
            return self.send(exchange, answer.status, None).await;
        }
        let body = exchange.encoding.encode(answer.envelope);
        let body = if exchange.is_sealed { self.seal(&mut exchange, body)? } else { body };
        self.send(exchange, answer.status, Some(body)).await
    }

    /// Responds to a request whose path contains a secret that is not valid, without reading its message.
    async fn refuse_event_source(
        &mut self,
        head: &RequestHead,
        mut exchange: Exchange,
        answer: EventAnswer,
    ) -> Result<Next, Disconnect> {
        if head.expects_continue() || !self.discard_body(head).await? {
            exchange.next = Next::Close;
        }
        self.send_event_answer(exchange, answer).await
    }

    /// Returns whether a secret in the path proves the identity of a source: if the network cannot read it, and the source
    /// has not begun to authenticate in another way.
    fn accepts_path_as_proof(&mut self, head: &RequestHead) -> bool {
        let is_private =
            self.peer.transport == Transport::Https || self.service.config().service.allow_unencrypted;
        is_private && head.header("Authorization").is_none() && self.authentication.established().is_none()
    }

    /// Returns the proof of a source's identity: by the `Authorization` header or the state of the connection, or by
    /// the certificate of the TLS handshake.
    ///
    /// # Errors
    /// The status of the response to a source that is not authenticated.
    async fn source_proof(
        &mut self,
        head: &RequestHead,
        exchange: &mut Exchange,
    ) -> Result<SourceProof, Rejection> {
        let header = head.header("Authorization").and_then(|header| Credentials::parse(header).ok());
        let scheme = header.and_then(|credentials| Scheme::from_name(credentials.scheme()));
        let names_account = match scheme {
            Some(scheme) => scheme != Scheme::Certificate,
            None => self.authentication.established().is_some(),
        };
        if let Some(certificates) = self.authentication.certificates().filter(|_| !names_account) {
            return Ok(SourceProof::Certificate(certificates));
        }
        let config = self.service.config();
        let admission = self.authentication.admit(head, &self.service.sign_in, &config).await;
        let Some(caller) = exchange.apply(admission)? else { return Err(Rejection(401)) };
        self.count_for_account(&caller);
        Ok(SourceProof::Account(caller))
    }
}
