//! Measures only the datagrams of warm scans: the same number and lengths in the same flights over the same sockets
//! with the same batches, but without signatures, encryption, look-ups and output.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use ipmi::datagrams::{Arrivals, Datagrams};
use simulated_bmc::{Flight, Loopback, Recording};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet, spawn_local};

use crate::Result;
use crate::process::seconds;

/// A thread that answers each flight with recorded answers of a controller, until this is dropped.
pub(super) struct Controllers {
    addresses: Vec<SocketAddr>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Controllers {
    /// Starts the thread on sockets like those of the simulated controllers, for this many addresses.
    pub(super) fn start(count: u8) -> Result<Self> {
        let runtime = runtime()?;
        let numbers: Vec<u8> = (1..=count).collect();
        let mut sockets = Vec::new();
        let mut addresses = Vec::new();
        for some in numbers.chunks(ON_ONE_SOCKET) {
            let _inside = runtime.enter();
            let socket = Loopback::bind()?;
            let port = socket.port();
            addresses.extend(some.iter().map(|number| SocketAddr::from(([127, 0, 0, *number], port))));
            sockets.push(socket);
        }
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let (recording, arrivals) = (Rc::new(Recording::of_warm_scan()), Rc::default());
            LocalSet::new().block_on(&runtime, async move {
                for socket in sockets {
                    spawn_local(answer(socket, Rc::clone(&recording), Rc::clone(&arrivals)));
                }
                let _ = ended.await;
            });
        });
        Ok(Self { addresses, end: Some(end), thread: Some(thread) })
    }

    /// Returns the seconds from the start to the end of a process that receives all answers.
    pub(super) fn request_time(&self) -> Result<f64> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(INSIDE).args(self.addresses.iter().map(ToString::to_string));
        seconds(command.stdin(Stdio::null()))
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn answer(socket: Loopback, recording: Rc<Recording>, arrivals: Rc<RefCell<simulated_bmc::Arrivals>>) {
    let flights = recording.flights();
    let mut places: HashMap<Ipv4Addr, Place> = HashMap::new();
    let mut complete = Vec::new();
    loop {
        let taken = socket.receive(&arrivals, |datagrams, to, from| {
            let place = places.entry(to).or_default();
            if place.take(datagrams.len(), flights, |flight| flight.requests.len()) {
                complete.push((to, from, place.flight));
                place.flight = (place.flight + 1) % flights.len();
            }
        });
        if taken.await.is_err() {
            return;
        }
        for (to, from, flight) in complete.drain(..) {
            socket.send(&flights[flight].answered, to, from);
        }
    }
}

/// The current flight of one peer and how much of it has arrived.
#[derive(Clone, Copy, Default)]
struct Place {
    flight: usize,
    arrived: usize,
}

impl Place {
    /// Adds datagrams; returns whether the flight is complete.
    fn take(&mut self, count: usize, flights: &[Flight], of: impl Fn(&Flight) -> usize) -> bool {
        self.arrived += count;
        let is_complete = flights.get(self.flight).is_some_and(|flight| self.arrived == of(flight));
        if is_complete {
            self.arrived = 0;
        }
        is_complete
    }
}

/// Argument that makes this program the client process.
pub(crate) const INSIDE: &str = "least-inside";

/// Runs as the client process: sends to all these addresses at the same time.
pub(crate) fn inside(addresses: &[&str]) -> Result<()> {
    let recording = Rc::new(Recording::of_warm_scan());
    let addresses: std::result::Result<Vec<SocketAddr>, _> =
        addresses.iter().map(|address| address.parse()).collect();
    let addresses = addresses?;
    LocalSet::new().block_on(&runtime()?, async {
        let mut asking = JoinSet::new();
        for members in addresses.chunks(SESSIONS_ON_ONE_SOCKET) {
            let socket = Datagrams::bind(Ipv4Addr::UNSPECIFIED.into())?;
            asking.spawn_local(ask(socket, members.to_vec(), Rc::clone(&recording)));
        }
        let all = async {
            while let Some(one) = asking.join_next().await {
                one??;
            }
            Ok(())
        };
        tokio::time::timeout(LIMIT, all).await.map_err(|_| "a datagram was lost")?
    })
}

async fn ask(socket: Datagrams, members: Vec<SocketAddr>, recording: Rc<Recording>) -> Result<()> {
    let flights = recording.flights();
    let first = flights.first().ok_or("nothing was recorded")?;
    let mut places: HashMap<SocketAddr, Place> = HashMap::new();
    for member in &members {
        places.insert(*member, Place::default());
        socket.send(&first.requests, *member).await;
    }
    let (mut arrivals, mut complete, mut left) = (Arrivals::default(), Vec::new(), members.len());
    while left > 0 {
        socket.readable().await?;
        while socket.take(&mut arrivals, |_, from| {
            let Some(place) = places.get_mut(&from) else { return };
            if place.take(1, flights, |flight| flight.answered.len()) {
                place.flight += 1;
                complete.push((from, place.flight));
            }
        }) {}
        for (member, flight) in complete.drain(..) {
            match flights.get(flight) {
                Some(next) => socket.send(&next.requests, member).await,
                None => left -= 1,
            }
        }
    }
    Ok(())
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Number of addresses on one socket of the simulated controllers.
const ON_ONE_SOCKET: usize = 32;
/// Number of sessions on one socket of telarch.
const SESSIONS_ON_ONE_SOCKET: usize = 64;
const LIMIT: Duration = Duration::from_secs(10);
