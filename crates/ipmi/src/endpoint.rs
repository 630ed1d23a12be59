//! Sockets shared by the sessions with many controllers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ipmi_proto::{Event, Frames, Login, ProtoError, RequestId, Session, Timing};
use locks::Mutex;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, trace};
use zeroize::Zeroizing;

use crate::cache::ControllerId;
use crate::connection::{Opening, Order, Peer, ResponseReceiver, SharedRequestLimit};
use crate::datagrams::{Arrivals, Datagrams};
use crate::{Connection, IpmiError, RecordCache};

/// Shared sockets for any number of sessions: a process needs only a few sockets for a thousand controllers.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    sockets: Arc<Mutex<Vec<Shared>>>,
    seeds: Arc<Mutex<Seeds>>,
    cache: RecordCache,
}

/// A socket as seen by callers that open sessions.
#[derive(Clone, Debug)]
struct Shared {
    is_ipv4: bool,
    orders: mpsc::UnboundedSender<Order>,
    /// Number of sessions on the socket.
    load: Arc<AtomicUsize>,
}

/// A session slot on a socket; released on drop.
#[derive(Debug)]
pub(crate) struct SessionSlot(Arc<AtomicUsize>);

impl SessionSlot {
    fn on(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Endpoint {
    /// Returns an endpoint that opens sockets on demand and caches sensor records in memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an endpoint that uses this cache of sensor records.
    #[must_use]
    pub fn with_cache(cache: RecordCache) -> Self {
        Self { cache, ..Self::default() }
    }

    /// Signs in to a controller.
    ///
    /// # Errors
    /// If the controller does not respond within the time limit, or rejects the login.
    pub async fn open(
        &self,
        address: SocketAddr,
        login: Login,
        timing: Timing,
    ) -> Result<Connection, IpmiError> {
        let (orders, slot) = self.socket_for(address)?;
        let seed = self.seeds.lock().draw()?;
        let session = Box::new(Session::start(login, seed, timing, Instant::now()));
        let request_limit = SharedRequestLimit::default();
        let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
        let (ready, opened) = oneshot::channel();
        let opening = Opening {
            key,
            address,
            session,
            request_limit: SharedRequestLimit::clone(&request_limit),
            ready,
            slot,
        };
        orders.send(Order::Open(opening)).map_err(|_| ProtoError::Ended)?;
        // If the caller stops waiting, the session is closed.
        let mut abandoned = CloseOnDrop { orders: Some(&orders), key };
        // The cache is read while the first request is on its way.
        tokio::task::yield_now().await;
        if let Some(known) = self.cache.known(ControllerId::Remote(address)) {
            orders.send(Order::Expect(key, known.request_limit.into())).map_err(|_| ProtoError::Ended)?;
        }
        let peer = opened.await.map_err(|_| ProtoError::Ended)??;
        abandoned.orders = None;
        let peer = Peer { address: Some(address), ..peer };
        Ok(Connection::new(orders.clone(), key, peer, request_limit, self.cache.clone()))
    }

    /// Returns a socket with room for another session, opening one if necessary.
    fn socket_for(&self, address: SocketAddr) -> io::Result<(mpsc::UnboundedSender<Order>, SessionSlot)> {
        let mut sockets = self.sockets.lock();
        sockets.retain(|socket| !socket.orders.is_closed());
        let mut usable = sockets.iter().filter(|socket| socket.is_ipv4 == address.is_ipv4());
        if let Some(socket) = usable.find(|socket| socket.load.load(Ordering::Relaxed) < MAX_SESSIONS) {
            return Ok((socket.orders.clone(), SessionSlot::on(&socket.load)));
        }
        let socket = Driver::start(address.is_ipv4())?;
        sockets.push(socket.clone());
        Ok((socket.orders, SessionSlot::on(&socket.load)))
    }
}

/// Closes a login on drop, unless it was completed.
struct CloseOnDrop<'o> {
    orders: Option<&'o mpsc::UnboundedSender<Order>>,
    key: u64,
}

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.orders.map(|orders| orders.send(Order::Close(self.key, None)));
    }
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Task that sends and receives datagrams between one socket and its sessions; ends when there are no
/// sessions and no endpoint.
struct Driver {
    socket: Datagrams,
    members: BTreeMap<u64, Member>,
    /// Sessions by peer address. There may be several with one controller.
    peers: BTreeMap<(IpAddr, u16), Vec<u64>>,
    /// Deadlines of sessions, earliest first.
    deadlines: BTreeSet<(Instant, u64)>,
}

struct Member {
    address: SocketAddr,
    session: Box<Session>,
    request_limit: SharedRequestLimit,
    receivers: ReceiverQueue,
    ready: Option<oneshot::Sender<Result<Peer, ProtoError>>>,
    closers: Vec<oneshot::Sender<()>>,
    /// Receiver of serial console packets.
    serial: Option<mpsc::Sender<Vec<u8>>>,
    deadline: Option<Instant>,
    has_ended: bool,
    _slot: SessionSlot,
}

/// Receivers of the responses of a session, in the order of the requests.
#[derive(Default)]
struct ReceiverQueue {
    waiting: VecDeque<Option<ResponseReceiver>>,
    /// Number of requests before the first element of `waiting`.
    done: u64,
}

impl ReceiverQueue {
    fn reserve(&mut self, requests: usize) {
        self.waiting.reserve(requests);
    }

    /// Adds the receiver for the latest request of the session.
    fn add(&mut self, receiver: ResponseReceiver) {
        self.waiting.push_back(Some(receiver));
    }

    fn take(&mut self, id: RequestId) -> Option<ResponseReceiver> {
        let index = usize::try_from(id.number().checked_sub(self.done)?).ok()?;
        let receiver = self.waiting.get_mut(index)?.take();
        while matches!(self.waiting.front(), Some(None)) {
            self.waiting.pop_front();
            self.done += 1;
        }
        receiver
    }
}

impl Driver {
    fn start(is_ipv4: bool) -> io::Result<Shared> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let driver = Self {
            socket: Datagrams::anywhere(is_ipv4)?,
            members: BTreeMap::new(),
            peers: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        };
        tokio::spawn(driver.run(inbox));
        Ok(Shared { is_ipv4, orders, load: Arc::default() })
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut arrivals = Arrivals::default();
        let mut out = Frames::new();
        let mut touched = Vec::new();
        let mut is_wanted = true;
        let wake = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(wake);
        while is_wanted || !self.members.is_empty() {
            if let Some((first, _)) = self.deadlines.first() {
                let first = tokio::time::Instant::from_std(*first);
                if wake.deadline() != first {
                    wake.as_mut().reset(first);
                }
            }
            tokio::select! {
                _ = self.socket.readable() => self.take(&mut arrivals, &mut touched),
                order = inbox.recv(), if is_wanted => match order {
                    None => is_wanted = false,
                    Some(order) => {
                        self.obey(order, &mut touched);
                        while let Ok(order) = inbox.try_recv() {
                            self.obey(order, &mut touched);
                        }
                    }
                },
                () = &mut wake, if !self.deadlines.is_empty() => self.tick(&mut touched),
            }
            touched.sort_unstable();
            touched.dedup();
            for key in touched.drain(..) {
                self.settle(key, &mut out).await;
            }
        }
    }

    /// Receives some datagrams. Sessions that received one are served before more are read, so that their
    /// controllers have work meanwhile.
    fn take(&mut self, arrivals: &mut Arrivals, touched: &mut Vec<u64>) {
        let now = Instant::now();
        let Self { socket, members, peers, .. } = self;
        socket.take(arrivals, |datagram, from| {
            let Some(keys) = peers.get(&(from.ip(), from.port())) else {
                trace!(peer = %from, bytes = datagram.len(), "Datagram of a stranger dropped");
                return;
            };
            for key in keys {
                let Some(member) = members.get_mut(key) else { continue };
                match member.session.receive(datagram, now) {
                    Ok(()) => {
                        // Results are delivered at once, so that they need not be stored until everything has
                        // been read.
                        member.tell();
                        if touched.last() != Some(key) {
                            touched.push(*key);
                        }
                        break;
                    }
                    Err(error) => trace!(peer = %from, bytes = datagram.len(), %error, "Datagram dropped"),
                }
            }
        });
    }

    fn obey(&mut self, order: Order, touched: &mut Vec<u64>) {
        match order {
            Order::Open(Opening { key, address, session, request_limit, ready, slot }) => {
                let member = Member {
                    address,
                    session,
                    request_limit,
                    receivers: ReceiverQueue::default(),
                    ready: Some(ready),
                    closers: Vec::new(),
                    serial: None,
                    deadline: None,
                    has_ended: false,
                    _slot: slot,
                };
                self.members.insert(key, member);
                self.peers.entry((address.ip(), address.port())).or_default().push(key);
                touched.push(key);
            }
            Order::Expect(key, request_limit) => {
                if let Some(member) = self.members.get_mut(&key) {
                    member.session.set_initial_limit(request_limit);
                }
            }
            Order::Ask(key, requested) => {
                // The session has ended; dropping the receivers reports that to the callers.
                let Some(member) = self.members.get_mut(&key) else { return };
                member.session.reserve(requested.len());
                member.receivers.reserve(requested.len());
                for (destination, request, receiver) in requested {
                    member.session.request_at(destination, request);
                    member.receivers.add(receiver);
                }
                touched.push(key);
            }
            Order::Serial(key, payload) => {
                let Some(member) = self.members.get_mut(&key) else { return };
                member.session.send_serial(&payload);
                touched.push(key);
            }
            Order::TakeSerial(key, taker) => {
                if let Some(member) = self.members.get_mut(&key) {
                    member.serial = Some(taker);
                }
            }
            Order::Close(key, closer) => {
                let Some(member) = self.members.get_mut(&key) else { return };
                member.closers.extend(closer);
                member.session.close(Instant::now());
                touched.push(key);
            }
        }
    }

    fn tick(&mut self, touched: &mut Vec<u64>) {
        let now = Instant::now();
        for (_, key) in self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now) {
            if let Some(member) = self.members.get_mut(key) {
                member.session.tick(now);
            }
            touched.push(*key);
        }
    }

    /// Sends the pending datagrams of a session, delivers results, and updates its deadline.
    async fn settle(&mut self, key: u64, out: &mut Frames) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let now = Instant::now();
        member.session.transmit_into(out, now);
        // Datagrams that could not be sent are resent after their timeout.
        self.socket.send(out, member.address).await;
        out.clear();
        if let Some(request_limit) = member.session.request_limit() {
            member.request_limit.store(request_limit, Ordering::Relaxed);
        }
        member.tell();
        let has_ended = member.has_ended;
        let deadline = if has_ended { None } else { member.session.deadline() };
        if deadline != member.deadline {
            if let Some(before) = member.deadline {
                self.deadlines.remove(&(before, key));
            }
            self.deadlines.extend(deadline.map(|deadline| (deadline, key)));
            member.deadline = deadline;
        }
        if has_ended {
            let address = (member.address.ip(), member.address.port());
            self.members.remove(&key);
            if let Some(keys) = self.peers.get_mut(&address) {
                keys.retain(|other| *other != key);
                if keys.is_empty() {
                    self.peers.remove(&address);
                }
            }
        }
    }
}

impl Member {
    /// Delivers all results of the session.
    fn tell(&mut self) {
        while let Some(event) = self.session.event() {
            match event {
                Event::Established { protection, guid } => {
                    debug!(peer = %self.address, %protection, "Session established");
                    let peer = Peer { address: None, protection: Some(protection), guid };
                    self.ready.take().map(|ready| ready.send(Ok(peer)));
                }
                Event::Answered { id, outcome } => {
                    if let Some(receiver) = self.receivers.take(id) {
                        receiver.tell(outcome);
                    }
                }
                Event::Serial(payload) => {
                    // A packet that is dropped here is not acknowledged, so the controller resends it.
                    self.serial.as_ref().map(|taker| taker.try_send(payload));
                }
                Event::Ended(outcome) => {
                    debug!(peer = %self.address, error = ?outcome.as_ref().err(), "Session ended");
                    let error = outcome.err().unwrap_or(ProtoError::Ended);
                    self.ready.take().map(|ready| ready.send(Err(error)));
                    for closer in self.closers.drain(..) {
                        let _ = closer.send(());
                    }
                    self.has_ended = true;
                }
                _ => {}
            }
        }
    }
}

/// Random seeds of sessions, several per system call.
#[derive(Default)]
struct Seeds(Zeroizing<Vec<[u8; 32]>>);

impl Seeds {
    fn draw(&mut self) -> io::Result<[u8; 32]> {
        if self.0.is_empty() {
            // Up to 256 bytes are returned completely or not at all (getrandom(2)).
            let mut drawn = Zeroizing::new([[0; 32]; SEEDS_AT_ONCE]);
            let octets = drawn.as_flattened_mut();
            let count = rustix::rand::getrandom(&mut *octets, rustix::rand::GetRandomFlags::empty())?;
            if count != octets.len() {
                return Err(io::Error::other("too little randomness from the system"));
            }
            self.0.extend_from_slice(&*drawn);
        }
        // The seed is removed from this buffer, because it determines all random numbers of the session.
        let seed = self.0.last_mut().map(std::mem::take).unwrap_or_default();
        self.0.pop();
        Ok(seed)
    }
}

impl std::fmt::Debug for Seeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seeds(..)")
    }
}

/// 256 bytes together.
const SEEDS_AT_ONCE: usize = 8;
static NEXT_KEY: AtomicU64 = AtomicU64::new(1);
/// Maximum number of sessions per socket: a few responses for each fit into the receive buffer of the
/// kernel. Responses lost in larger bursts are requested again.
const MAX_SESSIONS: usize = 64;
