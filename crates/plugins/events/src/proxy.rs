//! The gateway's end: forwards messages of sources to the collector's process.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use locks::{Mutex, RwLock};
use metrics::CollectorStatistics;
use service::{BoxFuture, ClientCertificates, EventAnswer, EventEndpoint, EventMessage, PathAccess};
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::message::{decode_answer, encode_call, encode_question, receive, send};
use crate::path_permits::PathPermits;
use crate::request::Target;
use crate::source_message::SourceMessage;
use crate::{statistics, status};

/// Collector of events in another process, as a part of the service.
///
/// While the process is not connected, sources receive the status 503 and repeat their messages.
pub struct RemoteCollector {
    state: RwLock<State>,
    last: AtomicU64,
    /// Permits for messages in work, which bound the memory of both processes.
    in_work: Semaphore,
    paths: PathPermits,
}

/// State of the other process.
struct State {
    is_enabled: bool,
    certificates: ClientCertificates,
    connection: Option<Arc<Connection>>,
    /// Numbers that the other process has sent last.
    statistics: CollectorStatistics,
}

/// Connection to the other process.
struct Connection {
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    /// Tasks that wait for a response; `None` once the connection is closed.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<EventAnswer>>>>,
}

impl Default for RemoteCollector {
    /// Returns a collector that is disabled.
    fn default() -> Self {
        let state = State {
            is_enabled: false,
            certificates: ClientCertificates::Unused,
            connection: None,
            statistics: CollectorStatistics::default(),
        };
        Self {
            state: RwLock::new(state),
            last: AtomicU64::new(0),
            in_work: Semaphore::new(MAX_IN_WORK),
            paths: PathPermits::default(),
        }
    }
}

impl RemoteCollector {
    /// Replaces the state, and uses another connection from now on. Must be called within the runtime. Without a
    /// connection, an existing one stays in use until it is closed.
    ///
    /// # Errors
    /// I/O errors, and those of sockets that another user has created.
    pub fn update(
        self: &Arc<Self>,
        is_enabled: bool,
        certificates: ClientCertificates,
        socket: Option<UnixStream>,
    ) -> io::Result<()> {
        let connection = socket.map(|socket| self.connect(socket)).transpose()?;
        let mut state = self.state.write();
        state.is_enabled = is_enabled;
        state.certificates = certificates;
        if connection.is_some() || !is_enabled {
            state.connection = connection;
        }
        Ok(())
    }

    fn connect(self: &Arc<Self>, socket: UnixStream) -> io::Result<Arc<Connection>> {
        broker::verify_owner(&socket)?;
        socket.set_nonblocking(true)?;
        let (reader, mut writer) = tokio::net::UnixStream::from_std(socket)?.into_split();
        let (outgoing, mut queue) = mpsc::unbounded_channel::<Vec<u8>>();
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if let Err(error) = send(&mut writer, &message).await {
                    tracing::debug!(%error, "Cannot send to the collector of events");
                    return;
                }
            }
        });
        let connection = Arc::new(Connection { outgoing, waiting: Mutex::new(Some(HashMap::new())) });
        let (collector, receiving) = (Arc::clone(self), Arc::clone(&connection));
        tokio::spawn(async move {
            if let Err(error) = receiving.receive_answers(reader, &collector.state).await {
                tracing::error!(%error, "Invalid message from the collector of events");
            }
            // Dropping the senders wakes the tasks that wait.
            *receiving.waiting.lock() = None;
            let mut state = collector.state.write();
            if state.connection.as_ref().is_some_and(|current| Arc::ptr_eq(current, &receiving)) {
                tracing::warn!("The collector of events has ended; sources repeat their messages");
                state.connection = None;
            }
        });
        Ok(connection)
    }

    async fn forward(&self, message: EventMessage) -> Option<EventAnswer> {
        if message.body.len() > MAX_BODY {
            return Some(status(413));
        }
        let _permit = self.in_work.acquire().await.ok()?;
        self.call(|number| encode_call(number, &SourceMessage::from(message))).await
    }

    /// Sends a call and waits for its response.
    async fn call(&self, encode: impl FnOnce(u64) -> Vec<u8>) -> Option<EventAnswer> {
        let connection = self.state.read().connection.clone()?;
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        connection.waiting.lock().as_mut()?.insert(number, sender);
        let _entry = Entry { connection: &connection, number };
        connection.outgoing.send(encode(number)).ok()?;
        receiver.await.ok()
    }
}

impl Connection {
    async fn receive_answers(&self, mut reader: OwnedReadHalf, state: &RwLock<State>) -> io::Result<()> {
        while let Some(message) = receive(&mut reader).await? {
            if let Some(numbers) = statistics::decode(&message).map_err(invalid)? {
                state.write().statistics = numbers;
                continue;
            }
            let (number, answer) = decode_answer(&message).map_err(invalid)?;
            let sender = self.waiting.lock().as_mut().and_then(|waiting| waiting.remove(&number));
            // The source may have closed its connection.
            let _ = sender.map(|sender| sender.send(answer));
        }
        Ok(())
    }
}

fn invalid(error: broker::wire::Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Entry of a task that waits; removed when the task ends or is cancelled.
struct Entry<'c> {
    connection: &'c Connection,
    number: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.connection.waiting.lock().as_mut() {
            waiting.remove(&self.number);
        }
    }
}

impl EventEndpoint for RemoteCollector {
    fn has_path(&self, path: &str) -> bool {
        self.state.read().is_enabled && Target::of(path).is_some()
    }

    fn path_access<'a>(&'a self, path: &'a str) -> BoxFuture<'a, PathAccess> {
        Box::pin(async move {
            let question = |number| encode_question(number, path);
            self.paths
                .access(path, || async move { self.call(question).await.unwrap_or_else(|| status(503)) })
                .await
        })
    }

    fn client_certificates(&self) -> ClientCertificates {
        self.state.read().certificates
    }

    fn answer(&self, message: EventMessage) -> BoxFuture<'_, EventAnswer> {
        Box::pin(async move { self.forward(message).await.unwrap_or_else(|| status(503)) })
    }

    fn statistics(&self) -> CollectorStatistics {
        self.state.read().statistics.clone()
    }
}

/// Maximum size of a message in bytes, so that it fits into a frame.
const MAX_BODY: usize = broker::MAX_MESSAGE_LENGTH / 2;
/// Maximum number of messages that the other process has not answered.
const MAX_IN_WORK: usize = 128;
