//! One session with one controller, shared by whoever has something to ask.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipmi_proto::{
    CipherSuite, Command, CompletionCode, Destination, Login, Protection, ProtoError, Request, Response,
    Timing,
};
use tokio::sync::{mpsc, oneshot};

use crate::cache::Place;
use crate::endpoint::Seat;
use crate::{Endpoint, IpmiError, RecordCache};

/// A session with a controller; clones share it.
///
/// When the last clone is dropped, the session is closed, if the runtime lives long enough for that.
#[derive(Clone, Debug)]
pub struct Connection {
    handle: Arc<Handle>,
    /// Who is meant where nobody else is named.
    controller: Destination,
}

/// What is known of the other end of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    /// Where it is; none of the controller of this machine.
    pub(crate) address: Option<SocketAddr>,
    /// None of the controller of this machine, whom its driver asks.
    pub(crate) protection: Option<Protection>,
    pub(crate) guid: Option<[u8; 16]>,
}

/// How many requests a controller keeps up with at the same time, as its session sees it; 0 if nobody knows.
pub(crate) type Pace = Arc<AtomicUsize>;

#[derive(Debug)]
struct Handle {
    orders: mpsc::UnboundedSender<Order>,
    /// Which of the sessions of whoever takes the orders.
    key: u64,
    peer: Peer,
    pace: Pace,
    cache: RecordCache,
}

/// What whoever moves the octets is told. There are never more than callers who wait for answers.
#[derive(Debug)]
pub(crate) enum Order {
    Open(Opening),
    /// So many open requests the controller is known to keep up with, should the session not be established yet.
    Expect(u64, usize),
    Ask(u64, Vec<Asked>),
    /// A packet of the serial console.
    Serial(u64, Vec<u8>),
    /// Who takes those that arrive.
    TakeSerial(u64, mpsc::Sender<Vec<u8>>),
    Close(u64, Option<oneshot::Sender<()>>),
}

/// A request, whom it is for, and who waits for its answer.
pub(crate) type Asked = (Destination, Request, Asker);

/// What has come of a request.
pub(crate) type Outcome = Result<Response, ProtoError>;

/// Who waits for an answer; when it is dropped, there is none.
#[derive(Debug)]
pub(crate) enum Asker {
    One(oneshot::Sender<Outcome>),
    /// Several are waited for together; this is one of them.
    Of(Arc<Mutex<Several>>, usize),
}

/// Answers that are waited for together.
#[derive(Debug)]
pub(crate) struct Several {
    outcomes: Vec<Outcome>,
    missing: usize,
    asker: Option<oneshot::Sender<Vec<Outcome>>>,
}

/// A session that is to be opened.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) key: u64,
    pub(crate) address: SocketAddr,
    pub(crate) session: Box<ipmi_proto::Session>,
    pub(crate) pace: Pace,
    pub(crate) ready: oneshot::Sender<Result<Peer, ProtoError>>,
    /// Its place on the socket, which others may have once it is dropped.
    pub(crate) seat: Seat,
}

/// An answer that is on its way. Whoever does not wait for it is not told.
pub(crate) struct Pending(oneshot::Receiver<Outcome>);

/// The same for several requests.
pub(crate) struct PendingAll(oneshot::Receiver<Vec<Outcome>>);

impl Connection {
    /// Signs in, over a socket of its own; an [`Endpoint`] shares sockets between many.
    ///
    /// # Errors
    /// When nothing answers in the time of the limit, or the controller refuses.
    pub async fn open(address: SocketAddr, login: Login, timing: Timing) -> Result<Self, IpmiError> {
        Endpoint::new().open(address, login, timing).await
    }

    pub(crate) fn new(
        orders: mpsc::UnboundedSender<Order>,
        key: u64,
        (peer, pace): (Peer, Pace),
        cache: RecordCache,
    ) -> Self {
        let handle = Arc::new(Handle { orders, key, peer, pace, cache });
        Self { handle, controller: Destination::CONTROLLER }
    }

    /// The same session, in which another controller is meant by everything that is asked: one behind that of the
    /// session. What is known of it is not kept.
    #[must_use]
    pub fn behind(&self, controller: Destination) -> Self {
        Self { handle: Arc::clone(&self.handle), controller }
    }

    /// Where the controller is; none of this machine's own.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.handle.peer.address
    }

    /// What its records are kept under; none of a controller behind another one.
    pub(crate) fn place(&self) -> Option<Place> {
        let is_itself = self.controller.bridged().is_none();
        is_itself.then(|| self.handle.peer.address.map_or(Place::Here, Place::There))
    }

    /// How many requests it keeps up with, if that is known.
    pub(crate) fn pace(&self) -> usize {
        self.handle.pace.load(Ordering::Relaxed)
    }

    /// Where records are kept that were read.
    pub(crate) fn cache(&self) -> &RecordCache {
        &self.handle.cache
    }

    /// What protects the session; none where it is this machine's own controller, which only its driver reaches.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        self.handle.peer.protection
    }

    /// The suite that was agreed on, if it is a session of IPMI 2.0.
    #[must_use]
    pub fn suite(&self) -> Option<CipherSuite> {
        match self.handle.peer.protection? {
            Protection::RmcpPlus(suite) => Some(suite),
            Protection::Lan15(_) => None,
        }
    }

    /// Who the controller has said it is when the session began, if it has.
    #[must_use]
    pub fn guid(&self) -> Option<[u8; 16]> {
        self.handle.peer.guid
    }

    /// Asks, and waits for the answer. Several may ask at the same time.
    ///
    /// # Errors
    /// When there is no answer in the time of the limit, or it says that the command was not done.
    pub async fn run<C: Command>(&self, command: &C) -> Result<C::Reply, IpmiError> {
        self.run_at(Destination::CONTROLLER, command).await
    }

    /// The same, for another logical unit, or another controller behind this one.
    ///
    /// # Errors
    /// As those of [`run`](Self::run).
    pub async fn run_at<C: Command>(
        &self,
        destination: Destination,
        command: &C,
    ) -> Result<C::Reply, IpmiError> {
        let response = self.begin(destination, command.request()).answer().await?;
        reply(command, &response)
    }

    /// Asks for something whose completion code matters to the caller.
    ///
    /// # Errors
    /// When there is no answer in the time of the limit.
    pub async fn ask(&self, request: Request) -> Result<Response, IpmiError> {
        self.ask_at(Destination::CONTROLLER, request).await
    }

    /// The same, for another logical unit, or another controller behind this one.
    ///
    /// # Errors
    /// When there is no answer in the time of the limit.
    pub async fn ask_at(&self, destination: Destination, request: Request) -> Result<Response, IpmiError> {
        self.begin(destination, request).answer().await
    }

    /// Asks, without waiting yet: so several requests are on their way at the same time.
    pub(crate) fn begin(&self, destination: Destination, request: Request) -> Pending {
        let (asker, answer) = oneshot::channel();
        let Handle { orders, key, .. } = &*self.handle;
        // When nobody takes orders any more, the asker is dropped, and the answer is that there is none.
        let destination = destination.seen_from(self.controller);
        let _ = orders.send(Order::Ask(*key, vec![(destination, request, Asker::One(asker))]));
        Pending(answer)
    }

    /// Asks for several things that are waited for together.
    pub(crate) fn begin_all(
        &self,
        requests: impl ExactSizeIterator<Item = (Destination, Request)>,
    ) -> PendingAll {
        let (asker, answers) = oneshot::channel();
        let Handle { orders, key, .. } = &*self.handle;
        let missing = requests.len();
        let outcomes = vec![Err(ProtoError::Ended); missing];
        if missing == 0 {
            let _ = asker.send(outcomes);
            return PendingAll(answers);
        }
        let several = Arc::new(Mutex::new(Several { outcomes, missing, asker: Some(asker) }));
        let asked = |(place, (destination, request)): (usize, (Destination, Request))| {
            (destination.seen_from(self.controller), request, Asker::Of(Arc::clone(&several), place))
        };
        let _ = orders.send(Order::Ask(*key, requests.enumerate().map(asked).collect()));
        PendingAll(answers)
    }

    /// Packets of the serial console from now on; those that nobody takes in time are sent again by the controller.
    pub(crate) fn serial_packets(&self) -> mpsc::Receiver<Vec<u8>> {
        let (tell, arrived) = mpsc::channel(64);
        let _ = self.handle.orders.send(Order::TakeSerial(self.handle.key, tell));
        arrived
    }

    pub(crate) fn send_serial(&self, payload: Vec<u8>) {
        let _ = self.handle.orders.send(Order::Serial(self.handle.key, payload));
    }

    /// Closes the session and waits until the controller knows it, because controllers have few of them.
    pub async fn close(self) {
        let (closed, done) = oneshot::channel();
        if self.handle.orders.send(Order::Close(self.handle.key, Some(closed))).is_ok() {
            let _ = done.await;
        }
    }
}

impl Asker {
    /// Tells what has come of it.
    pub(crate) fn tell(self, outcome: Outcome) {
        match self {
            // Nobody may wait any more.
            Self::One(asker) => drop(asker.send(outcome)),
            Self::Of(several, place) => {
                let mut several = several.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(empty) = several.outcomes.get_mut(place) {
                    *empty = outcome;
                }
                several.missing = several.missing.saturating_sub(1);
                if several.missing == 0 {
                    let outcomes = std::mem::take(&mut several.outcomes);
                    several.asker.take().map(|asker| asker.send(outcomes));
                }
            }
        }
    }
}

impl PendingAll {
    /// The outcomes, in the order of the requests.
    pub(crate) async fn answers(self) -> Result<Vec<Outcome>, IpmiError> {
        Ok(self.0.await.map_err(|_| ProtoError::Ended)?)
    }
}

impl Pending {
    pub(crate) async fn answer(self) -> Result<Response, IpmiError> {
        Ok(self.0.await.map_err(|_| ProtoError::Ended)??)
    }
}

/// Reads the answer to a command that was done.
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
