//! The process with outgoing connections: both ends of its socket.
//!
//! The privileged process has no network, and the web process may not connect to anything, so that an attacker who
//! executes code in it reaches no other machine. The connector is a third process without privileges, which is started
//! at the first use.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use broker::Link;
use locks::Mutex;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use crate::machines::{Connector, MachineConnector};

/// The end of the privileged process. The process is started at the first task, and again after its end.
pub struct ConnectorProcess {
    start: Box<dyn Fn() -> io::Result<Link> + Send + Sync>,
    running: Mutex<Option<Arc<Running>>>,
}

impl std::fmt::Debug for ConnectorProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectorProcess").finish_non_exhaustive()
    }
}

/// Connection to a running process.
struct Running {
    link: Link,
    last: AtomicU64,
    /// Tasks without outcome; `None` once the connection has ended.
    waiting: Mutex<Option<HashMap<u64, Sender<Vec<u8>>>>>,
}

impl ConnectorProcess {
    /// Returns a connector whose process `start` starts.
    pub fn new(start: impl Fn() -> io::Result<Link> + Send + Sync + 'static) -> Self {
        Self { start: Box::new(start), running: Mutex::default() }
    }

    /// Returns the running process, and starts it if there is none.
    fn running(&self) -> io::Result<Arc<Running>> {
        let mut running = self.running.lock();
        if let Some(running) = running.as_ref().filter(|running| running.waiting.lock().is_some()) {
            return Ok(Arc::clone(running));
        }
        let waiting = Mutex::new(Some(HashMap::new()));
        let started = Arc::new(Running { link: (self.start)()?, last: AtomicU64::new(0), waiting });
        let receiver = Arc::clone(&started);
        std::thread::Builder::new().name("connections".to_owned()).spawn(move || receiver.receive())?;
        *running = Some(Arc::clone(&started));
        Ok(started)
    }
}

impl Connector for ConnectorProcess {
    fn perform(&self, task: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, String> {
        let running = self.running().map_err(|error| {
            tracing::error!(%error, "Cannot start the process for connections to other machines");
            "cannot start the process for connections to other machines; see the log of the service"
                .to_owned()
        })?;
        running.perform(&task).ok_or_else(|| {
            "the process for connections to other machines has ended; connect to the machines again"
                .to_owned()
        })
    }

    fn is_used(&self) -> bool {
        // A process that has ended knows no session.
        self.running.lock().as_ref().is_some_and(|running| running.waiting.lock().is_some())
    }
}

impl Drop for ConnectorProcess {
    fn drop(&mut self) {
        if let Some(running) = self.running.lock().take() {
            running.link.close();
        }
    }
}

impl Running {
    /// Sends a task and waits for its outcome; `None` if the process has ended.
    fn perform(&self, task: &[u8]) -> Option<Vec<u8>> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver): (_, Receiver<Vec<u8>>) = channel();
        self.waiting.lock().as_mut()?.insert(number, sender);
        if let Err(error) = self.link.send(&numbered(number, task), &[]) {
            tracing::error!(%error, "Cannot send a task to the process for connections");
            self.waiting.lock().as_mut()?.remove(&number);
            return None;
        }
        receiver.recv().ok()
    }

    /// Receives outcomes until the process ends.
    fn receive(&self) {
        while let Ok(Some(frame)) = self.link.receive_limited(MAX_OUTCOME) {
            let Some((number, outcome)) = frame.message.split_first_chunk() else { break };
            let number = u64::from_be_bytes(*number);
            let sender = self.waiting.lock().as_mut().and_then(|waiting| waiting.remove(&number));
            if let Some(sender) = sender {
                // The receiver waits as long as its number is in the table.
                let _ = sender.send(outcome.to_vec());
            }
        }
        tracing::warn!("The process for connections to other machines has ended");
        self.link.close();
        self.waiting.lock().take();
    }
}

/// Performs the tasks that arrive on a socket until it is closed. Blocks the calling thread.
///
/// # Errors
/// The error of the socket.
pub fn serve_connections(link: Link, runtime: &Handle) -> io::Result<()> {
    let (link, connector) = (Arc::new(link), Arc::new(MachineConnector::new(runtime.clone())));
    while let Some(frame) = link.receive_limited(MAX_TASK)? {
        let (link, connector) = (Arc::clone(&link), Arc::clone(&connector));
        runtime.spawn(async move {
            let Some((number, task)) = frame.message.split_first_chunk() else { return };
            let outcome = connector.answer(task).await;
            let message = numbered(u64::from_be_bytes(*number), &outcome);
            let sent = tokio::task::spawn_blocking(move || link.send(&message, &[])).await;
            if let Ok(Err(error)) = sent {
                tracing::debug!(%error, "Cannot send an outcome");
            }
        });
    }
    Ok(())
}

/// Returns a message that begins with its number.
fn numbered(number: u64, content: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut message = Zeroizing::new(Vec::with_capacity(8 + content.len()));
    message.extend_from_slice(&number.to_be_bytes());
    message.extend_from_slice(content);
    message
}

/// Maximum length of a task: a list of sessions, or a command with its machines.
const MAX_TASK: usize = 1 << 20;
/// Maximum length of an outcome: rows of a query, or the events of a run.
const MAX_OUTCOME: usize = 32 << 20;
