//! Simulated hosts: one process that listens on many addresses of the loopback device and replays recorded answers.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memchr::memmem;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::Result;
use crate::canned::Canned;
use crate::process;

/// Simulated hosts; dropping them ends them.
pub(super) struct Hosts {
    addresses: Vec<SocketAddr>,
    watched: Arc<Watched>,
    _runtime: Runtime,
}

/// Process id of the watched client, and its peak memory, which is read with every fiftieth request.
#[derive(Default)]
struct Watched {
    process: AtomicU32,
    requests: AtomicU64,
    peak: AtomicU64,
}

/// Number of requests between two readings of the memory.
const BETWEEN_READINGS: u64 = 50;

impl Hosts {
    /// Starts this number of hosts, each with an address of its own.
    pub(super) fn start(canned: Canned, count: usize) -> Result<Self> {
        allow_files(count)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (canned, watched) = (Arc::new(canned), Arc::new(Watched::default()));
        let addresses = runtime.block_on(async {
            let mut addresses = Vec::with_capacity(count);
            for number in 0..count {
                let [.., high, low] = u32::try_from(number)?.to_be_bytes();
                let address = Ipv4Addr::new(127, 1, high, low);
                let listener = TcpListener::bind(SocketAddrV4::new(address, 0)).await?;
                addresses.push(listener.local_addr()?);
                tokio::spawn(accept(listener, Arc::clone(&canned), Arc::clone(&watched)));
            }
            Ok::<_, Box<dyn std::error::Error>>(addresses)
        })?;
        Ok(Self { addresses, watched, _runtime: runtime })
    }

    /// Returns the addresses of the first `count` hosts.
    pub(super) fn addresses(&self, count: usize) -> &[SocketAddr] {
        self.addresses.get(..count).unwrap_or(&self.addresses)
    }

    /// Returns the URLs of the first `count` hosts, one per line.
    pub(super) fn urls(&self, count: usize) -> String {
        self.addresses(count).iter().map(|address| format!("http://{address}\n")).collect()
    }

    /// Watches the memory of a client from now on.
    pub(super) fn watch(&self, process: u32) {
        self.watched.process.store(process, Ordering::SeqCst);
    }

    /// Returns the peak memory of the watched client in bytes, or zero if it sent too few requests.
    pub(super) fn peak(&self) -> u64 {
        self.watched.process.store(0, Ordering::SeqCst);
        self.watched.peak.load(Ordering::SeqCst)
    }
}

impl Watched {
    fn count(&self) {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed);
        let process = self.process.load(Ordering::SeqCst);
        if process != 0
            && requests.is_multiple_of(BETWEEN_READINGS)
            && let Ok(peak) = process::peak(process)
        {
            self.peak.fetch_max(peak, Ordering::SeqCst);
        }
    }
}

/// Raises the limit of open files: each host needs one for its listener.
fn allow_files(hosts: usize) -> Result<()> {
    let wanted = u64::try_from(hosts)? + 1_000;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })
        .map_err(|error| format!("{hosts} hosts need {wanted} open files (ulimit -Hn): {error}").into())
}

async fn accept(listener: TcpListener, canned: Arc<Canned>, watched: Arc<Watched>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (canned, watched) = (Arc::clone(&canned), Arc::clone(&watched));
        // A client that closes its connection ends only that connection.
        tokio::spawn(async move { drop(answer_all(stream, &canned, &watched).await) });
    }
}

async fn answer_all(mut stream: TcpStream, canned: &Canned, watched: &Watched) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(4_096);
    loop {
        let Some(Request { body, end }) = request(&received) else {
            match stream.read_buf(&mut received).await? {
                0 => return Ok(()),
                _ => continue,
            }
        };
        watched.count();
        let answer = canned.answer(body).map_err(|error| {
            eprintln!("the simulated host has no answer: {error}");
            std::io::ErrorKind::InvalidData
        })?;
        received.drain(..end);
        stream.write_all(&answer).await?;
    }
}

/// A complete request.
struct Request<'a> {
    body: &'a [u8],
    end: usize,
}

fn request(received: &[u8]) -> Option<Request<'_>> {
    let head = memmem::find(received, b"\r\n\r\n")? + 4;
    let lines = std::str::from_utf8(received.get(..head)?).ok()?;
    let length = lines.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    let end = head + length;
    Some(Request { body: received.get(head..end)?, end })
}
