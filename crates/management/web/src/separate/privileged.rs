//! The end of the privileged process: decodes requests, admits callers, and runs operations.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use broker::Link;
use broker::wire::Malformed;
use locks::Mutex;
use management::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::message::{
    ClientCredential, LogEntry, OperationRequest, PREFIX, PrivilegedReply, WebRequest, is_within_limit,
};
use crate::access::COOKIE;
use crate::call::Call;
use crate::console::Console;
use crate::dispatch::{Operation, failure};
use crate::event_stream::EventStream;
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::server::sample;

/// Reason why the web process must be replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivilegedError {
    /// The bytes are not a frame, or the message exceeds the limit of its operation.
    #[error("refused a message of the web process: {0}")]
    Receive(#[from] io::Error),
    /// The message is not a request with an operation of the table.
    #[error("refused a message of the web process: {0}")]
    Malformed(#[from] Malformed),
    /// A request has descriptors.
    #[error("refused a message of the web process: it has descriptors")]
    Descriptors,
}

/// Signals between the service and the thread that runs the operations of a web process.
#[derive(Debug)]
pub struct PrivilegedSignals {
    /// Notified once the web process accepts connections.
    pub ready: oneshot::Sender<()>,
    /// Request to end the web process. It receives the responses of running operations first.
    pub end: oneshot::Receiver<()>,
}

/// Runs the operations that the web process requests, until it closes its socket. Blocks the calling thread.
///
/// # Errors
/// [`PrivilegedError`] after a message that an intact web process does not send; the link is closed then.
pub fn serve_operations(
    link: &Arc<Link>,
    console: &Arc<Console>,
    runtime: &Handle,
    signals: PrivilegedSignals,
) -> Result<(), PrivilegedError> {
    let PrivilegedSignals { ready, end } = signals;
    let sampler = runtime.spawn(sample(Arc::clone(console)));
    let operations = Arc::new(Operations {
        link: Arc::clone(link),
        console: Arc::clone(console),
        running: watch::Sender::new(0),
        streams: Mutex::default(),
    });
    let ending = runtime.spawn(end_web_process(Arc::clone(&operations), end));
    let served = receive(link, &operations, runtime, ready);
    sampler.abort();
    ending.abort();
    if let Err(error) = &served {
        tracing::error!(%error, "Closing the connection to the web process");
        link.close();
    }
    served
}

/// Waits for the request to end the web process, then for the responses of running operations, at most
/// [`OPERATION_TIME`]. The web process ends when it can receive no more.
async fn end_web_process(operations: Arc<Operations>, end: oneshot::Receiver<()>) {
    if end.await.is_err() {
        return;
    }
    let mut running = operations.running.subscribe();
    if tokio::time::timeout(OPERATION_TIME, running.wait_for(|running| *running == 0)).await.is_err() {
        tracing::warn!("Operations go on while the web process ends");
    }
    operations.link.close_sending();
}

fn receive(
    link: &Link,
    operations: &Arc<Operations>,
    runtime: &Handle,
    ready: oneshot::Sender<()>,
) -> Result<(), PrivilegedError> {
    let mut ready = Some(ready);
    while let Some(frame) = link.receive_checked(PREFIX, is_within_limit)? {
        if !frame.descriptors.is_empty() || frame.has_lost_descriptors {
            return Err(PrivilegedError::Descriptors);
        }
        let (number, request) = WebRequest::decode(&frame.message)?;
        match request {
            WebRequest::CloseStream(stream) => operations.close(stream),
            WebRequest::Log(entry) => operations.log(&entry),
            WebRequest::Ready => _ = ready.take().map(|ready| ready.send(())),
            request => {
                if !operations.begin() {
                    operations.send(number, &busy());
                    continue;
                }
                let operations = Arc::clone(operations);
                runtime.spawn_blocking(move || operations.answer(number, request));
            }
        }
    }
    Ok(())
}

struct Operations {
    link: Arc<Link>,
    console: Arc<Console>,
    /// Number of requests that are being answered.
    running: watch::Sender<usize>,
    streams: Mutex<Streams>,
}

/// Open streams of events.
#[derive(Default)]
struct Streams {
    last: u64,
    open: HashMap<u64, OpenStream>,
}

struct OpenStream {
    user: String,
    /// `None` while it is being read.
    source: Option<Box<dyn EventStream>>,
}

impl Operations {
    /// Counts a request, unless too many are being answered.
    fn begin(&self) -> bool {
        self.running.send_if_modified(|running| {
            let is_free = *running < MAX_RUNNING;
            *running = running.saturating_add(usize::from(is_free));
            is_free
        })
    }

    /// Answers a request, and sends the response.
    fn answer(&self, number: u64, request: WebRequest) {
        let answered = catch_unwind(AssertUnwindSafe(|| match request {
            WebRequest::Operation(operation) => self.perform(*operation),
            WebRequest::NextEvents { stream, credential } => {
                PrivilegedReply::Events(self.next_events(stream, &credential))
            }
            WebRequest::CloseStream(_) | WebRequest::Log(_) | WebRequest::Ready => busy(),
        }));
        let reply = answered.unwrap_or_else(|_| {
            tracing::error!("An operation panicked");
            problem_reply(&Problem::new(500, "internal", "the service failed; its log has the reason"))
        });
        self.send(number, &reply);
        self.running.send_modify(|running| *running = running.saturating_sub(1));
    }

    fn send(&self, number: u64, reply: &PrivilegedReply) {
        let message = reply.encode(number);
        let terminal = match reply {
            PrivilegedReply::Done { reply: Reply { content: Content::Terminal(shell), .. }, .. } => {
                Some(shell)
            }
            _ => None,
        };
        let descriptors: Vec<_> = terminal.iter().map(|shell| shell.as_fd()).collect();
        if let Err(error) = self.link.send(&message, &descriptors) {
            tracing::debug!(%error, "Cannot send a response to the web process");
        }
    }

    fn perform(&self, operation: OperationRequest) -> PrivilegedReply {
        let (call, operation) = call_of(operation);
        let mut caller = None;
        let reply = self.console.perform(&call, operation, &mut caller);
        let reply = reply.unwrap_or_else(|problem| failure(&problem));
        self.console.record(&call, caller.as_ref(), &reply);
        let user = caller.map(|caller| caller.name).unwrap_or_default();
        self.reply(user, reply)
    }

    /// Returns the response; a stream stays open here.
    fn reply(&self, user: String, mut reply: Reply) -> PrivilegedReply {
        if !matches!(reply.content, Content::Stream(_)) {
            return PrivilegedReply::Done { user, reply, stream: None };
        }
        let Content::Stream(source) = std::mem::replace(&mut reply.content, Content::Empty) else {
            return PrivilegedReply::Done { user, reply, stream: None };
        };
        let mut streams = self.streams.lock();
        let own = streams.open.values().filter(|stream| stream.user == user).count();
        if streams.open.len() >= MAX_STREAMS || own >= MAX_STREAMS_OF_USER {
            let detail =
                format!("{own} streams of events of this user are open; close a page with live data");
            return problem_reply(&Problem::new(503, "busy", detail));
        }
        streams.last = streams.last.wrapping_add(1);
        let number = streams.last;
        streams.open.insert(number, OpenStream { user: user.clone(), source: Some(source) });
        PrivilegedReply::Done { user, reply, stream: Some(number) }
    }

    /// Reads a stream, as long as its user presents a credential of a viewer.
    fn next_events(&self, stream: u64, credential: &ClientCredential) -> Result<String, String> {
        let user = self.console.viewer(&bare_call(credential)).ok_or(STREAM_ENDED)?;
        let mut source = {
            let mut streams = self.streams.lock();
            let open = streams.open.get_mut(&stream).filter(|open| open.user == user);
            open.and_then(|open| open.source.take()).ok_or(STREAM_ENDED)?
        };
        let events = source.next_events();
        let mut streams = self.streams.lock();
        if events.is_err() {
            streams.open.remove(&stream);
        } else if let Some(open) = streams.open.get_mut(&stream) {
            open.source = Some(source);
        }
        events
    }

    fn close(&self, stream: u64) {
        let closed = self.streams.lock().open.remove(&stream);
        drop(closed);
    }

    fn log(&self, entry: &LogEntry) {
        if let Some(log) = &self.console.request_log {
            log.append(&entry.at(Timestamp::now()));
        }
    }
}

fn busy() -> PrivilegedReply {
    problem_reply(&Problem::new(503, "busy", "too many requests are being answered"))
}

fn problem_reply(problem: &Problem) -> PrivilegedReply {
    PrivilegedReply::Done { user: String::new(), reply: failure(problem), stream: None }
}

/// Returns the call of an operation, as the handlers and the audit log know it.
fn call_of(request: OperationRequest) -> (Call, Operation) {
    let OperationRequest { route, parts, query, credential, session_secret, .. } = request;
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parts: Vec<(&'static str, String)> = names.zip(parts).collect();
    let mut path = "/api/v1".to_owned();
    let mut values = parts.iter().map(|(_, value)| value);
    for part in route.path.split('/').skip(1) {
        path.push('/');
        match values.next().filter(|_| part.starts_with('{')) {
            Some(value) => path.extend(value.bytes().map(|byte| format!("%{byte:02X}"))),
            None => path.push_str(part),
        }
    }
    let call = bare_call(&credential);
    let mut headers = call.headers;
    headers.push(("x-csrf-token".to_owned(), session_secret));
    let optional = [
        ("if-match", request.revision),
        ("last-event-id", request.last_event),
        ("content-type", request.media_type),
        ("sec-websocket-protocol", request.protocols),
    ];
    for (name, value) in optional {
        headers.extend(value.map(|value| (name.to_owned(), value)));
    }
    let mut body = request.body;
    let call = Call {
        method: route.method.to_owned(),
        path,
        query,
        headers,
        body: std::mem::take(&mut *body),
        client: request.client,
        server: request.server,
    };
    (call, Operation { route, parts, is_own_origin: request.is_own_origin })
}

/// Returns a call that has nothing but a credential.
fn bare_call(credential: &ClientCredential) -> Call {
    let headers = match credential {
        ClientCredential::None => Vec::new(),
        ClientCredential::Session(secret) => vec![("cookie".to_owned(), format!("{COOKIE}={secret}"))],
        ClientCredential::Key(key) => vec![("authorization".to_owned(), format!("Bearer {key}"))],
    };
    let unknown = ([0, 0, 0, 0], 0).into();
    Call {
        method: "GET".to_owned(),
        path: String::new(),
        query: String::new(),
        headers,
        body: Vec::new(),
        client: unknown,
        server: unknown,
    }
}

/// Reason for the end of a stream.
const STREAM_ENDED: &str = "the stream has ended";
/// Time that running operations have when the web process is ended.
const OPERATION_TIME: Duration = Duration::from_secs(2);
/// Requests that are answered at the same time: those of the web process, and reads of its streams.
const MAX_RUNNING: usize = 64;
/// Open streams, and those of one user.
const MAX_STREAMS: usize = 32;
const MAX_STREAMS_OF_USER: usize = 8;
