//! Listener, connections, and their limits.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use limits::{Capacity, KeyedLimit, Origin, Permit};
use management::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

use crate::call::Call;
use crate::certificate::Certificate;
use crate::console::Console;
use crate::ending::{EndNotice, Ending};
use crate::event_stream::EventStream;
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::response::{ResponseBody, of_reply};
use crate::route_search::{Found, find};
use crate::websocket::{accept, require_handshake};

/// Answers to the requests of all connections.
pub(crate) trait Service: Send + Sync {
    /// Answers a request. This may block.
    fn answer(&self, call: &Call) -> Reply;

    /// Answers a request if that takes less time than passing it to another thread.
    fn answer_quickly(&self, _: &Call) -> Option<Reply> {
        None
    }

    /// Returns whether the credentials of a request still give the role of a viewer.
    fn still_admits_viewer(&self, call: &Call) -> bool;
}

impl Service for Console {
    fn answer(&self, call: &Call) -> Reply {
        Self::answer(self, call)
    }

    fn answer_quickly(&self, call: &Call) -> Option<Reply> {
        Self::answer_quickly(self, call)
    }

    fn still_admits_viewer(&self, call: &Call) -> bool {
        Self::still_admits_viewer(self, call)
    }
}

/// Shared state of all connections.
struct Server {
    service: Arc<dyn Service>,
    /// Requests that are being answered, each on a thread.
    requests: Semaphore,
    /// Requests of each address that are being answered or wait for that.
    waiting: KeyedLimit<Origin>,
    /// Streams of events of each address.
    streams: KeyedLimit<Origin>,
    end: EndNotice,
}

/// Serves HTTPS until `end` is ready; connections then end with their current requests.
///
/// # Errors
/// The error of the listener if its address cannot be read.
pub async fn serve(
    listener: TcpListener,
    certificate: &Certificate,
    console: Arc<Console>,
    end: impl Future<Output = ()>,
) -> io::Result<()> {
    let sampler = tokio::spawn(sample(Arc::clone(&console)));
    let served = serve_with(listener, certificate, console, end).await;
    sampler.abort();
    served
}

/// Serves HTTPS with the answers of a service.
pub(crate) async fn serve_with(
    listener: TcpListener,
    certificate: &Certificate,
    service: Arc<dyn Service>,
    end: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let acceptor = TlsAcceptor::from(Arc::clone(&certificate.server));
    let requests = Semaphore::new(MAX_REQUESTS);
    let (ending, notice) = Ending::new();
    let server = Arc::new(Server {
        service,
        requests,
        waiting: KeyedLimit::new(),
        streams: KeyedLimit::new(),
        end: notice,
    });
    let connections: KeyedLimit<Origin> = KeyedLimit::new();
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = tokio::select! {
            () = &mut end => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, client) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // For example too many open files: wait until connections have ended.
                tracing::warn!(%error, "Cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = connections.acquire(Origin::of(client.ip()), CONNECTIONS) else {
            tracing::debug!(peer = %client, "Too many connections");
            continue;
        };
        let (acceptor, server) = (acceptor.clone(), Arc::clone(&server));
        tokio::spawn(async move {
            connection(stream, client, address, &acceptor, &server).await;
            drop(permit);
        });
    }
    drop(server);
    ending.finish().await;
    Ok(())
}

/// Samples the load of the machine every second.
pub(crate) async fn sample(console: Arc<Console>) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        console.metrics.sample(&console.machine, Timestamp::now());
        console.wmi.drop_expired();
        if console.terminals.is_any_open() {
            // PAM checks accounts.
            let console = Arc::clone(&console);
            let _ = tokio::task::spawn_blocking(move || console.end_refused_terminals()).await;
        }
        let console = Arc::clone(&console);
        // The connector may be another process.
        let _ = tokio::task::spawn_blocking(move || {
            let sessions = console.sessions.list(Instant::now());
            console.machines.retain(sessions.iter().map(management::Session::lasting_id).collect());
        })
        .await;
    }
}

/// Serves one connection.
async fn connection(
    stream: TcpStream,
    client: SocketAddr,
    address: SocketAddr,
    acceptor: &TlsAcceptor,
    server: &Arc<Server>,
) {
    let address = stream.local_addr().unwrap_or(address);
    // Small responses are sent at once.
    let _ = stream.set_nodelay(true);
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)) => handshake,
        () = server.end.announced() => return,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(peer = %client, %error, "TLS handshake failed"),
        Err(_) => return tracing::debug!(peer = %client, "TLS handshake timed out"),
    };
    let service = service_fn(|request| {
        let server = Arc::clone(server);
        async move { Ok::<_, Infallible>(answer(&server, request, client, address).await) }
    });
    let mut serving = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = server.end.announced() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(peer = %client, %error, "Connection failed");
    }
}

/// Reads the body, and answers the request, on a blocking thread unless that is quick.
async fn answer(
    server: &Arc<Server>,
    request: Request<Incoming>,
    client: SocketAddr,
    address: SocketAddr,
) -> Response<ResponseBody> {
    let mut request = request;
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let body = match received(body).await {
        Ok(body) => body,
        Err(problem) => return closing(&problem),
    };
    let headers = head
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let call = Call {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.into(),
        client,
        server: address,
    };
    if let Found::Route(route, _) = find(&call.method, &call.path) {
        if route.quick.is_some()
            && let Some(reply) = server.service.answer_quickly(&call)
        {
            return of_reply(&reply);
        }
        if route.opens_socket
            && let Err(problem) = require_handshake(&call)
        {
            return of_reply(&problem.reply());
        }
    }
    let Ok(_share) = server.waiting.acquire(Origin::of(client.ip()), WAITING) else {
        let detail =
            format!("{} requests of this address are being answered; retry in a moment", WAITING.per_key);
        return of_reply(&Problem::new(503, "busy", detail).reply());
    };
    let Ok(Ok(_permit)) = tokio::time::timeout(QUEUE, server.requests.acquire()).await else {
        return of_reply(&Problem::new(503, "busy", "too many requests are being answered").reply());
    };
    let service = Arc::clone(&server.service);
    let answered = tokio::task::spawn_blocking(move || (service.answer(&call), call)).await;
    match answered {
        Ok((Reply { content: Content::Terminal(shell), .. }, call)) => accept(upgrade, &call, shell),
        Ok((reply, call)) => follow(server, reply, call),
        Err(_) => {
            tracing::error!("The answer to a request panicked");
            of_reply(&Problem::new(500, "internal", "the service failed; its log has the reason").reply())
        }
    }
}

/// Returns a body once it has arrived.
async fn received(body: Incoming) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match tokio::time::timeout(BODY, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Problem::new(413, "body-too-large", format!("the body is longer than {MAX_BODY} bytes")))
        }
        Ok(Err(_)) => Err(Problem::invalid("the body is incomplete")),
        Err(_) => Err(Problem::new(408, "timeout", "the body did not arrive in time")),
    }
}

/// Returns a response after which the connection is closed, because the rest of the request was not read.
fn closing(problem: &Problem) -> Response<ResponseBody> {
    of_reply(&problem.reply().header("connection", "close"))
}

/// Returns the response; a stream of events goes on until the client closes the connection.
fn follow(server: &Server, mut reply: Reply, call: Call) -> Response<ResponseBody> {
    if !matches!(reply.content, Content::Stream(_)) {
        return of_reply(&reply);
    }
    let mut response = of_reply(&reply);
    let Content::Stream(stream) = std::mem::replace(&mut reply.content, Content::Empty) else {
        return response;
    };
    let Ok(permit) = server.streams.acquire(Origin::of(call.client.ip()), STREAMS) else {
        let detail = format!(
            "{} streams of events are open from this address, or {} from all; close a page with live data",
            STREAMS.per_key, STREAMS.total
        );
        return of_reply(&Problem::new(503, "busy", detail).reply());
    };
    // Events for a slow client are not buffered: the source is asked again when the last ones were sent.
    let (sender, receiver) = mpsc::channel(1);
    let follower = Follower {
        service: Arc::clone(&server.service),
        call,
        sender,
        end: server.end.clone(),
        _permit: permit,
    };
    tokio::spawn(follower.send(stream));
    *response.body_mut() = BodyExt::boxed(StreamBody::new(Receiver(receiver)));
    response
}

/// Client that receives events.
struct Follower {
    service: Arc<dyn Service>,
    /// Request with the credentials of the client.
    call: Call,
    sender: mpsc::Sender<Bytes>,
    end: EndNotice,
    _permit: Permit<Origin>,
}

impl Follower {
    /// Sends new events, and a comment after 15 seconds without any, as long as the client may read them.
    async fn send(self, mut stream: Box<dyn EventStream>) {
        let mut polls = 0_u32;
        loop {
            polls = polls.wrapping_add(1);
            if polls.is_multiple_of(CHECK_AFTER) && !self.service.still_admits_viewer(&self.call) {
                return;
            }
            let read = tokio::task::spawn_blocking(move || {
                let events = stream.next_events();
                (stream, events)
            });
            let Ok((next, events)) = read.await else { return };
            stream = next;
            let text = match events {
                Ok(events) if events.is_empty() && polls.is_multiple_of(CHECK_AFTER) => ":\n\n".to_owned(),
                Ok(events) => events,
                Err(error) => {
                    let reason = error.replace(['\r', '\n'], " ");
                    let _ =
                        self.sender.send(Bytes::from(format!("event: failure\ndata: {reason}\n\n"))).await;
                    return;
                }
            };
            if !text.is_empty() && self.sender.send(Bytes::from(text)).await.is_err() {
                return;
            }
            tokio::select! {
                () = self.sender.closed() => return,
                () = self.end.announced() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

/// Stream of the received pages.
struct Receiver(mpsc::Receiver<Bytes>);

impl futures_core::Stream for Receiver {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|page| page.map(|page| Ok(Frame::data(page))))
    }
}

/// Time for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for the head of a request, and for an idle connection.
const HEAD: Duration = Duration::from_secs(30);
/// Time for the body of a request.
const BODY: Duration = Duration::from_secs(30);
/// Time that a request waits for a thread.
const QUEUE: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Interval at which the source of events is asked.
const POLL: Duration = Duration::from_millis(250);
/// Number of reads between two checks of the client's credentials.
const CHECK_AFTER: u32 = 60;

/// Connections of one source, and of all together.
const CONNECTIONS: Capacity = Capacity { per_key: 64, total: 512 };
/// Requests that are answered at the same time.
const MAX_REQUESTS: usize = 32;
/// Requests of one source that are answered or wait for that, and of all together.
const WAITING: Capacity = Capacity { per_key: 16, total: 512 };
/// Streams of events to one source, and to all together.
const STREAMS: Capacity = Capacity { per_key: 8, total: 32 };
/// Maximum length of a head in bytes.
const MAX_HEAD: usize = 32 * 1_024;
const MAX_HEADERS: usize = 64;
/// Maximum length of a body in bytes.
const MAX_BODY: usize = 1_024 * 1_024;
