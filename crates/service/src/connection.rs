//! A client connection: HTTP/1.1, one request at a time.
//!
//! If the client resets the connection, the operation in progress is cancelled at once. If it closes only its own
//! direction, the service cannot tell whether it has closed the connection (`close`) or has only finished sending
//! (`shutdown`). The service therefore still responds, but does not wait long: an operation that is not finished after
//! three seconds ends as if its timeout had expired. A client that is still there can retry, and a client that is gone
//! occupies no resources. In both cases, the output of a plug-in is discarded only once the client has received it; see
//! [`delivery`].

mod body;
mod delivery;
mod events;
mod exchange;
mod head;
mod link;
mod sealed;
mod socket_status;

use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use auth::{CertificateProof, ChannelBinding, Scheme};
use http::{BodyFraming, Method, RequestHead};
use limits::Busy;
use sddl::Sid;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::time::timeout;
use xml::Encoding;

use self::delivery::PendingDelivery;
use self::exchange::{BodyTypeError, Exchange};
pub(crate) use self::link::Link;
use self::link::receive;
use crate::answer::{ANONYMOUS_REQUEST, Message, MessageKind};
use crate::authentication::Authentication;
use crate::caller::Caller;
use crate::connection_table::ConnectionSlot;
use crate::endpoint::Transport;
use crate::route::Route;
use crate::service::Service;

/// The client end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) route: Route,
    /// Channel binding of the TLS connection.
    pub(crate) channel: Option<ChannelBinding>,
    /// Certificate that the client presented in the TLS handshake.
    pub(crate) certificate: Option<CertificateProof>,
}

/// Serves an unauthenticated connection until either end closes it.
pub(crate) fn serve<'s, I: Link>(
    io: I,
    mut peer: Peer,
    slot: &'s ConnectionSlot,
    service: &'s Arc<Service>,
) -> impl Future<Output = ()> + Send {
    let (channel, certificate) = (peer.channel.clone(), peer.certificate.take());
    let anonymous = Authentication::new(peer.address.ip(), peer.transport, channel, certificate);
    serve_as(io, peer, anonymous, slot, service)
}

/// Serves a connection with a given authentication state until either end closes it.
///
/// A connection is idle most of the time, so the future must be small. It is therefore no `async fn`, whose arguments
/// would remain in the future beside the `Connection` that is made from them.
pub(crate) fn serve_as<'s, I: Link>(
    io: I,
    peer: Peer,
    authentication: Authentication,
    slot: &'s ConnectionSlot,
    service: &'s Arc<Service>,
) -> impl Future<Output = ()> + Send {
    let mut connection = Connection {
        io,
        received: Vec::new(),
        pending_delivery: None,
        authentication,
        peer,
        slot,
        service,
        account: None,
        is_event_source: false,
    };
    async move {
        // One future for all requests: registering with both signals anew would cost time for each request.
        let mut closing = pin!(closing(connection.service, connection.peer.route.clone()));
        let ended = loop {
            match connection.exchange(closing.as_mut()).await {
                Ok(Next::Request) => {}
                Ok(Next::Close) => break None,
                Err(ended) => break Some(ended),
            }
        };
        if let Some(Disconnect(reason)) = &ended {
            tracing::trace!(peer = %connection.peer.address, reason, "Connection ended");
        }
        Box::pin(connection.end(ended)).await;
    }
}

struct Connection<'s, I> {
    io: I,
    /// Bytes received and not yet processed; empty and without allocation while the connection is idle.
    received: Vec<u8>,
    /// The last response, while its delivery callback is pending.
    pending_delivery: Option<PendingDelivery>,
    authentication: Authentication,
    peer: Peer,
    slot: &'s ConnectionSlot,
    service: &'s Arc<Service>,
    /// Account of the last authenticated request; once it is set, the connection may be idle for longer.
    account: Option<Sid>,
    /// Whether the collector has answered a request; the connection may be idle for longer then, too.
    is_event_source: bool,
}

/// State of the connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Request,
    Close,
}

/// The connection has ended without a response; the reason is for the log.
struct Disconnect(&'static str);

/// A rejected request, with the status to respond with.
struct Rejection(u16);

impl<I: Link> Connection<'_, I> {
    /// Receives one request and responds to it. An idle connection ends when `closing` is ready.
    async fn exchange(
        &mut self,
        closing: Pin<&mut impl Future<Output = Disconnect>>,
    ) -> Result<Next, Disconnect> {
        let head = match self.head(closing).await? {
            Ok(head) => head,
            Err(error) => {
                if proxyprotocol::has_signature(&self.received) {
                    self.service.balancers.report_forgery(self.peer.address.ip());
                }
                tracing::debug!(peer = %self.peer.address, %error, "Malformed HTTP request");
                return self.reject(error.status()).await;
            }
        };
        let mut exchange = Exchange::new(&head);
        if let Some(request) = self.event_request(&head).filter(|_| head.method() == Method::Post) {
            if self.service.shutdown.has_begun() {
                return self.send_status_after_body(&head, exchange, 503).await;
            }
            // Boxed so that the future of an idle connection stays small.
            return Box::pin(self.answer_event_source(&head, exchange, request)).await;
        }
        let target = match self.target(&head) {
            Ok(target) => target,
            Err(Rejection(status)) => return self.send_status_after_body(&head, exchange, status).await,
        };
        let asks_anonymously =
            head.header("WSMANIDENTIFY").is_some() && head.header("Authorization").is_none();
        if target == RequestTarget::Anonymous || asks_anonymously {
            return self.answer_anonymous(&head, exchange).await;
        }
        let admission = {
            let config = self.service.config();
            self.authentication.admit(&head, &self.service.sign_in, &config).await
        };
        let caller = match exchange.apply(admission) {
            Ok(caller) => caller,
            Err(Rejection(status)) => return self.send_status_after_body(&head, exchange, status).await,
        };
        if let Some(caller) = &caller {
            self.count_for_account(caller);
        }
        // Boxed so that the future of an idle connection stays small.
        Box::pin(self.answer(&head, exchange, caller)).await
    }

    /// Returns the target of a request, or the status with which to reject it.
    fn target(&self, head: &RequestHead) -> Result<RequestTarget, Rejection> {
        if self.service.shutdown.has_begun() {
            return Err(Rejection(503));
        }
        let target = RequestTarget::of(head.path(), &self.peer.route).ok_or(Rejection(404))?;
        if head.method() == Method::Post { Ok(target) } else { Err(Rejection(405)) }
    }

    /// Receives the body of a request and responds to its message.
    ///
    /// `caller` is `None` if the client's certificate is to be mapped to an account, which depends on the resource in
    /// the body.
    async fn answer(
        &mut self,
        head: &RequestHead,
        mut exchange: Exchange,
        caller: Option<Arc<Caller>>,
    ) -> Result<Next, Disconnect> {
        let is_sealed = sealed::is_sealed(head);
        let limit = if is_sealed { sealed::largest(self.largest_body()) } else { self.largest_body() };
        let mut encoding = Ok(Encoding::Utf8);
        if !is_sealed {
            encoding = exchange::encoding(head.header("Content-Type"));
            if let Err(BodyTypeError::MediaType) = encoding {
                return self.send_status_after_body(head, exchange, 415).await;
            }
        }
        let body = match self.body(head, limit, caller.as_deref()).await? {
            Ok(body) => body,
            Err(Rejection(status)) => return self.reject(status).await,
        };
        let caller = match caller {
            Some(caller) => caller,
            // Boxed so that the future of the other schemes stays small.
            None => match Box::pin(self.by_certificate(&body, &encoding)).await {
                Some(caller) => caller,
                None => {
                    exchange.challenge(&self.offered_schemes());
                    return self.send(exchange, 401, None).await;
                }
            },
        };
        let OpenedBody { exchange, bytes, content_type } = match self.open_body(head, exchange, body).await? {
            Opening::Opened(opened) => opened,
            Opening::Responded(next) => return Ok(next),
        };
        if let Some(content_type) = content_type {
            encoding = exchange::encoding(Some(&content_type));
        }
        self.answer_plain(head, exchange, caller, PlainBody { bytes, encoding }).await
    }

    /// Unseals the body of an authenticated request. Responds to an empty one, and to one that should be sealed.
    async fn open_body(
        &mut self,
        head: &RequestHead,
        mut exchange: Exchange,
        body: Vec<u8>,
    ) -> Result<Opening, Disconnect> {
        if body.is_empty() {
            // Clients that seal their messages send an empty request to complete the handshake.
            let completes_handshake = head.header("Authorization").is_some();
            let mut status = 200;
            if !completes_handshake && self.authentication.established().is_some() {
                // Clients with a new context for each message begin their next handshake with such a request. The
                // current context remains in use until a new Authorization header arrives.
                exchange.challenge(&self.offered_schemes());
                status = 401;
            }
            return self.send(exchange, status, None).await.map(Opening::Responded);
        }
        if sealed::is_sealed(head) {
            return match self.unseal(head, body) {
                Ok(open) => {
                    exchange.is_sealed = true;
                    let content_type = Some(open.content_type);
                    Ok(Opening::Opened(OpenedBody { exchange, bytes: open.body, content_type }))
                }
                // The sequence numbers of the two ends no longer agree, so the connection is unusable.
                Err(error) => {
                    tracing::warn!(peer = %self.peer.address, %error, "Cannot unseal message");
                    self.reject(400).await.map(Opening::Responded)
                }
            };
        }
        if self.must_be_sealed() {
            tracing::warn!(
                peer = %self.peer.address,
                "Rejected unencrypted message over HTTP: Service/AllowUnencrypted is false"
            );
            return self.send(exchange, 500, None).await.map(Opening::Responded);
        }
        Ok(Opening::Opened(OpenedBody { exchange, bytes: body, content_type: None }))
    }

    /// Responds to a message that was unsealed or was not sealed.
    async fn answer_plain(
        &mut self,
        head: &RequestHead,
        mut exchange: Exchange,
        caller: Arc<Caller>,
        body: PlainBody,
    ) -> Result<Next, Disconnect> {
        let encoding = match body.encoding {
            Ok(encoding) => encoding,
            Err(BodyTypeError::MediaType) => return self.send(exchange, 415, None).await,
            Err(BodyTypeError::CharacterSet(error)) => {
                return self
                    .deliver(exchange, Message::unsupported_encoding(&error, exchange::host(head)))
                    .await;
            }
        };
        let text = match encoding.decode(body.bytes) {
            Ok(text) => text,
            Err(error) => {
                tracing::debug!(peer = %self.peer.address, %error, "Request body is not valid text");
                return self.send(exchange, 400, None).await;
            }
        };
        let slot = self.slot;
        let _request = match slot.begin_request(&caller, &self.service.config()) {
            Ok(request) => request,
            Err(busy) => return self.send_busy(exchange, &busy).await,
        };
        let (service, stop_waiting) = (self.service, Notify::new());
        let answering = Box::pin(service.answer(caller, text, exchange::host(head), encoding, &stop_waiting));
        let Some(message) = self.await_answer(answering, &stop_waiting).await else {
            return Err(Disconnect("the client reset the connection during an operation"));
        };
        exchange.encoding = encoding;
        self.deliver(exchange, message).await
    }

    /// Returns the caller to which the client's certificate is mapped for the resource of a message.
    async fn by_certificate(
        &mut self,
        body: &[u8],
        encoding: &Result<Encoding, BodyTypeError>,
    ) -> Option<Arc<Caller>> {
        let text = encoding.as_ref().ok().and_then(|encoding| encoding.decode(body.to_vec()).ok());
        // A malformed message counts as one without a resource: callers with a mapping for all resources get its fault.
        let resource = text.and_then(|text| self.service.resource_of(text)).unwrap_or_default();
        let caller = self.authentication.by_certificate(&resource, &self.service.sign_in).await?;
        self.count_for_account(&caller);
        Some(caller)
    }

    /// Counts the connection for the account of an authenticated caller.
    fn count_for_account(&mut self, caller: &Caller) {
        let account = Some(caller.sid());
        if self.account != account {
            self.account = account;
            self.slot.sign_in(caller);
        }
    }

    async fn answer_anonymous(&mut self, head: &RequestHead, exchange: Exchange) -> Result<Next, Disconnect> {
        let Ok(encoding) = exchange::encoding(head.header("Content-Type")) else {
            return self.send_status_after_body(head, exchange, 415).await;
        };
        let body = match self.body(head, ANONYMOUS_REQUEST, None).await? {
            Ok(body) => body,
            Err(Rejection(status)) => return self.reject(status).await,
        };
        let message =
            encoding.decode(body).ok().and_then(|text| self.service.answer_anonymous(text, encoding));
        let mut exchange = exchange;
        match message {
            Some(message) => {
                exchange.encoding = encoding;
                self.deliver(exchange, message).await
            }
            None => {
                exchange.challenge(&self.offered_schemes());
                self.send(exchange, 401, None).await
            }
        }
    }

    fn offered_schemes(&self) -> Vec<Scheme> {
        self.authentication.offered(&self.service.config(), &self.service.sign_in)
    }

    /// Returns the maximum size of a message in bytes.
    fn largest_body(&self) -> usize {
        usize::try_from(self.service.config().max_envelope_sizekb.bytes()).unwrap_or(usize::MAX)
    }

    /// Waits for a response. Returns `None` if the connection is reset.
    ///
    /// Bytes that the client sends meanwhile are kept for the next request, up to [`MAX_PIPELINED`].
    async fn await_answer<T>(
        &mut self,
        mut answering: Pin<Box<impl Future<Output = T>>>,
        stop_waiting: &Notify,
    ) -> Option<T> {
        loop {
            if self.received.len() >= MAX_PIPELINED {
                return Some(answering.await);
            }
            let read = tokio::select! {
                biased;
                answer = &mut answering => return Some(answer),
                read = receive(&mut self.io, &mut self.received) => read,
            };
            match read {
                Ok(1..) => {}
                Ok(0) => break,
                // Many TLS clients close the connection without a close_notify alert.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(_) => return None,
            }
        }
        if let Ok(answer) = timeout(HALF_CLOSED_WAIT, &mut answering).await {
            return Some(answer);
        }
        stop_waiting.notify_one();
        Some(answering.await)
    }

    fn retrieval_time(&self) -> Duration {
        self.service.config().service.max_packet_retrieval_time_seconds.duration()
    }

    /// Responds without a body, after discarding that of the request so that the connection remains usable.
    async fn send_status_after_body(
        &mut self,
        head: &RequestHead,
        mut exchange: Exchange,
        status: u16,
    ) -> Result<Next, Disconnect> {
        // A client that expects "100 Continue" receives this status instead, and may or may not send the body then.
        let is_waiting = head.expects_continue() && head.body() != BodyFraming::Empty;
        if is_waiting || !self.discard_body(head).await? {
            exchange.next = Next::Close;
        }
        self.send(exchange, status, None).await
    }

    /// Rejects a malformed request, or a body that cannot be received, and closes the connection.
    async fn reject(&mut self, status: u16) -> Result<Next, Disconnect> {
        if status == 503 {
            return self.send_text(Exchange::last(), status, TOO_MANY_BODIES.to_owned()).await;
        }
        self.send(Exchange::last(), status, None).await
    }

    /// Rejects a request because too many are in progress. The connection remains usable.
    async fn send_busy(&mut self, exchange: Exchange, busy: &Busy) -> Result<Next, Disconnect> {
        if *busy == Busy::Displaced {
            return Err(Disconnect("closed in favour of a new connection"));
        }
        let text = format!("The service is busy: {busy} (Service/MaxConnections). Retry in a moment.\n");
        self.send_text(exchange, 503, text).await
    }

    /// Responds with a plain-text explanation.
    async fn send_text(
        &mut self,
        mut exchange: Exchange,
        status: u16,
        text: String,
    ) -> Result<Next, Disconnect> {
        exchange.content_type = Some("text/plain;charset=UTF-8");
        self.send(exchange, status, Some(text.into_bytes())).await
    }

    async fn deliver(&mut self, mut exchange: Exchange, message: Message) -> Result<Next, Disconnect> {
        let status = match message.kind {
            MessageKind::Answer => 200,
            MessageKind::Fault => 500,
            MessageKind::Nothing => return self.send(exchange, 204, None).await,
        };
        let body = exchange.encoding.encode(message.envelope);
        let body = if exchange.is_sealed { self.seal(&mut exchange, body)? } else { body };
        let next = self.send(exchange, status, Some(body)).await?;
        if let Some(delivered) = message.delivered {
            self.track_delivery(delivered)?;
        }
        Ok(next)
    }

    async fn send(
        &mut self,
        exchange: Exchange,
        status: u16,
        body: Option<Vec<u8>>,
    ) -> Result<Next, Disconnect> {
        let is_last = self.service.shutdown.has_begun() || self.peer.route.is_closed();
        let next = if is_last { Next::Close } else { exchange.next };
        let body = body.unwrap_or_default();
        let head =
            exchange.head(status, next, body.len()).map_err(|_| Disconnect("a header was not writable"))?;
        let writing = self.write(head, &body);
        match timeout(WRITE_TIMEOUT, writing).await {
            Ok(written) => written?,
            Err(_) => return Err(Disconnect("the client does not read the response")),
        }
        if self.received.is_empty() {
            // Free the buffer, so that an idle connection needs no memory for it.
            self.received = Vec::new();
        }
        Ok(next)
    }

    /// Writes head and body together: a separate body would wait for an acknowledgement of the head.
    async fn write(&mut self, mut head: Vec<u8>, body: &[u8]) -> Result<(), Disconnect> {
        if body.len() <= MAX_COPIED {
            head.extend_from_slice(body);
            self.io.write_all(&head).await.map_err(write_failed)?;
        } else {
            let mut sent = 0;
            while sent < head.len() {
                let parts = [IoSlice::new(head.get(sent..).unwrap_or_default()), IoSlice::new(body)];
                match self.io.write_vectored(&parts).await.map_err(write_failed)? {
                    0 => return Err(Disconnect("write failed")),
                    length => sent += length,
                }
            }
            let rest = body.get(sent - head.len()..).unwrap_or_default();
            self.io.write_all(rest).await.map_err(write_failed)?;
        }
        self.io.flush().await.map_err(write_failed)
    }

    /// Closes the connection once the delivery of the last response is decided.
    async fn end(&mut self, ended: Option<Disconnect>) {
        self.await_delivery().await;
        let _ = match ended {
            None => timeout(LINGER, self.linger()).await,
            // No response can be lost, so the client need not be waited for.
            Some(_) => timeout(LINGER, async { self.io.shutdown().await.unwrap_or_default() }).await,
        };
    }

    /// Closes the sending direction and discards what the client still sends.
    ///
    /// Closing the socket at once would reset the connection, and the client could lose the response.
    async fn linger(&mut self) {
        if self.io.shutdown().await.is_err() {
            return;
        }
        let mut left = MAX_DISCARDED;
        while let Ok(read) = receive(&mut self.io, &mut self.received).await {
            self.received.clear();
            left = left.saturating_sub(read);
            if read == 0 || left == 0 {
                return;
            }
        }
    }
}

/// Result of [`Connection::open_body`].
enum Opening {
    Opened(OpenedBody),
    /// The request was answered without its message.
    Responded(Next),
}

/// Unsealed body of a request, with the exchange to which it belongs.
struct OpenedBody {
    exchange: Exchange,
    bytes: Vec<u8>,
    /// Content type in the sealed body.
    content_type: Option<String>,
}

/// Body of a request after unsealing.
struct PlainBody {
    bytes: Vec<u8>,
    encoding: Result<Encoding, BodyTypeError>,
}

/// Waits until idle connections must end: at shutdown, or when their listener is removed.
async fn closing(service: &Service, route: Route) -> Disconnect {
    tokio::select! {
        biased;
        () = service.shutdown.begun() => Disconnect("the service is shutting down"),
        () = route.closed() => Disconnect("the listener was removed"),
    }
}

fn write_failed(_: std::io::Error) -> Disconnect {
    Disconnect("write failed")
}

/// Resources of the service below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestTarget {
    /// The URL prefix of a listener, for WS-Management.
    Wsman,
    /// The path for anonymous Identify requests (MS-WSMV 3.1.4.17).
    Anonymous,
}

impl RequestTarget {
    fn of(path: &str, route: &Route) -> Option<Self> {
        if route.has_path(path) {
            return Some(Self::Wsman);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        (path == "/wsman-anon/identify").then_some(Self::Anonymous)
    }
}

/// Text of the response to a request whose body cannot be received.
const TOO_MANY_BODIES: &str =
    "The service is receiving too many requests from this client or in total. Retry in a moment.\n";
/// Time limit for writing one response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(120);
/// Time that an operation may still take after the client has closed its direction of the connection.
const HALF_CLOSED_WAIT: Duration = Duration::from_secs(3);
/// Time to wait for the client to close its end.
const LINGER: Duration = Duration::from_secs(2);
/// Maximum number of bytes discarded after the last response.
const MAX_DISCARDED: usize = 16 * 1_024 * 1_024;
/// Maximum number of bytes received while a request is in progress.
const MAX_PIPELINED: usize = 64 * 1_024;
/// Maximum size in bytes up to which the body is copied behind the head, which is cheaper than a vectored write.
pub(crate) const MAX_COPIED: usize = 16 * 1_024;
