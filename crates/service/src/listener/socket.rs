//! One socket of the network: bound, and accepted from.

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

use super::Door;
use super::site::Site;
use crate::certificate::Certificate;
use crate::connection::{self, Peer};
use crate::connection_table::{ConnectionSlot, REPORTS, Source};
use crate::service::Service;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", way_out(*address, source))]
pub struct ListenError {
    /// Which address.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

fn way_out(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "\n  give the listener another Port, or end the program that has this one: ss -ltnp 'sport = :{port}'"
        ),
        ErrorKind::AddrNotAvailable => {
            "\n  this machine has no such address now: ip address shows those it has".to_owned()
        }
        ErrorKind::PermissionDenied => format!(
            "\n  ports such as {port} are for root: give the listener a Port from 1024, or the service CAP_NET_BIND_SERVICE"
        ),
        _ => String::new(),
    }
}

impl ListenError {
    /// The kernel has no sockets of this family, so there are no addresses of it either.
    pub(super) fn is_missing_family(&self) -> bool {
        let error = self.source.raw_os_error();
        self.address.ip().is_unspecified() && error == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
    }
}

/// Binds an address. IPv6 sockets take IPv6 only, so that `0.0.0.0` and `::` can both be bound.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    /// Connections that wait to be accepted; the system's own limit is usually lower.
    const BACKLOG: u32 = 1_024;
    let bind = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => {
                let socket = TcpSocket::new_v6()?;
                set_ipv6_v6only(&socket, true)?;
                socket
            }
        };
        // Connections of an earlier run that are still being closed do not count.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|source| ListenError { address, source })
}

/// Takes connections until the service ends or nothing is to be served here any more.
pub(super) async fn accept(
    socket: TcpListener,
    address: SocketAddr,
    site: watch::Receiver<Arc<Site>>,
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
                if let Err(error) = take(stream, peer, &site, &service) {
                    tracing::debug!(%peer, %error, "Connection lost before it began");
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
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

fn take(
    stream: TcpStream,
    address: SocketAddr,
    site: &watch::Receiver<Arc<Site>>,
    service: &Arc<Service>,
) -> io::Result<()> {
    let Ok(slot) = service.connections.admit(Source::of_address(address.ip()), &service.config()) else {
        return Ok(());
    };
    // One write is one reply; without this each would wait for the peer's delayed acknowledgement.
    stream.set_nodelay(true)?;
    let local: IpAddr = stream.local_addr()?.ip().to_canonical();
    // The certificate of this moment stays with the connection, also when another takes its place.
    let (certificate, transport) = {
        let site = site.borrow();
        (site.certificate.clone(), site.transport())
    };
    let door = Door::Network { site: site.clone(), local, transport };
    if door.is_shut() {
        return Ok(());
    }
    let channel = certificate.as_ref().map(Certificate::channel_binding);
    let peer = Peer { address, transport, door, channel, certificate: None };
    let service = Arc::clone(service);
    tokio::spawn(async move {
        let serving = async {
            match certificate {
                None => connection::serve(stream, peer, &slot, &service).await,
                // Apart, because the others have to have no memory for it.
                Some(certificate) => Box::pin(secure(&certificate, stream, peer, &slot, &service)).await,
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
async fn secure(
    certificate: &Certificate,
    stream: TcpStream,
    mut peer: Peer,
    slot: &ConnectionSlot,
    service: &Arc<Service>,
) {
    let address = peer.address;
    // It has to be asked for now or never: there is no second handshake on a connection.
    let (server, asking) = match service.config().service.auth.certificate {
        true => match certificate.asking_server() {
            Ok((server, asking)) => (server, Some(asking)),
            Err(error) => return tracing::error!(peer = %address, %error, "TLS cannot begin"),
        },
        false => (certificate.server(), None),
    };
    let acceptor = TlsAcceptor::from(server);
    let handshake = Box::pin(timeout(HANDSHAKE, acceptor.accept(stream)));
    match handshake.await {
        Ok(Ok(stream)) => {
            peer.certificate = asking.and_then(|asking| asking.proof(stream.get_ref().1));
            connection::serve(stream, peer, slot, service).await;
        }
        Ok(Err(error)) => tracing::debug!(peer = %address, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(peer = %address, "TLS handshake took too long"),
    }
}

/// Pause after connections were displaced, so that they are closed before the next attempt.
const CLOSING: Duration = Duration::from_millis(2);
/// Pause if there was no connection to displace.
const RETRY: Duration = Duration::from_millis(100);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(15);

fn is_of_one_connection(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_had_comes_with_a_way_out() {
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
    #[allow(clippy::unwrap_used)]
    async fn both_families_can_have_the_same_port() {
        let v4 = bind(([0, 0, 0, 0], 0).into()).unwrap();
        let port = v4.local_addr().unwrap().port();
        match bind((std::net::Ipv6Addr::UNSPECIFIED, port).into()) {
            Ok(v6) => assert_eq!(v6.local_addr().unwrap().port(), port),
            Err(error) => assert!(error.is_missing_family(), "{error}"),
        }
    }
}
