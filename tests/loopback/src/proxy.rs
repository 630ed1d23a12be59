//! A network that breaks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes connections on to a service, and cuts them in the middle of its answers once it is told to.
///
/// A cut connection is reset at both ends, with what is under way in it.
pub struct CuttingProxy {
    address: SocketAddr,
    cuts: Cuts,
    accepting: JoinHandle<()>,
}

impl CuttingProxy {
    /// Stands in front of a service; nothing is cut yet.
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

    /// From now on the connection is cut that carries the last of the first number of octets the service
    /// sends, then the one with the last of the second number, and so on.
    pub fn cut_after(&self, octets: impl IntoIterator<Item = usize>) {
        let mut list: Vec<usize> = octets.into_iter().collect();
        list.reverse();
        *self.cuts.locked() = list;
    }

    /// How many cuts are still to come.
    pub fn cuts_to_come(&self) -> usize {
        self.cuts.locked().len()
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// How many octets pass before each cut, the next one at the end.
#[derive(Clone, Default)]
struct Cuts(Arc<Mutex<Vec<usize>>>);

enum Passage {
    Free,
    CutAfter(usize),
}

impl Cuts {
    fn count(&self, octets: usize) -> Passage {
        let mut list = self.locked();
        match list.last_mut() {
            Some(left) if *left <= octets => {
                let left = *left;
                list.pop();
                Passage::CutAfter(left)
            }
            Some(left) => {
                *left -= octets;
                Passage::Free
            }
            None => Passage::Free,
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass(client: TcpStream, service: SocketAddr, cuts: &Cuts) -> io::Result<()> {
    let service = TcpStream::connect(service).await?;
    client.set_nodelay(true)?;
    service.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_service, mut to_service) = service.into_split();
    let up = io::copy(&mut from_client, &mut to_service);
    let down = async {
        let mut piece = [0; 4_096];
        loop {
            let length = from_service.read(&mut piece).await?;
            let piece = piece.get(..length).unwrap_or_default();
            if piece.is_empty() {
                return Ok(());
            }
            match cuts.count(length) {
                Passage::Free => to_client.write_all(piece).await?,
                Passage::CutAfter(left) => {
                    to_client.write_all(piece.get(..left).unwrap_or_default()).await?;
                    return Ok(());
                }
            }
        }
    };
    tokio::select! {
        ended = up => ended.map(drop),
        ended = down => ended,
    }
}
