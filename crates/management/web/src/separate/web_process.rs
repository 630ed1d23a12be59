//! The end of the web process: checks requests, and has operations run by the privileged process.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use broker::Link;
use locks::Mutex;
use management::{Restrictions, RestrictionsError};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::message::{
    ClientCredential, LogEntry, OperationRequest, PREFIX, PrivilegedReply, WebProcessStart, WebRequest,
    is_within_limit,
};
use crate::access::{api_key, cookie};
use crate::call::Call;
use crate::certificate::Certificate;
use crate::client_checks::ClientChecks;
use crate::dispatch::{Operation, Routed, failure, logged, route, without_content_for_head};
use crate::event_stream::EventStream;
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::server::{Service, serve_with};

/// The web process: everything that requests need before an operation runs.
#[derive(Debug)]
pub struct WebProcess {
    checks: ClientChecks,
    is_logging: bool,
    connection: Arc<Connection>,
}

/// Connection to the privileged process.
#[derive(Debug)]
struct Connection {
    link: Link,
    last: AtomicU64,
    /// Requests without response; `None` once the connection has ended.
    waiting: Mutex<Option<HashMap<u64, Sender<PrivilegedReply>>>>,
}

impl WebProcess {
    /// Prepares the answers to requests.
    ///
    /// # Errors
    /// [`RestrictionsError`] for invalid address rules.
    pub fn new(start: &WebProcessStart, link: Link) -> Result<Self, RestrictionsError> {
        let restrictions: Restrictions = start.restrictions.parse()?;
        let host_names = start.host_names.clone();
        let checks = ClientChecks { is_remote_enabled: start.is_remote_enabled, restrictions, host_names };
        let waiting = Mutex::new(Some(HashMap::new()));
        let connection = Arc::new(Connection { link, last: AtomicU64::new(0), waiting });
        Ok(Self { checks, is_logging: start.is_logging, connection })
    }

    /// Serves HTTPS until the privileged process closes its socket.
    ///
    /// # Errors
    /// The error of the listener, or of starting a thread.
    pub async fn serve(self, listener: TcpListener, certificate: &Certificate) -> io::Result<()> {
        let ended = self.receive()?;
        self.connection.send(&WebRequest::Ready);
        let end = async { _ = ended.await };
        serve_with(listener, certificate, Arc::new(self), end).await
    }

    /// Starts the thread that receives responses; returns the end of the connection.
    pub(super) fn receive(&self) -> io::Result<oneshot::Receiver<()>> {
        let (sender, ended) = oneshot::channel();
        let connection = Arc::clone(&self.connection);
        std::thread::Builder::new().name("operations".to_owned()).spawn(move || {
            connection.receive();
            let _ = sender.send(());
        })?;
        Ok(ended)
    }

    fn perform(&self, call: &Call, operation: Operation) -> (String, Reply) {
        // The limit of an operation without a body is too small for one that it ignores.
        let takes_body = operation.route.request.is_some();
        let request = WebRequest::Operation(Box::new(OperationRequest {
            route: operation.route,
            parts: operation.parts.into_iter().map(|(_, part)| part).collect(),
            query: call.query.clone(),
            credential: credential(call),
            session_secret: owned_header(call, "x-csrf-token").unwrap_or_default(),
            is_own_origin: operation.is_own_origin,
            revision: owned_header(call, "if-match"),
            last_event: owned_header(call, "last-event-id"),
            media_type: owned_header(call, "content-type"),
            protocols: owned_header(call, "sec-websocket-protocol"),
            body: Zeroizing::new(if takes_body { call.body.clone() } else { Vec::new() }),
            client: call.client,
            server: call.server,
        }));
        match self.connection.request(&request) {
            Err(RequestError::TooLarge) => (String::new(), failure(&too_large())),
            Ok(PrivilegedReply::Done { user, mut reply, stream }) => {
                if let Some(number) = stream {
                    let (connection, credential) = (Arc::clone(&self.connection), credential(call));
                    let stream = RemoteStream { connection, number, credential };
                    reply.content = Content::Stream(Box::new(stream));
                }
                (user, reply)
            }
            _ => (String::new(), failure(&unavailable())),
        }
    }
}

impl Drop for WebProcess {
    /// Ends the thread that receives responses.
    fn drop(&mut self) {
        self.connection.link.close();
    }
}

impl Service for WebProcess {
    fn answer(&self, call: &Call) -> Reply {
        let begin = Instant::now();
        let (user, reply) = match route(&self.checks, call) {
            Err(problem) => (String::new(), failure(&problem)),
            Ok(Routed::Answered(reply)) => (String::new(), reply),
            Ok(Routed::Operation(operation)) => self.perform(call, operation),
        };
        if self.is_logging {
            let entry = LogEntry::of(&logged(call, &user, &reply, begin.elapsed()));
            self.connection.send(&WebRequest::Log(entry));
        }
        without_content_for_head(call, reply)
    }

    /// Returns `true`, because the privileged process checks the credential at each read of a stream.
    fn still_admits_viewer(&self, _: &Call) -> bool {
        true
    }
}

impl Connection {
    /// Sends a request without response.
    fn send(&self, request: &WebRequest) {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.link.send(&request.encode(number), &[]) {
            tracing::debug!(%error, "Cannot send a request to the privileged process");
        }
    }

    /// Sends a request, and waits for the response.
    fn request(&self, request: &WebRequest) -> Result<PrivilegedReply, RequestError> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let message = request.encode(number);
        // The privileged process replaces a web process that sends longer messages.
        if !is_within_limit(message.get(..PREFIX).unwrap_or(&message), message.len()) {
            return Err(RequestError::TooLarge);
        }
        let (sender, receiver): (_, Receiver<PrivilegedReply>) = channel();
        self.waiting.lock().as_mut().ok_or(RequestError::Ended)?.insert(number, sender);
        if let Err(error) = self.link.send(&message, &[]) {
            tracing::error!(%error, "Cannot send a request to the privileged process");
            self.waiting.lock().as_mut().ok_or(RequestError::Ended)?.remove(&number);
            return Err(RequestError::Ended);
        }
        receiver.recv().map_err(|_| RequestError::Ended)
    }

    /// Receives responses until the connection ends.
    fn receive(&self) {
        while let Ok(Some(mut frame)) = self.link.receive() {
            let Ok((number, mut reply)) = PrivilegedReply::decode(&frame.message) else {
                tracing::error!("Invalid message from the privileged process");
                break;
            };
            if let PrivilegedReply::Done { reply, .. } = &mut reply
                && let Some(shell) = frame.descriptors.pop()
            {
                reply.content = Content::Terminal(shell.into());
            }
            let sender = self.waiting.lock().as_mut().and_then(|waiting| waiting.remove(&number));
            if let Some(sender) = sender {
                // The receiver waits as long as its number is in the table.
                let _ = sender.send(reply);
            }
        }
        self.waiting.lock().take();
    }
}

/// Reason why a request has no response.
enum RequestError {
    /// The request exceeds the limit of its operation.
    TooLarge,
    /// The connection has ended.
    Ended,
}

/// Stream of events that the privileged process reads.
struct RemoteStream {
    connection: Arc<Connection>,
    number: u64,
    credential: ClientCredential,
}

impl std::fmt::Debug for RemoteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteStream").field("number", &self.number).finish_non_exhaustive()
    }
}

impl EventStream for RemoteStream {
    fn next_events(&mut self) -> Result<String, String> {
        let request = WebRequest::NextEvents { stream: self.number, credential: self.credential.clone() };
        match self.connection.request(&request) {
            Ok(PrivilegedReply::Events(events)) => events,
            // The privileged process is busy; the next read returns these events, too.
            Ok(PrivilegedReply::Done { .. }) => {
                std::thread::sleep(Duration::from_millis(100));
                Ok(String::new())
            }
            Err(_) => Err("the service is restarting".to_owned()),
        }
    }
}

impl Drop for RemoteStream {
    fn drop(&mut self) {
        self.connection.send(&WebRequest::CloseStream(self.number));
    }
}

fn owned_header(call: &Call, name: &str) -> Option<String> {
    call.header(name).map(str::to_owned)
}

fn credential(call: &Call) -> ClientCredential {
    match (api_key(call), cookie(call)) {
        (Some(key), _) => ClientCredential::Key(key.to_owned()),
        (None, Some(secret)) => ClientCredential::Session(secret.to_owned()),
        (None, None) => ClientCredential::None,
    }
}

fn too_large() -> Problem {
    Problem::new(413, "body-too-large", "the body is longer than this operation permits")
}

fn unavailable() -> Problem {
    Problem::new(503, "unavailable", "the service is restarting; repeat the request")
}
