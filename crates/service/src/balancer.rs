//! Connections from trusted balancers, which begin with a header of the PROXY protocol.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use limits::{Admitted, ConnectionKey, FairTable, FoldedWarnings, Origin, Prefix, Report, Sizes};
use locks::Mutex;
use proxyprotocol::{Header, HeaderError, Progress};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::connection_table::REPORTS;

/// Connections of balancers whose header has not arrived yet.
///
/// They are counted apart from connections with a client, whose address is known only from the header. If there are too
/// many, the oldest one of the balancer with the most of them is closed: a balancer sends the header at once, so silent
/// peers close their own connections, and not those of other balancers.
pub(crate) struct BalancerConnections {
    waiting: Mutex<FairTable<Prefix, (), Arc<Notify>>>,
    failures: Mutex<FoldedWarnings<IpAddr>>,
    forgeries: Mutex<FoldedWarnings<IpAddr>>,
}

/// Reason why a connection of a balancer ended before it had a client.
#[derive(Debug, thiserror::Error)]
enum HeaderFailure {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("no PROXY protocol header arrived within {} seconds", TIME_LIMIT.as_secs())]
    TimedOut,
    #[error("too many connections of balancers wait for a PROXY protocol header")]
    Displaced,
    #[error("the balancer closed the connection before its header was complete: {0}")]
    Closed(#[from] io::Error),
}

/// A connection in [`BalancerConnections`], counted until it is dropped.
struct Waiting<'b> {
    connections: &'b BalancerConnections,
    key: ConnectionKey,
}

impl BalancerConnections {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::new(FairTable::new()),
            failures: Mutex::new(FoldedWarnings::new(REPORTS, BALANCERS)),
            forgeries: Mutex::new(FoldedWarnings::new(REPORTS, BALANCERS)),
        }
    }

    /// Receives the header of a connection from a balancer. Returns the address of the client: the one in the header,
    /// or that of the balancer for a connection without a client, such as a health check. Returns `None` if the
    /// connection has to be closed; the reason is logged.
    pub(crate) async fn receive_header(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        balancer: SocketAddr,
    ) -> Option<SocketAddr> {
        match self.wait_for_header(stream, balancer.ip()).await {
            Ok(Header::Proxied { client }) => {
                tracing::trace!(%balancer, peer = %client, "Connection from a balancer");
                Some(client)
            }
            Ok(Header::Local) => {
                tracing::trace!(%balancer, "Connection from a balancer without a client");
                Some(balancer)
            }
            // Health checks that only connect are no failure.
            Err(error @ HeaderFailure::Closed(_)) => {
                tracing::debug!(%balancer, %error, "Connection from a balancer ended");
                None
            }
            Err(error) => {
                if let Some(repeated) = note(&self.failures, balancer.ip()) {
                    tracing::warn!(
                        balancer = %balancer.ip(),
                        repeated,
                        %error,
                        "Connection from a balancer refused: configure the balancer to send a PROXY protocol header (haproxy: send-proxy-v2, nginx: proxy_protocol on), or remove its address from TrustedBalancers of the listener"
                    );
                }
                None
            }
        }
    }

    /// Logs that a peer that is no trusted balancer has sent a header, and that its request was refused therefore.
    pub(crate) fn report_forgery(&self, peer: IpAddr) {
        if let Some(repeated) = note(&self.forgeries, peer) {
            tracing::warn!(
                %peer,
                repeated,
                "PROXY protocol header refused: the peer is not a trusted balancer; if it is a balancer, add its address to TrustedBalancers of the listener"
            );
        }
    }

    async fn wait_for_header(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        balancer: IpAddr,
    ) -> Result<Header, HeaderFailure> {
        let displaced = Arc::new(Notify::new());
        let waiting = self.admit(balancer, &displaced)?;
        let received = tokio::select! {
            received = timeout(TIME_LIMIT, read_header(stream)) => received,
            () = displaced.notified() => return Err(HeaderFailure::Displaced),
        };
        drop(waiting);
        received.unwrap_or(Err(HeaderFailure::TimedOut))
    }

    fn admit(&self, balancer: IpAddr, displaced: &Arc<Notify>) -> Result<Waiting<'_>, HeaderFailure> {
        let source = Origin::of(balancer).prefixes();
        let admitted = self.waiting.lock().admit(source, Arc::clone(displaced), &SIZES);
        let Admitted { key, displaced: victim } = admitted.map_err(|_| HeaderFailure::Displaced)?;
        if let Some(victim) = victim {
            victim.notify_one();
        }
        Ok(Waiting { connections: self, key })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.connections.waiting.lock().remove(self.key);
    }
}

/// Reads a header and no byte behind it.
async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> Result<Header, HeaderFailure> {
    let mut received = Vec::new();
    loop {
        let count = match proxyprotocol::decode(&received)? {
            Progress::Complete(header) => return Ok(header),
            Progress::Missing(count) => count.get(),
        };
        let limit = u64::try_from(count).unwrap_or(u64::MAX);
        if (&mut *stream).take(limit).read_buf(&mut received).await? == 0 {
            return Err(HeaderFailure::Closed(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// Counts an event of an address. Returns how many were not reported if a report is due.
fn note(reports: &Mutex<FoldedWarnings<IpAddr>>, address: IpAddr) -> Option<u64> {
    let report = reports.lock().note(address, Instant::now());
    report.map(|Report { repeated, others }| repeated.saturating_add(others))
}

/// Time limit of a header. The specification recommends at least 3 seconds, for a lost segment.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Maximum number of connections that wait for a header.
const MAX_WAITING: usize = 256;
const SIZES: Sizes = Sizes { connections: MAX_WAITING, requests: 0, reserved_requests: 0 };
/// Maximum number of addresses that are reported apart.
const BALANCERS: usize = 16;

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn balancer(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 50_000).into()
    }

    #[tokio::test]
    async fn the_bytes_behind_a_header_are_left() {
        let connections = BalancerConnections::new();
        let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\x7f\0\0\x01\x9c\x40\x17\x61".as_slice();
        for header in [b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 5985\r\n".as_slice(), v2] {
            let (mut near, mut far) = tokio::io::duplex(512);
            far.write_all(&[header, b"POST"].concat()).await.unwrap();
            let client = connections.receive_header(&mut near, balancer(1)).await;
            assert_eq!(client, Some(([198, 51, 100, 7], 40_000).into()));
            drop(far);
            let mut rest = Vec::new();
            near.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"POST");
        }
        assert!(connections.waiting.lock().is_empty());
    }

    #[tokio::test]
    async fn a_connection_without_a_client_has_the_address_of_the_balancer() {
        let connections = BalancerConnections::new();
        let (mut near, mut far) = tokio::io::duplex(512);
        far.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await.unwrap();
        assert_eq!(connections.receive_header(&mut near, balancer(1)).await, Some(balancer(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn garbage_silence_and_cut_headers_end_the_connection() {
        let connections = BalancerConnections::new();
        for sent in ["GET / HTTP/1.1\r\n\r\n", "", "PROXY TCP4 1.2.3.4"] {
            let (mut near, mut far) = tokio::io::duplex(512);
            far.write_all(sent.as_bytes()).await.unwrap();
            assert_eq!(connections.receive_header(&mut near, balancer(1)).await, None, "{sent}");
        }
        let (mut near, far) = tokio::io::duplex(512);
        drop(far);
        assert_eq!(connections.receive_header(&mut near, balancer(1)).await, None);
        assert!(connections.waiting.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn silent_connections_of_one_balancer_are_closed_for_those_of_another() {
        let connections = Arc::new(BalancerConnections::new());
        let mut silent = Vec::new();
        for _ in 0..MAX_WAITING {
            let (mut near, far) = tokio::io::duplex(64);
            let connections = Arc::clone(&connections);
            let ended =
                tokio::spawn(async move { connections.wait_for_header(&mut near, balancer(1).ip()).await });
            silent.push((far, ended));
        }
        while connections.waiting.lock().len() < MAX_WAITING {
            tokio::task::yield_now().await;
        }
        let (mut near, mut far) = tokio::io::duplex(64);
        far.write_all(b"PROXY TCP4 198.51.100.7 127.0.0.1 1 2\r\n").await.unwrap();
        assert!(connections.receive_header(&mut near, balancer(2)).await.is_some());
        let displaced = loop {
            match silent.iter().position(|(_, ended)| ended.is_finished()) {
                Some(place) => break silent.remove(place).1,
                None => tokio::task::yield_now().await,
            }
        };
        assert!(matches!(displaced.await.unwrap(), Err(HeaderFailure::Displaced)));
        assert_eq!(connections.waiting.lock().len(), MAX_WAITING - 1);
    }
}
