//! Network sockets: binding and accepting connections.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use limits::{FoldedWarnings, Report};
use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;
use crate::client_certificate::ClientCertificates;
use crate::connection::{self, Peer};
use crate::connection_table::{ConnectionSlot, REPORTS, Source};
use crate::endpoint::Endpoint;
use crate::route::Route;
use crate::service::Service;

/// Failure to listen on an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", way_out(*address, source))]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// The error of the system call.
    pub source: io::Error,
}

fn way_out(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "\n  choose another Port for the listener, or stop the program that uses this one: ss -ltnp 'sport = :{port}'"
        ),
        ErrorKind::AddrNotAvailable => {
            "\n  this machine does not have the address; run `ip address` to list its addresses".to_owned()
        }
        ErrorKind::PermissionDenied => format!(
            "\n  port {port} is privileged; choose a Port from 1024, or give the service CAP_NET_BIND_SERVICE"
        ),
        _ => String::new(),
    }
}

impl ListenError {
    /// Returns whether the kernel does not support the address family, in which case no such address exists either.
    pub(super) fn is_missing_family(&self) -> bool {
        let error = self.source.raw_os_error();
        self.address.ip().is_unspecified() && error == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
    }
}

/// Binds an address. IPv6 sockets accept IPv6 only, so that `0.0.0.0` and `::` can both be bound.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    bind_and_listen(address).map_err(|source| ListenError { address, source })
}

fn bind_and_listen(address: SocketAddr) -> io::Result<TcpListener> {
    /// Maximum number of connections that wait to be accepted; the system usually limits it further.
    const BACKLOG: u32 = 1_024;
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            set_ipv6_v6only(&socket, true)?;
            socket
        }
    };
    // Allows binding while connections of an earlier run are still being closed.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the service ends or the endpoint has no listeners any more.
pub(super) async fn accept(
    socket: TcpListener,
    address: SocketAddr,
    endpoint: watch::Receiver<Arc<Endpoint>>,
    service: Arc<Service>,
) {
    let mut failures = FoldedWarnings::new(REPORTS, 1);
    loop {
        let accepted = tokio::select! {
            () = service.shutdown.begun() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                begin(stream, peer, &endpoint, &service);
            }
            Err(error) if is_connection_error(&error) => {}
            // Out of file descriptors or memory.
            Err(error) => {
                if let Some(Report { repeated, .. }) = failures.note((), Instant::now()) {
                    tracing::error!(repeated, %error, %address, "Cannot accept connections: raise LimitNOFILE, or lower Connections/MaxOpen");
                }
                let pause = if service.connections.make_room() { CLOSING } else { RETRY };
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Starts a task that serves an accepted connection. If the peer is a trusted balancer, the task first receives the
/// header with the address of the client.
fn begin(
    mut stream: TcpStream,
    peer: SocketAddr,
    endpoint: &watch::Receiver<Arc<Endpoint>>,
    service: &Arc<Service>,
) {
    let local = match stream.local_addr() {
        Ok(local) => local.ip().to_canonical(),
        Err(error) => return report_failure(peer, &error),
    };
    if !endpoint.borrow().trusts_balancer(local, peer.ip()) {
        if let Err(error) = start(stream, Ends { client: peer, local }, endpoint, service) {
            report_failure(peer, &error);
        }
        return;
    }
    let (endpoint, service) = (endpoint.clone(), Arc::clone(service));
    tokio::spawn(async move {
        let client = tokio::select! {
            () = service.shutdown.begun() => return,
            client = service.balancers.receive_header(&mut stream, peer) => client,
        };
        let Some(client) = client else { return };
        if let Err(error) = start(stream, Ends { client, local }, &endpoint, &service) {
            report_failure(client, &error);
        }
    });
}

fn report_failure(peer: SocketAddr, error: &io::Error) {
    tracing::debug!(%peer, %error, "Connection failed before it was served");
}

/// Addresses of a connection.
#[derive(Clone, Copy, Debug)]
struct Ends {
    /// The client, which a balancer may have named.
    client: SocketAddr,
    /// The address of this machine to which the client or its balancer is connected.
    local: IpAddr,
}

/// Starts a task that serves the connection of a client.
fn start(
    stream: TcpStream,
    Ends { client: address, local }: Ends,
    endpoint: &watch::Receiver<Arc<Endpoint>>,
    service: &Arc<Service>,
) -> io::Result<()> {
    let Ok(slot) = service.connections.admit(Source::of_address(address.ip()), &service.config()) else {
        return Ok(());
    };
    // A response is one write. Without this option, the next one would wait for the peer's delayed acknowledgement.
    stream.set_nodelay(true)?;
    // The connection keeps its certificate when the endpoint gets another one.
    let (certificate, transport) = {
        let endpoint = endpoint.borrow();
        (endpoint.certificate.clone(), endpoint.transport())
    };
    let route = Route::Network { endpoint: endpoint.clone(), local, transport };
    if route.is_closed() {
        return Ok(());
    }
    let channel = certificate.as_ref().map(Certificate::channel_binding);
    let peer = Peer { address, transport, route, channel, certificate: None };
    let service = Arc::clone(service);
    tokio::spawn(async move {
        let serving = async {
            match certificate {
                None => connection::serve(stream, peer, &slot, &service).await,
                // Boxed so that the future of plain connections stays small.
                Some(certificate) => Box::pin(serve_tls(&certificate, stream, peer, &slot, &service)).await,
            }
        };
        tokio::select! {
            () = serving => {}
            () = slot.displaced() => tracing::debug!(peer = %address, "Connection closed in favour of a new one"),
        }
    });
    Ok(())
}

/// Serves a connection over TLS.
async fn serve_tls(
    certificate: &Certificate,
    stream: TcpStream,
    mut peer: Peer,
    slot: &ConnectionSlot,
    service: &Arc<Service>,
) {
    let address = peer.address;
    // Request the client certificate in this handshake: TLS 1.3 has no renegotiation.
    let (server, verifier) = match service.client_certificates() {
        ClientCertificates::Unused => (certificate.server(), None),
        request => match certificate.server_requesting_client_certificate(request) {
            Ok((server, verifier)) => (server, Some(verifier)),
            Err(error) => return tracing::error!(peer = %address, %error, "Cannot set up TLS"),
        },
    };
    let acceptor = TlsAcceptor::from(server);
    let handshake = Box::pin(timeout(HANDSHAKE, acceptor.accept(stream)));
    match handshake.await {
        Ok(Ok(stream)) => {
            peer.certificate = verifier.and_then(|verifier| verifier.proof(stream.get_ref().1));
            connection::serve(stream, peer, slot, service).await;
        }
        Ok(Err(error)) => tracing::debug!(peer = %address, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(peer = %address, "TLS handshake timed out"),
    }
}

/// Pause after connections were displaced, so that they are closed before the next attempt.
const CLOSING: Duration = Duration::from_millis(2);
/// Pause if there was no connection to displace.
const RETRY: Duration = Duration::from_millis(100);
/// Time limit of a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// Returns whether an error of `accept` concerns one connection only, not the listening socket.
fn is_connection_error(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_address_and_a_remedy() {
        let address: SocketAddr = ([192, 0, 2, 1], 443).into();
        for (kind, way_out) in [
            (ErrorKind::AddrInUse, "ss -ltnp 'sport = :443'"),
            (ErrorKind::AddrNotAvailable, "ip address"),
            (ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
        ] {
            let shown = ListenError { address, source: kind.into() }.to_string();
            assert!(shown.starts_with("cannot listen on 192.0.2.1:443: "), "{shown}");
            assert!(shown.contains(way_out), "{shown}");
        }
    }

    #[tokio::test]
    async fn both_families_can_bind_the_same_port() {
        let v4 = bind(([0, 0, 0, 0], 0).into()).unwrap();
        let port = v4.local_addr().unwrap().port();
        match bind((std::net::Ipv6Addr::UNSPECIFIED, port).into()) {
            Ok(v6) => assert_eq!(v6.local_addr().unwrap().port(), port),
            Err(error) => assert!(error.is_missing_family(), "{error}"),
        }
    }
}
