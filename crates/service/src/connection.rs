//! One connection: HTTP/1.1, one request at a time, from the first octet to the last.
//!
//! A client that is gone is not worked for, and one that listens is. A connection that was reset has nobody at its
//! other end, so what is under way is dropped at once. One of which only the client's direction has ended looks the
//! same whether the client has closed it or merely said all it had to say (`shutdown`, half a close). So whatever is
//! asked is answered, but does not wait for long: what is not done after three seconds is answered like a wait that
//! found nothing. A client that listens asks again, one that does not holds up nothing, and either way what a
//! plug-in gave is lost only if it arrived ([`arrival`]).

mod arrival;
mod body;
mod exchange;
mod head;
mod link;
mod sealed;
mod socket;

use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use auth::{CertificateProof, ChannelBinding};
use http::{BodyFraming, Method, RequestHead};
use limits::Busy;
use sddl::Sid;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::time::timeout;
use xml::Encoding;

use self::arrival::Undecided;
use self::exchange::{Exchange, Unreadable};
pub(crate) use self::link::Link;
use self::link::receive;
use crate::access::Caller;
use crate::answer::{ANONYMOUS_REQUEST, Message, MessageKind};
use crate::authentication::Authentication;
use crate::connection_table::ConnectionSlot;
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
    /// What it has shown in the handshake.
    pub(crate) certificate: Option<CertificateProof>,
}

/// Serves a connection until either end closes it.
pub(crate) fn serve<'s, I: Link>(
    io: I,
    mut peer: Peer,
    slot: &'s ConnectionSlot,
    service: &'s Arc<Service>,
) -> impl Future<Output = ()> + Send {
    let (channel, certificate) = (peer.channel.clone(), peer.certificate.take());
    let nobody = Authentication::new(peer.address.ip(), peer.transport, channel, certificate);
    serve_as(io, peer, nobody, slot, service)
}

/// Serves a connection of which something is known already.
///
/// What is idle for most of its time has its memory for as long, so the future holds the connection once: arguments of
/// an `async fn` would stay beside what is made of them.
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
        undecided: None,
        authentication,
        peer,
        slot,
        service,
        account: None,
    };
    async move {
        let ended = loop {
            match connection.exchange().await {
                Ok(Next::Request) => {}
                Ok(Next::Close) => break None,
                Err(ended) => break Some(ended),
            }
        };
        if let Some(Ended(reason)) = &ended {
            tracing::trace!(peer = %connection.peer.address, reason, "Connection ended");
        }
        Box::pin(connection.end(ended)).await;
    }
}

struct Connection<'s, I> {
    io: I,
    /// Octets received and not yet used; empty and without memory while the connection is idle.
    received: Vec<u8>,
    /// The last answer, while somebody wants to know whether it arrived.
    undecided: Option<Undecided>,
    authentication: Authentication,
    peer: Peer,
    slot: &'s ConnectionSlot,
    service: &'s Arc<Service>,
    /// Account that has signed in last; afterwards the connection may be idle for longer.
    account: Option<Sid>,
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

impl<I: Link> Connection<'_, I> {
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
        let target = match self.target(&head) {
            Ok(target) => target,
            Err(Refusal(status)) => return self.send_status_after_body(&head, exchange, status).await,
        };
        let asks_anonymously =
            head.header("WSMANIDENTIFY").is_some() && head.header("Authorization").is_none();
        if target == Target::Anonymous || asks_anonymously {
            return self.anonymous(&head, exchange).await;
        }
        let admission = self.authentication.admit(&head, self.service).await;
        let caller = match exchange.admitted(admission) {
            Ok(caller) => caller,
            Err(Refusal(status)) => return self.send_status_after_body(&head, exchange, status).await,
        };
        if let Some(caller) = &caller {
            self.signed_in(caller);
        }
        // Apart, because an idle connection has to have no memory for it.
        Box::pin(self.answer(&head, exchange, caller)).await
    }

    /// What a request is for, or why nothing is done for it.
    fn target(&self, head: &RequestHead) -> Result<Target, Refusal> {
        if self.service.shutdown.has_begun() {
            return Err(Refusal(503));
        }
        let target = Target::of(head.path(), &self.peer.door).ok_or(Refusal(404))?;
        if head.method() == Method::Post { Ok(target) } else { Err(Refusal(405)) }
    }

    /// Reads the message of a request and answers it; where nobody has proven an account yet, the client's certificate
    /// may be one for what the message asks for.
    async fn answer(
        &mut self,
        head: &RequestHead,
        mut exchange: Exchange,
        caller: Option<Arc<Caller>>,
    ) -> Result<Next, Ended> {
        let is_sealed = sealed::is_sealed(head);
        let limit = if is_sealed { sealed::largest(self.largest_body()) } else { self.largest_body() };
        let mut encoding = Ok(Encoding::Utf8);
        if !is_sealed {
            encoding = exchange::encoding(head.header("Content-Type"));
            if let Err(Unreadable::MediaType) = encoding {
                return self.send_status_after_body(head, exchange, 415).await;
            }
        }
        let mut body = match self.body(head, limit, caller.as_deref()).await? {
            Ok(body) => body,
            Err(Refusal(status)) => return self.refuse(status).await,
        };
        let caller = match caller {
            Some(caller) => caller,
            // Apart, because the others have to have no memory for it.
            None => match Box::pin(self.by_certificate(&body, &encoding)).await {
                Some(caller) => caller,
                None => {
                    exchange.challenge(&self.authentication.offered(&self.service.config(), self.service));
                    return self.send(exchange, 401, None).await;
                }
            },
        };
        if body.is_empty() {
            // Clients that seal their messages finish the handshake this way.
            return self.send(exchange, 200, None).await;
        }
        if is_sealed {
            match self.unseal(head, body) {
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
        self.answer_open(head, exchange, caller, (body, encoding)).await
    }

    /// Answers a message that is not sealed any more.
    async fn answer_open(
        &mut self,
        head: &RequestHead,
        mut exchange: Exchange,
        caller: Arc<Caller>,
        (body, encoding): (Vec<u8>, Result<Encoding, Unreadable>),
    ) -> Result<Next, Ended> {
        let encoding = match encoding {
            Ok(encoding) => encoding,
            Err(Unreadable::MediaType) => return self.send(exchange, 415, None).await,
            Err(Unreadable::CharacterSet(error)) => {
                return self.deliver(exchange, Message::unreadable(&error, exchange::host(head))).await;
            }
        };
        let text = match encoding.decode(body) {
            Ok(text) => text,
            Err(error) => {
                tracing::debug!(peer = %self.peer.address, %error, "Request is not text");
                return self.send(exchange, 400, None).await;
            }
        };
        let slot = self.slot;
        let _request = match slot.begin_request(&caller, &self.service.config()) {
            Ok(request) => request,
            Err(busy) => return self.send_busy(exchange, &busy).await,
        };
        let host = exchange::host(head).to_owned();
        let (service, hurry) = (Arc::clone(self.service), Notify::new());
        let answering = Box::pin(service.answer(caller, text, &host, encoding, &hurry));
        let Some(message) = self.unless_gone(answering, &hurry).await else {
            return Err(Ended("the client went away while it waited"));
        };
        exchange.encoding = encoding;
        self.deliver(exchange, message).await
    }

    /// Whose account the client's certificate is for what a message asks for.
    async fn by_certificate(
        &mut self,
        body: &[u8],
        encoding: &Result<Encoding, Unreadable>,
    ) -> Option<Arc<Caller>> {
        let text = encoding.as_ref().ok().and_then(|encoding| encoding.decode(body.to_vec()).ok());
        // What cannot be read asks for nothing; whoever may ask for everything is told what is wrong with it.
        let resource = text.and_then(|text| self.service.resource_of(text)).unwrap_or_default();
        let caller = self.authentication.by_certificate(&resource, self.service).await?;
        self.signed_in(&caller);
        Some(caller)
    }

    /// Counts the connection for the account that has signed in on it.
    fn signed_in(&mut self, caller: &Caller) {
        let account = Some(caller.sid());
        if self.account != account {
            self.account = account;
            self.slot.sign_in(caller);
        }
    }

    async fn anonymous(&mut self, head: &RequestHead, exchange: Exchange) -> Result<Next, Ended> {
        let Ok(encoding) = exchange::encoding(head.header("Content-Type")) else {
            return self.send_status_after_body(head, exchange, 415).await;
        };
        let body = match self.body(head, ANONYMOUS_REQUEST, None).await? {
            Ok(body) => body,
            Err(Refusal(status)) => return self.refuse(status).await,
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
                exchange.challenge(&self.authentication.offered(&self.service.config(), self.service));
                self.send(exchange, 401, None).await
            }
        }
    }

    fn largest_body(&self) -> usize {
        usize::try_from(self.service.config().max_envelope_sizekb.bytes()).unwrap_or(usize::MAX)
    }

    /// Waits for an answer, and stops waiting when the connection breaks.
    ///
    /// What the client sends meanwhile is kept for the next request, within bounds.
    async fn unless_gone<T>(
        &mut self,
        mut answering: Pin<Box<impl Future<Output = T>>>,
        hurry: &Notify,
    ) -> Option<T> {
        loop {
            if self.received.len() >= AHEAD {
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
                // With TLS, many end without a word.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(_) => return None,
            }
        }
        if let Ok(answer) = timeout(AFTER_LAST_WORD, &mut answering).await {
            return Some(answer);
        }
        hurry.notify_one();
        Some(answering.await)
    }

    fn retrieval_time(&self) -> Duration {
        self.service.config().service.max_packet_retrieval_time_seconds.duration()
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

    /// Rejects what is not a request, or cannot be received, and closes the connection.
    async fn refuse(&mut self, status: u16) -> Result<Next, Ended> {
        if status == 503 {
            return self.send_text(Exchange::last(), status, TOO_MANY_BODIES.to_owned()).await;
        }
        self.send(Exchange::last(), status, None).await
    }

    /// Rejects a request because too many are in work. The connection stays usable.
    async fn send_busy(&mut self, exchange: Exchange, busy: &Busy) -> Result<Next, Ended> {
        if *busy == Busy::Displaced {
            return Err(Ended("closed in favour of a new connection"));
        }
        let text = format!("The service is busy: {busy} (Service/MaxConnections). Try again in a moment.\n");
        self.send_text(exchange, 503, text).await
    }

    /// Answers with a sentence for the user of the client.
    async fn send_text(&mut self, mut exchange: Exchange, status: u16, text: String) -> Result<Next, Ended> {
        exchange.content_type = Some("text/plain;charset=UTF-8");
        self.send(exchange, status, Some(text.into_bytes())).await
    }

    async fn deliver(&mut self, mut exchange: Exchange, message: Message) -> Result<Next, Ended> {
        let status = match message.kind {
            MessageKind::Answer => 200,
            MessageKind::Fault => 500,
            MessageKind::Nothing => return self.send(exchange, 204, None).await,
        };
        let body = exchange.encoding.encode(message.envelope);
        let body = if exchange.is_sealed { self.seal(&mut exchange, body)? } else { body };
        let next = self.send(exchange, status, Some(body)).await?;
        if let Some(delivered) = message.delivered {
            self.written(delivered)?;
        }
        Ok(next)
    }

    async fn send(&mut self, exchange: Exchange, status: u16, body: Option<Vec<u8>>) -> Result<Next, Ended> {
        let is_last = self.service.shutdown.has_begun() || self.peer.door.is_shut();
        let next = if is_last { Next::Close } else { exchange.next };
        let body = body.unwrap_or_default();
        let head = exchange.head(status, next, body.len()).map_err(|_| Ended("a header was not writable"))?;
        let writing = self.write(&head, &body);
        match timeout(WRITING, writing).await {
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
                let parts = [IoSlice::new(head.get(sent..).unwrap_or_default()), IoSlice::new(body)];
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

    /// Closes the connection once the last answer has arrived, or is lost.
    async fn end(&mut self, ended: Option<Ended>) {
        self.settle().await;
        let _ = match ended {
            None => timeout(LINGER, self.linger()).await,
            // There is no answer that could be lost, so nobody is waited for.
            Some(_) => timeout(LINGER, async { self.io.shutdown().await.unwrap_or_default() }).await,
        };
    }

    /// Says that nothing more comes, and lets the peer finish what it sends: closed at once, the connection
    /// would be reset and the answer lost.
    async fn linger(&mut self) {
        if self.io.shutdown().await.is_err() {
            return;
        }
        let mut left = PASSED_OVER;
        while let Ok(read) = receive(&mut self.io, &mut self.received).await {
            self.received.clear();
            left = left.saturating_sub(read);
            if read == 0 || left == 0 {
                return;
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

/// Text of the answer to a request whose body is not received.
const TOO_MANY_BODIES: &str = "The service is receiving too many requests at the same time, of this client or of all. \
     Try again in a moment.\n";
/// How long the client may take to read one answer.
const WRITING: Duration = Duration::from_secs(120);
/// How long a client waits for an answer once it has said its last word.
const AFTER_LAST_WORD: Duration = Duration::from_secs(3);
/// How long to wait for the other end at the end.
const LINGER: Duration = Duration::from_secs(2);
/// What a client may still send after the last answer, in octets.
const PASSED_OVER: usize = 16 * 1_024 * 1_024;
/// What a client may send ahead while it waits for an answer, in octets.
const AHEAD: usize = 64 * 1_024;
/// Up to this length copying costs less than a second buffer, in octets.
const COPIED: usize = 16 * 1_024;
