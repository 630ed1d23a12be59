//! One connection: HTTP/1.1, one request at a time, from the first octet to the last.

mod exchange;
mod sealed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::channel_binding::ChannelBinding;
use http::{BodyFraming, CONTINUE, ChunkError, ChunkedDecoder, HeadError, Limits, Method, RequestHead};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout_at;
use xml::Encoding;

use self::exchange::{Exchange, Unreadable};
use crate::answer::{ANONYMOUS_REQUEST, Message};
use crate::authentication::{Admission, Authentication};
use crate::crowd::Place;
use crate::listener::{Door, Transport};
use crate::service::Service;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) door: Door,
    /// Which TLS connection it is.
    pub(crate) channel: Option<ChannelBinding>,
}

/// Serves a connection until either end closes it.
pub(crate) async fn serve<I>(io: I, peer: Peer, place: &Place, service: &Arc<Service>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send,
{
    let nobody = Authentication::new(peer.address.ip(), peer.transport, peer.channel.clone());
    serve_as(io, peer, nobody, place, service).await;
}

/// Serves a connection of which something is known already.
pub(crate) async fn serve_as<I>(
    io: I,
    peer: Peer,
    authentication: Authentication,
    place: &Place,
    service: &Arc<Service>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send,
{
    let address = peer.address;
    let mut connection =
        Connection { io, received: Vec::new(), authentication, peer, place, service, is_trusted: false };
    loop {
        match connection.exchange().await {
            Ok(Next::Request) => {}
            Ok(Next::Close) => break,
            Err(Ended(reason)) => {
                tracing::trace!(peer = %address, reason, "Connection ended");
                // There is no answer that could be lost, so nobody is waited for.
                return drop(tokio::time::timeout(LINGER, connection.io.shutdown()).await);
            }
        }
    }
    let _ = tokio::time::timeout(LINGER, connection.linger()).await;
}

struct Connection<'s, I> {
    io: I,
    /// Octets received and not yet used; empty and without memory while the connection is idle.
    received: Vec<u8>,
    authentication: Authentication,
    peer: Peer,
    place: &'s Place,
    service: &'s Arc<Service>,
    /// Somebody has signed in on this connection, so it may be idle for longer.
    is_trusted: bool,
}

/// What follows an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Request,
    Close,
}

/// The connection cannot be used any further; there is nobody to tell.
struct Ended(&'static str);

/// A request that cannot be taken: the status to answer with before closing.
struct Refusal(u16);

impl<I: AsyncRead + AsyncWrite + Unpin + Send> Connection<'_, I> {
    /// Takes one request and answers it.
    async fn exchange(&mut self) -> Result<Next, Ended> {
        let head = match self.head().await? {
            Ok(head) => head,
            Err(error) => {
                tracing::debug!(peer = %self.peer.address, %error, "Request refused");
                return self.refuse(error.status()).await;
            }
        };
        let mut exchange = Exchange::new(&head);
        if self.service.shutdown.has_begun() {
            return self.send_status_after_body(&head, exchange, 503).await;
        }
        let Some(target) = Target::of(head.path(), &self.peer.door) else {
            return self.send_status_after_body(&head, exchange, 404).await;
        };
        if head.method() != Method::Post {
            return self.send_status_after_body(&head, exchange, 405).await;
        }
        let asks_anonymously =
            head.header("WSMANIDENTIFY").is_some() && head.header("Authorization").is_none();
        if target == Target::Anonymous || asks_anonymously {
            return self.anonymous(&head, exchange).await;
        }
        let caller = match self.authentication.admit(&head, self.service).await {
            Admission::Caller(caller, token) => {
                exchange.token = token;
                caller
            }
            Admission::Continue(token) => {
                exchange.token = Some(token);
                return self.send_status_after_body(&head, exchange, 401).await;
            }
            Admission::Challenge(schemes) => {
                exchange.challenge(&schemes);
                return self.send_status_after_body(&head, exchange, 401).await;
            }
        };
        if !self.is_trusted {
            self.is_trusted = true;
            self.place.is_known();
        }
        let service = Arc::clone(self.service);
        let Some(_seat) = service.crowd.seat(service.config().service.max_connections.get()) else {
            return self.send_status_after_body(&head, exchange, 503).await;
        };
        let is_sealed = sealed::is_sealed(&head);
        let limit = if is_sealed { sealed::largest(self.largest_body()) } else { self.largest_body() };
        let mut encoding = Ok(Encoding::Utf8);
        if !is_sealed {
            encoding = exchange::encoding(head.header("Content-Type"));
            if let Err(Unreadable::MediaType) = encoding {
                return self.send_status_after_body(&head, exchange, 415).await;
            }
        }
        let mut body = match self.body(&head, limit).await? {
            Ok(body) => body,
            Err(Refusal(status)) => return self.refuse(status).await,
        };
        if body.is_empty() {
            // Clients that seal their messages finish the handshake this way.
            return self.send(exchange, 200, None).await;
        }
        if is_sealed {
            match self.unseal(&head, body) {
                Ok(open) => {
                    exchange.is_sealed = true;
                    encoding = exchange::encoding(Some(&open.content_type));
                    body = open.body;
                }
                // The counters of the two ends no longer agree, so the connection is of no further use.
                Err(error) => {
                    tracing::warn!(peer = %self.peer.address, %error, "A sealed message cannot be opened");
                    return self.refuse(400).await;
                }
            }
        } else if self.must_be_sealed() {
            tracing::warn!(
                peer = %self.peer.address,
                "A message came unencrypted over HTTP, which Service/AllowUnencrypted does not allow"
            );
            return self.send(exchange, 500, None).await;
        }
        let encoding = match encoding {
            Ok(encoding) => encoding,
            Err(Unreadable::MediaType) => return self.send(exchange, 415, None).await,
            Err(Unreadable::CharacterSet(error)) => {
                return self.deliver(exchange, Message::unreadable(&error, exchange::host(&head))).await;
            }
        };
        let text = match encoding.decode(body) {
            Ok(text) => text,
            Err(error) => {
                tracing::debug!(peer = %self.peer.address, %error, "Request is not text");
                return self.send(exchange, 400, None).await;
            }
        };
        let host = exchange::host(&head).to_owned();
        let answering = service.answer(caller, text, &host);
        let Some(message) = self.unless_gone(answering).await else {
            return Err(Ended("the client went away while it waited"));
        };
        exchange.encoding = encoding;
        self.deliver(exchange, message).await
    }

    async fn anonymous(&mut self, head: &RequestHead, exchange: Exchange) -> Result<Next, Ended> {
        let Ok(encoding) = exchange::encoding(head.header("Content-Type")) else {
            return self.send_status_after_body(head, exchange, 415).await;
        };
        let body = match self.body(head, ANONYMOUS_REQUEST).await? {
            Ok(body) => body,
            Err(Refusal(status)) => return self.refuse(status).await,
        };
        let message = encoding.decode(body).ok().and_then(|text| self.service.answer_anonymous(text));
        let mut exchange = exchange;
        match message {
            Some(message) => {
                exchange.encoding = encoding;
                self.deliver(exchange, message).await
            }
            None => {
                exchange.challenge(&self.authentication.offered(&self.service.config(), self.service));
                self.send(exchange, 401, None).await
            }
        }
    }

    fn largest_body(&self) -> usize {
        usize::try_from(self.service.config().max_envelope_sizekb.octets()).unwrap_or(usize::MAX)
    }

    /// Waits for an answer, and stops waiting when the client hangs up.
    ///
    /// What the client sends meanwhile is kept for the next request, within bounds.
    async fn unless_gone<T>(&mut self, answering: impl Future<Output = T>) -> Option<T> {
        let mut answering = std::pin::pin!(answering);
        loop {
            if self.received.len() >= AHEAD {
                return Some(answering.await);
            }
            let mut piece = [0; 1_024];
            tokio::select! {
                biased;
                answer = &mut answering => return Some(answer),
                read = self.io.read(&mut piece) => match read {
                    Ok(length) if length > 0 => {
                        self.received.extend_from_slice(piece.get(..length).unwrap_or_default());
                    }
                    _ => return None,
                },
            }
        }
    }

    /// Receives a head; an idle connection is closed after a while, a slow one sooner.
    async fn head(&mut self) -> Result<Result<RequestHead, HeadError>, Ended> {
        let limits = Limits::default();
        let idle = if self.is_trusted { IDLE } else { IDLE_BEFORE_SIGN_IN };
        let mut deadline = tokio::time::Instant::now() + idle;
        let mut has_begun = false;
        loop {
            if !self.received.is_empty() {
                match RequestHead::parse(&self.received, &limits) {
                    Ok(Some((head, length))) => {
                        self.received.drain(..length);
                        return Ok(Ok(head));
                    }
                    Ok(None) => {}
                    Err(error) => return Ok(Err(error)),
                }
                if !has_begun {
                    has_begun = true;
                    deadline = tokio::time::Instant::now() + self.retrieval_time();
                }
            }
            self.received.reserve(PIECE);
            let read = self.io.read_buf(&mut self.received);
            let length = tokio::select! {
                read = timeout_at(deadline, read) => match read {
                    Ok(Ok(length)) => length,
                    Ok(Err(_)) => return Err(Ended("reading failed")),
                    Err(_) => return Err(Ended("no request in time")),
                },
                () = self.service.shutdown.begun(), if !has_begun => {
                    return Err(Ended("the service stops"));
                }
                () = self.peer.door.shut(), if !has_begun => {
                    return Err(Ended("the listener is gone"));
                }
            };
            if length == 0 {
                return Err(Ended("closed by the client"));
            }
        }
    }

    fn retrieval_time(&self) -> Duration {
        self.service.config().service.max_packet_retrieval_time_seconds.duration()
    }

    /// Receives a body of at most `limit` octets.
    async fn body(&mut self, head: &RequestHead, limit: usize) -> Result<Result<Vec<u8>, Refusal>, Ended> {
        let expected = match head.body() {
            BodyFraming::Empty => return Ok(Ok(Vec::new())),
            BodyFraming::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => Some(length),
                _ => return Ok(Err(Refusal(413))),
            },
            BodyFraming::Chunked => None,
        };
        if head.expects_continue() && self.received.is_empty() {
            self.write(CONTINUE, &[]).await?;
        }
        let deadline = tokio::time::Instant::now() + self.retrieval_time();
        let receiving = async {
            match expected {
                Some(length) => self.body_of_length(length).await.map(Ok),
                None => self.chunked_body(limit).await,
            }
        };
        match timeout_at(deadline, receiving).await {
            Ok(received) => received,
            // MS-WSMV 3.1.2: the Packet-Retrieval timer.
            Err(_) => Ok(Err(Refusal(500))),
        }
    }

    async fn body_of_length(&mut self, length: usize) -> Result<Vec<u8>, Ended> {
        let there = self.received.len().min(length);
        let mut body = Vec::with_capacity(there.max(length.min(FIRST_PIECE)));
        body.extend(self.received.drain(..there));
        while body.len() < length {
            let missing = u64::try_from(length - body.len()).unwrap_or(u64::MAX);
            match (&mut self.io).take(missing).read_buf(&mut body).await {
                Ok(read) if read > 0 => {}
                _ => return Err(Ended("closed inside a request")),
            }
        }
        Ok(body)
    }

    async fn chunked_body(&mut self, limit: usize) -> Result<Result<Vec<u8>, Refusal>, Ended> {
        let mut decoder = ChunkedDecoder::new(limit);
        let mut body = Vec::new();
        loop {
            match decoder.decode(&self.received, &mut body) {
                Ok(progress) => {
                    self.received.drain(..progress.consumed);
                    if progress.done {
                        return Ok(Ok(body));
                    }
                }
                Err(error) => return Ok(Err(Refusal(error.status()))),
            }
            self.received.reserve(PIECE);
            match self.io.read_buf(&mut self.received).await {
                Ok(read) if read > 0 => {}
                _ => return Err(Ended("closed inside a request")),
            }
        }
    }

    /// Answers without a body, after the request's own was passed over so that the connection stays usable.
    async fn send_status_after_body(
        &mut self,
        head: &RequestHead,
        mut exchange: Exchange,
        status: u16,
    ) -> Result<Next, Ended> {
        // A client that waits for 100 is told the outcome instead; what it sends then cannot be known.
        let is_waiting = head.expects_continue() && head.body() != BodyFraming::Empty;
        if is_waiting || !self.pass_over_body(head).await? {
            exchange.next = Next::Close;
        }
        self.send(exchange, status, None).await
    }

    /// Receives a body that nobody will read; `false` if it is larger, or takes longer, than one may.
    async fn pass_over_body(&mut self, head: &RequestHead) -> Result<bool, Ended> {
        let limit = self.largest_body();
        let deadline = tokio::time::Instant::now() + self.retrieval_time();
        let mut rest = match head.body() {
            BodyFraming::Empty => return Ok(true),
            BodyFraming::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => Rest::Octets(length),
                _ => return Ok(false),
            },
            BodyFraming::Chunked => Rest::Chunks(ChunkedDecoder::new(limit)),
        };
        loop {
            match rest.pass_over(&mut self.received) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(_) => return Ok(false),
            }
            self.received.reserve(PIECE);
            match timeout_at(deadline, self.io.read_buf(&mut self.received)).await {
                Ok(Ok(read)) if read > 0 => {}
                Ok(_) => return Err(Ended("closed inside a request")),
                Err(_) => return Ok(false),
            }
        }
    }

    /// Says that nothing more comes, and lets the peer finish what it sends: closed at once, the connection
    /// would be reset and the answer lost.
    async fn linger(&mut self) {
        if self.io.shutdown().await.is_err() {
            return;
        }
        let mut left = PASSED_OVER;
        let mut piece = [0; 4_096];
        while let Ok(read) = self.io.read(&mut piece).await {
            left = left.saturating_sub(read);
            if read == 0 || left == 0 {
                return;
            }
        }
    }

    /// Answers what is no request, and closes.
    async fn refuse(&mut self, status: u16) -> Result<Next, Ended> {
        self.send(Exchange::last(), status, None).await
    }

    async fn deliver(&mut self, mut exchange: Exchange, message: Message) -> Result<Next, Ended> {
        let status = if message.is_fault { 500 } else { 200 };
        let body = exchange.encoding.encode(message.envelope);
        let body = if exchange.is_sealed { self.seal(&mut exchange, body)? } else { body };
        let next = self.send(exchange, status, Some(body)).await?;
        if let Some(delivered) = message.delivered {
            delivered();
        }
        Ok(next)
    }

    async fn send(&mut self, exchange: Exchange, status: u16, body: Option<Vec<u8>>) -> Result<Next, Ended> {
        let is_last = self.service.shutdown.has_begun() || self.peer.door.is_shut();
        let next = if is_last { Next::Close } else { exchange.next };
        let body = body.unwrap_or_default();
        let head = exchange.head(status, next, body.len()).map_err(|_| Ended("a header was not writable"))?;
        let writing = self.write(&head, &body);
        match tokio::time::timeout(WRITING, writing).await {
            Ok(written) => written?,
            Err(_) => return Err(Ended("the client does not read")),
        }
        if self.received.is_empty() {
            // An idle connection is to cost nothing but its socket.
            self.received = Vec::new();
        }
        Ok(next)
    }

    /// Writes head and body together: apart, the second part would wait for an acknowledgement.
    async fn write(&mut self, head: &[u8], body: &[u8]) -> Result<(), Ended> {
        let lost = |_| Ended("writing failed");
        if body.len() <= COPIED {
            let whole = [head, body].concat();
            self.io.write_all(&whole).await.map_err(lost)?;
        } else {
            let mut sent = 0;
            while sent < head.len() {
                let parts = [
                    std::io::IoSlice::new(head.get(sent..).unwrap_or_default()),
                    std::io::IoSlice::new(body),
                ];
                match self.io.write_vectored(&parts).await.map_err(lost)? {
                    0 => return Err(Ended("writing failed")),
                    length => sent += length,
                }
            }
            let rest = body.get(sent - head.len()..).unwrap_or_default();
            self.io.write_all(rest).await.map_err(lost)?;
        }
        self.io.flush().await.map_err(lost)
    }
}

/// What is left of a body that nobody will read.
enum Rest {
    Octets(usize),
    Chunks(ChunkedDecoder),
}

impl Rest {
    /// Takes what belongs to the body out of what was received; `true` at its end.
    fn pass_over(&mut self, received: &mut Vec<u8>) -> Result<bool, ChunkError> {
        match self {
            Self::Octets(left) => {
                let there = received.len().min(*left);
                received.drain(..there);
                *left -= there;
                Ok(*left == 0)
            }
            Self::Chunks(decoder) => {
                let progress = decoder.decode(received, &mut Vec::new())?;
                received.drain(..progress.consumed);
                Ok(progress.done)
            }
        }
    }
}

/// The places of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// Where management goes on.
    Wsman,
    /// Where anyone may ask who is there (openwsman, DMTF).
    Anonymous,
}

impl Target {
    fn of(path: &str, door: &Door) -> Option<Self> {
        if door.admits(path) {
            return Some(Self::Wsman);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        (path == "/wsman-anon/identify").then_some(Self::Anonymous)
    }
}

/// How long a connection may be idle once somebody has signed in on it.
const IDLE: Duration = Duration::from_secs(600);
/// How long it may be idle before.
const IDLE_BEFORE_SIGN_IN: Duration = Duration::from_secs(30);
/// How long the client may take to read one answer.
const WRITING: Duration = Duration::from_secs(120);
/// How long to wait for the other end at the end.
const LINGER: Duration = Duration::from_secs(2);
/// What a client may still send after the last answer, in octets.
const PASSED_OVER: usize = 16 * 1_024 * 1_024;
/// What is asked of the network at once, in octets; most requests fit.
const PIECE: usize = 4 * 1_024;
/// What a client may send ahead while it waits for an answer, in octets.
const AHEAD: usize = 64 * 1_024;
/// The memory that a promise of a body is worth, in octets; more is taken as the body comes.
const FIRST_PIECE: usize = 64 * 1_024;
/// Up to this length copying costs less than a second buffer, in octets.
const COPIED: usize = 16 * 1_024;
