//! A proxy that simulates a failing network.

use std::net::SocketAddr;
use std::sync::Arc;

use locks::Mutex;
use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// Forwards connections to a service and resets some of them within a response.
///
/// A reset affects both ends and loses the data in flight. If the service is reached by its port with small buffers,
/// this is little (see [`Loopback::narrow`](crate::Loopback::narrow)).
pub struct CuttingProxy {
    address: SocketAddr,
    cuts: Cuts,
    accepting: JoinHandle<()>,
}

impl CuttingProxy {
    /// Starts a proxy for a service. It resets no connection until [`cut_responses`](Self::cut_responses) is called.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start(service: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let cuts = Cuts::default();
        let for_connections = cuts.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let cuts = for_connections.clone();
                tokio::spawn(async move {
                    // If one end fails, the other is closed with it.
                    let _ = pass(client, service, &cuts).await;
                });
            }
        });
        Self { address, cuts, accepting }
    }

    /// Returns the address for the client.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the treatment of the next responses of at least `least` bytes: `None` forwards a response, a number resets
    /// the connection after this many bytes. Smaller responses, and those after the list, are forwarded.
    pub fn cut_responses(&self, least: usize, treatments: impl IntoIterator<Item = Option<usize>>) {
        let mut treatments: Vec<_> = treatments.into_iter().collect();
        treatments.reverse();
        *self.cuts.0.lock() = Plan { least, treatments };
    }

    /// Returns the number of unused treatments.
    pub fn remaining(&self) -> usize {
        self.cuts.0.lock().treatments.len()
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
    /// In reverse order: the next one is the last.
    treatments: Vec<Option<usize>>,
}

impl Cuts {
    /// Returns the number of bytes after which a response of this length is reset, if it is.
    fn of_answer(&self, length: usize) -> Option<usize> {
        let mut plan = self.0.lock();
        if length < plan.least { None } else { plan.treatments.pop().flatten() }
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

/// Forwards one response after the other, up to the reset.
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

/// Returns the length of head and body, once the head is complete.
fn length_of_answer(received: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let head = received.windows(END.len()).position(|octets| octets == END)? + END.len();
    let text = String::from_utf8_lossy(received.get(..head)?);
    let body = text.lines().find_map(|line| line.strip_prefix("Content-Length: "))?.trim().parse::<usize>();
    Some(head + body.ok()?)
}
