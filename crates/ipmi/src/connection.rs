//! Connection: a shared session with one controller.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ipmi_proto::{
    CipherSuite, Command, CompletionCode, Destination, Login, Protection, ProtoError, Request, Response,
    Timing,
};
use locks::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::cache::ControllerId;
use crate::endpoint::SessionSlot;
use crate::{Endpoint, IpmiError, RecordCache};

/// A session with a controller; clones share it.
///
/// When the last clone is dropped, the session is closed in the background, if the runtime still runs.
#[derive(Clone, Debug)]
pub struct Connection {
    handle: Arc<Handle>,
    /// Default destination of requests: the controller of the session, or one behind it.
    controller: Destination,
}

/// Properties of the controller's end of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    /// Address; `None` for the controller of this machine.
    pub(crate) address: Option<SocketAddr>,
    /// Protection; `None` for the controller of this machine, which is accessed through a driver.
    pub(crate) protection: Option<Protection>,
    pub(crate) guid: Option<[u8; 16]>,
}

/// Number of outstanding requests that the controller currently keeps up with; 0 if unknown.
pub(crate) type SharedRequestLimit = Arc<AtomicUsize>;

#[derive(Debug)]
struct Handle {
    orders: mpsc::UnboundedSender<Order>,
    /// Identifies the session to the driver task.
    key: u64,
    peer: Peer,
    request_limit: SharedRequestLimit,
    cache: RecordCache,
}

/// Orders to the task that sends and receives datagrams. Callers wait for responses, so the queue is bounded
/// by their number.
#[derive(Debug)]
pub(crate) enum Order {
    Open(Opening),
    /// Sets the initial number of outstanding requests of a session that is not established yet.
    Expect(u64, usize),
    Ask(u64, Vec<QueuedRequest>),
    /// Sends a packet of the serial console.
    Serial(u64, Vec<u8>),
    /// Registers the receiver of serial console packets.
    TakeSerial(u64, mpsc::Sender<Vec<u8>>),
    Close(u64, Option<oneshot::Sender<()>>),
}

/// A request: destination, content, and receiver of the response.
pub(crate) type QueuedRequest = (Destination, Request, ResponseReceiver);

/// Result of a request.
pub(crate) type Outcome = Result<Response, ProtoError>;

/// Receiver of a response; if it is dropped, the caller gets an error.
#[derive(Debug)]
pub(crate) enum ResponseReceiver {
    Single(oneshot::Sender<Outcome>),
    /// The caller awaits group responses together; the number is the index of this one.
    Group(Arc<Mutex<ResponseGroup>>, usize),
}

/// Responses awaited together.
#[derive(Debug)]
pub(crate) struct ResponseGroup {
    outcomes: Vec<Outcome>,
    missing: usize,
    receiver: Option<oneshot::Sender<Vec<Outcome>>>,
}

/// A session to open.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) key: u64,
    pub(crate) address: SocketAddr,
    pub(crate) session: Box<ipmi_proto::Session>,
    pub(crate) request_limit: SharedRequestLimit,
    pub(crate) ready: oneshot::Sender<Result<Peer, ProtoError>>,
    /// Slot on the socket; released on drop.
    pub(crate) slot: SessionSlot,
}

/// An outstanding response. Dropping it discards the response.
pub(crate) struct Pending(oneshot::Receiver<Outcome>);

/// Outstanding responses to group requests.
pub(crate) struct PendingAll(oneshot::Receiver<Vec<Outcome>>);

impl Connection {
    /// Signs in over a new socket. An [`Endpoint`] shares sockets between many sessions.
    ///
    /// # Errors
    /// If the controller does not respond within the time limit, or rejects the login.
    pub async fn open(address: SocketAddr, login: Login, timing: Timing) -> Result<Self, IpmiError> {
        Endpoint::new().open(address, login, timing).await
    }

    pub(crate) fn new(
        orders: mpsc::UnboundedSender<Order>,
        key: u64,
        peer: Peer,
        request_limit: SharedRequestLimit,
        cache: RecordCache,
    ) -> Self {
        let handle = Arc::new(Handle { orders, key, peer, request_limit, cache });
        Self { handle, controller: Destination::CONTROLLER }
    }

    /// Returns a connection over the same session in which all requests go to another controller, behind that
    /// of the session. Its records are not cached.
    #[must_use]
    pub fn behind(&self, controller: Destination) -> Self {
        Self { handle: Arc::clone(&self.handle), controller }
    }

    /// Returns the address; `None` for the controller of this machine.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.handle.peer.address
    }

    /// Returns the cache key; `None` for a controller behind another one.
    pub(crate) fn controller_id(&self) -> Option<ControllerId> {
        let is_itself = self.controller.bridged().is_none();
        is_itself.then(|| self.handle.peer.address.map_or(ControllerId::Local, ControllerId::Remote))
    }

    /// Returns the number of outstanding requests that the controller keeps up with; 0 if unknown.
    pub(crate) fn request_limit(&self) -> usize {
        self.handle.request_limit.load(Ordering::Relaxed)
    }

    /// Returns the cache of records.
    pub(crate) fn cache(&self) -> &RecordCache {
        &self.handle.cache
    }

    /// Returns the protection of the session; `None` for the controller of this machine, which is accessed
    /// through a driver.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        self.handle.peer.protection
    }

    /// Returns the negotiated cipher suite; `None` for other sessions than IPMI 2.0.
    #[must_use]
    pub fn suite(&self) -> Option<CipherSuite> {
        match self.handle.peer.protection? {
            Protection::RmcpPlus(suite) => Some(suite),
            Protection::Lan15(_) => None,
        }
    }

    /// Returns the GUID that the controller sent during the login, if it did.
    #[must_use]
    pub fn guid(&self) -> Option<[u8; 16]> {
        self.handle.peer.guid
    }

    /// Sends a command and waits for the response. ResponseGroup tasks may do so at the same time.
    ///
    /// # Errors
    /// If there is no response within the time limit, or it has an error code.
    pub async fn run<C: Command>(&self, command: &C) -> Result<C::Reply, IpmiError> {
        self.run_at(Destination::CONTROLLER, command).await
    }

    /// Sends a command to another logical unit, or to another controller behind this one.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub async fn run_at<C: Command>(
        &self,
        destination: Destination,
        command: &C,
    ) -> Result<C::Reply, IpmiError> {
        let response = self.begin(destination, command.request()).answer().await?;
        reply(command, &response)
    }

    /// Sends a request and returns the response with its completion code.
    ///
    /// # Errors
    /// If there is no response within the time limit.
    pub async fn ask(&self, request: Request) -> Result<Response, IpmiError> {
        self.ask_at(Destination::CONTROLLER, request).await
    }

    /// Sends a request to another logical unit, or to another controller behind this one, and returns the
    /// response with its completion code.
    ///
    /// # Errors
    /// If there is no response within the time limit.
    pub async fn ask_at(&self, destination: Destination, request: Request) -> Result<Response, IpmiError> {
        self.begin(destination, request).answer().await
    }

    /// Sends a request without waiting, so that group can be outstanding at the same time.
    pub(crate) fn begin(&self, destination: Destination, request: Request) -> Pending {
        let (receiver, answer) = oneshot::channel();
        let Handle { orders, key, .. } = &*self.handle;
        // If the driver task has ended, the sender is dropped, and `answer` returns an error.
        let destination = destination.seen_from(self.controller);
        let _ =
            orders.send(Order::Ask(*key, vec![(destination, request, ResponseReceiver::Single(receiver))]));
        Pending(answer)
    }

    /// Sends group requests whose responses are awaited together.
    pub(crate) fn begin_all(
        &self,
        requests: impl ExactSizeIterator<Item = (Destination, Request)>,
    ) -> PendingAll {
        let (receiver, answers) = oneshot::channel();
        let Handle { orders, key, .. } = &*self.handle;
        let missing = requests.len();
        let outcomes = vec![Err(ProtoError::Ended); missing];
        if missing == 0 {
            let _ = receiver.send(outcomes);
            return PendingAll(answers);
        }
        let group = Arc::new(Mutex::new(ResponseGroup { outcomes, missing, receiver: Some(receiver) }));
        let requests = requests.enumerate().map(|(index, (destination, request))| {
            (
                destination.seen_from(self.controller),
                request,
                ResponseReceiver::Group(Arc::clone(&group), index),
            )
        });
        let _ = orders.send(Order::Ask(*key, requests.collect()));
        PendingAll(answers)
    }

    /// Returns a receiver of serial console packets. If its buffer is full, packets are dropped, and the
    /// controller resends them.
    pub(crate) fn serial_packets(&self) -> mpsc::Receiver<Vec<u8>> {
        let (tell, arrived) = mpsc::channel(64);
        let _ = self.handle.orders.send(Order::TakeSerial(self.handle.key, tell));
        arrived
    }

    pub(crate) fn send_serial(&self, payload: Vec<u8>) {
        let _ = self.handle.orders.send(Order::Serial(self.handle.key, payload));
    }

    /// Closes the session and waits for confirmation by the controller, because controllers have few session
    /// slots.
    pub async fn close(self) {
        let (closed, done) = oneshot::channel();
        if self.handle.orders.send(Order::Close(self.handle.key, Some(closed))).is_ok() {
            let _ = done.await;
        }
    }
}

impl ResponseReceiver {
    /// Delivers the result.
    pub(crate) fn tell(self, outcome: Outcome) {
        match self {
            // The caller may have stopped waiting.
            Self::Single(receiver) => drop(receiver.send(outcome)),
            Self::Group(group, index) => {
                let mut group = group.lock();
                if let Some(empty) = group.outcomes.get_mut(index) {
                    *empty = outcome;
                }
                group.missing = group.missing.saturating_sub(1);
                if group.missing == 0 {
                    let outcomes = std::mem::take(&mut group.outcomes);
                    group.receiver.take().map(|receiver| receiver.send(outcomes));
                }
            }
        }
    }
}

impl PendingAll {
    /// Returns the results in the order of the requests.
    pub(crate) async fn answers(self) -> Result<Vec<Outcome>, IpmiError> {
        Ok(self.0.await.map_err(|_| ProtoError::Ended)?)
    }
}

impl Pending {
    pub(crate) async fn answer(self) -> Result<Response, IpmiError> {
        Ok(self.0.await.map_err(|_| ProtoError::Ended)??)
    }
}

/// Decodes the response to a successful command.
pub(crate) fn reply<C: Command>(command: &C, response: &Response) -> Result<C::Reply, IpmiError> {
    if response.code != CompletionCode::OK {
        return Err(IpmiError::Completion(response.code));
    }
    Ok(command.reply(&response.data)?)
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Close(self.key, None));
    }
}
