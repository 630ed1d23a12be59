//! One session with one controller, shared by whoever has something to ask.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use ipmi_proto::{
    CipherSuite, Command, CompletionCode, Event, Login, ProtoError, Request, RequestId, Response, Session,
    Timing,
};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, trace};

use crate::IpmiError;

/// A session with a controller; clones share it.
#[derive(Clone, Debug)]
pub struct Connection {
    orders: mpsc::Sender<Order>,
    suite: CipherSuite,
}

#[derive(Debug)]
enum Order {
    Ask(Request, oneshot::Sender<Result<Response, ProtoError>>),
    Close(oneshot::Sender<()>),
}

impl Connection {
    /// Signs in.
    ///
    /// # Errors
    /// When nothing answers in the time of the limit, or the controller refuses.
    pub async fn open(address: SocketAddr, login: Login, timing: Timing) -> Result<Self, IpmiError> {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        // The kernel drops what others send, and tells when nobody listens.
        socket.connect(address).await?;
        let session = Session::start(login, seed()?, timing, Instant::now());
        let (orders, inbox) = mpsc::channel(32);
        let (ready, opened) = oneshot::channel();
        let driver = Driver {
            address,
            socket,
            session,
            inbox,
            askers: HashMap::new(),
            ready: Some(ready),
            closers: Vec::new(),
        };
        tokio::spawn(driver.run());
        let suite = opened.await.map_err(|_| ProtoError::Ended)??;
        Ok(Self { orders, suite })
    }

    /// The suite that was agreed on.
    #[must_use]
    pub fn suite(&self) -> CipherSuite {
        self.suite
    }

    /// Asks, and waits for the answer. Several may ask at the same time.
    ///
    /// # Errors
    /// When there is no answer in the time of the limit, or it says that the command was not done.
    pub async fn run<C: Command>(&self, command: &C) -> Result<C::Reply, IpmiError> {
        let response = self.ask(command.request()).await?;
        if response.code != CompletionCode::OK {
            return Err(IpmiError::Completion(response.code));
        }
        Ok(command.reply(&response.data)?)
    }

    /// Asks for something whose completion code matters to the caller.
    ///
    /// # Errors
    /// When there is no answer in the time of the limit.
    pub async fn ask(&self, request: Request) -> Result<Response, IpmiError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Ask(request, answer)).await.map_err(|_| ProtoError::Ended)?;
        Ok(answered.await.map_err(|_| ProtoError::Ended)??)
    }

    /// Closes the session and waits until the controller knows it, because controllers have few of them.
    /// A session whose last clone is dropped is closed, too, if the runtime lives long enough.
    pub async fn close(self) {
        let (closed, done) = oneshot::channel();
        if self.orders.send(Order::Close(closed)).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// Moves octets between the socket and the session until it has ended.
struct Driver {
    address: SocketAddr,
    socket: UdpSocket,
    session: Session,
    inbox: mpsc::Receiver<Order>,
    askers: HashMap<RequestId, oneshot::Sender<Result<Response, ProtoError>>>,
    ready: Option<oneshot::Sender<Result<CipherSuite, ProtoError>>>,
    closers: Vec<oneshot::Sender<()>>,
}

impl Driver {
    async fn run(mut self) {
        let mut datagram = [0; LONGEST_DATAGRAM];
        let mut is_closing = false;
        while !self.tell() {
            self.send().await;
            let deadline = self.session.deadline().map(tokio::time::Instant::from_std);
            let wake = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                received = self.socket.recv(&mut datagram) => self.take(received, &datagram),
                order = self.inbox.recv(), if !is_closing => match order {
                    Some(Order::Ask(request, asker)) => {
                        self.askers.insert(self.session.request(request), asker);
                    }
                    Some(Order::Close(closer)) => {
                        self.closers.push(closer);
                        is_closing = true;
                        self.session.close(Instant::now());
                    }
                    None => {
                        is_closing = true;
                        self.session.close(Instant::now());
                    }
                },
                () = wake => self.session.tick(Instant::now()),
            }
        }
    }

    fn take(&mut self, received: io::Result<usize>, datagram: &[u8]) {
        match received {
            Ok(length) => {
                let datagram = datagram.get(..length).unwrap_or_default();
                if let Err(error) = self.session.receive(datagram, Instant::now()) {
                    trace!(peer = %self.address, bytes = length, %error, "Datagram dropped");
                }
            }
            // Somebody's ICMP message may say that nobody listens: it proves nothing, so the limit decides.
            Err(error) => trace!(peer = %self.address, %error, "Nothing received"),
        }
    }

    async fn send(&mut self) {
        while let Some(datagram) = self.session.transmit(Instant::now()) {
            // What is not sent is sent again when no answer comes.
            if let Err(error) = self.socket.send(&datagram).await {
                trace!(peer = %self.address, %error, "Datagram not sent");
            }
        }
    }

    /// Tells everybody what has come of what they asked for; whether the session has ended.
    fn tell(&mut self) -> bool {
        while let Some(event) = self.session.event() {
            match event {
                Event::Established { suite } => {
                    debug!(peer = %self.address, %suite, "Session established");
                    self.ready.take().map(|ready| ready.send(Ok(suite)));
                }
                Event::Answered { id, outcome } => {
                    self.askers.remove(&id).map(|asker| asker.send(outcome));
                }
                Event::Ended(outcome) => {
                    debug!(peer = %self.address, error = ?outcome.as_ref().err(), "Session ended");
                    let error = outcome.err().unwrap_or(ProtoError::Ended);
                    self.ready.take().map(|ready| ready.send(Err(error)));
                    for closer in self.closers.drain(..) {
                        let _ = closer.send(());
                    }
                    return true;
                }
                _ => {}
            }
        }
        false
    }
}

/// What a session's random numbers and initial vectors are made of.
fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    // So few octets come whole or not at all (getrandom(2)).
    let drawn = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())?;
    if drawn == seed.len() {
        Ok(seed)
    } else {
        Err(io::Error::other("too little randomness from the system"))
    }
}

/// More than any datagram of IPMI, so that longer ones are seen to be longer.
const LONGEST_DATAGRAM: usize = 2_048;
