//! A network that breaks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// Passes connections on to a service, and cuts them in the middle of its answers once it is told to.
///
/// A cut connection is reset at both ends, with what is under way in it.
/// Little is, if the service is asked by its narrow way in (see [`Loopback::narrow`](crate::Loopback::narrow)).
pub struct CuttingProxy {
    address: SocketAddr,
    cuts: Cuts,
    accepting: JoinHandle<()>,
}

impl CuttingProxy {
    /// Stands in front of a service; nothing is cut yet.
    ///
    /// # Panics
    /// If there is no port for it.
    pub async fn start(service: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let cuts = Cuts::default();
        let for_connections = cuts.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let cuts = for_connections.clone();
                tokio::spawn(async move {
                    // Whichever end breaks first: the other one is let go with it.
                    let _ = pass(client, service, &cuts).await;
                });
            }
        });
        Self { address, cuts, accepting }
    }

    /// Where the client connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says what becomes of the next answers with at least `least` octets: `None` lets one pass, a number is
    /// that of the octets after which it is cut. Answers that are smaller, and those that follow, all pass.
    pub fn treat_answers(&self, least: usize, treatments: impl IntoIterator<Item = Option<usize>>) {
        let mut treatments: Vec<_> = treatments.into_iter().collect();
        treatments.reverse();
        *self.cuts.locked() = Plan { least, treatments };
    }

    /// How many treatments are still to come.
    pub fn to_come(&self) -> usize {
        self.cuts.locked().treatments.len()
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[derive(Clone, Default)]
struct Cuts(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    least: usize,
    /// The next one stands at the end.
    treatments: Vec<Option<usize>>,
}

impl Cuts {
    /// After how many octets an answer of this length is cut, if it is.
    fn of_answer(&self, length: usize) -> Option<usize> {
        let mut plan = self.locked();
        if length < plan.least { None } else { plan.treatments.pop().flatten() }
    }

    fn locked(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass(client: TcpStream, service: SocketAddr, cuts: &Cuts) -> io::Result<()> {
    let service = slow_connection(service).await?;
    client.set_nodelay(true)?;
    service.set_nodelay(true)?;
    let (mut from_client, to_client) = client.into_split();
    let (from_service, mut to_service) = service.into_split();
    tokio::select! {
        ended = io::copy(&mut from_client, &mut to_service) => ended.map(drop),
        ended = pass_answers(from_service, to_client, cuts) => ended,
    }
}

async fn slow_connection(service: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4_096)?;
    socket.connect(service).await
}

/// Passes one answer after the other, up to the cut.
async fn pass_answers(
    mut from_service: OwnedReadHalf,
    mut to_client: OwnedWriteHalf,
    cuts: &Cuts,
) -> io::Result<()> {
    let mut received = Vec::new();
    loop {
        let length = loop {
            if let Some(length) = length_of_answer(&received) {
                break length;
            }
            if from_service.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        };
        let end = cuts.of_answer(length).map_or(length, |cut| cut.min(length - 1));
        let mut passed = 0;
        while passed < end {
            if received.is_empty() && from_service.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            let piece = received.len().min(end - passed);
            to_client.write_all(received.get(..piece).unwrap_or_default()).await?;
            received.drain(..piece);
            passed += piece;
        }
        if end < length {
            return Ok(());
        }
    }
}

/// Head and body together, once the head is there.
fn length_of_answer(received: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let head = received.windows(END.len()).position(|octets| octets == END)? + END.len();
    let text = String::from_utf8_lossy(received.get(..head)?);
    let body = text.lines().find_map(|line| line.strip_prefix("Content-Length: "))?.trim().parse::<usize>();
    Some(head + body.ok()?)
}
