//! Opens connections: name resolution, TCP, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, netdevice, socket};

use auth::ChannelBinding;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Connection, Stream};
use crate::authentication::AuthState;
use crate::error::Error;
use crate::proxy::{Proxy, ProxyAuthenticator, through};
use crate::route::Route;
use crate::timeouts::{Expired, Timeouts};
use crate::tls::Securer;
use crate::{Endpoint, Transport};

impl Connection {
    /// Opens a connection; sends no request.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        route: &Route,
        auth_state: AuthState,
        timeouts: &Timeouts,
    ) -> Result<Self, Error> {
        let opened = timeouts.within(timeouts.connect, open(endpoint, route, timeouts)).await;
        let connection = opened.map_err(|expired| match expired {
            Expired::Step => {
                Error::ConnectTimedOut { address: route.peer(endpoint), after: timeouts.connect }
            }
            Expired::Total(error) => error,
        })??;
        Ok(Self { auth_state, ..connection })
    }

    /// Performs the TLS handshake on the connection.
    async fn secured(self, endpoint: &Endpoint, securer: &Securer) -> Result<Self, Error> {
        let secured = securer.secure(self.stream, endpoint.host()).await;
        let secured = secured.map_err(|reason| Error::Tls { host: endpoint.host().to_owned(), reason })?;
        let shown = secured.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let channel = shown.map(|certificate| ChannelBinding::of_certificate(certificate));
        Ok(Self { channel, ..Self::plain(Box::new(secured), AuthState::Anonymous, endpoint.host_and_port()) })
    }
}

/// Opens a connection that is not authenticated.
async fn open(endpoint: &Endpoint, route: &Route, timeouts: &Timeouts) -> Result<Connection, Error> {
    match (route, endpoint.transport()) {
        (Route::Local(sockets), _) => {
            let (stream, path) = sockets.connect().await?;
            Ok(plain(stream, path.display().to_string()))
        }
        (Route::Network(securer, proxy), Transport::Https) => {
            below_tls(endpoint, proxy.as_ref(), timeouts).await?.secured(endpoint, securer).await
        }
        (Route::Network(_, Some(proxy)), Transport::Http) => {
            let stream = tcp(proxy.endpoint()).await.map_err(|error| proxy.unreachable(error))?;
            let connection = plain(stream, endpoint.host_and_port());
            Ok(Connection { authenticator: Some(ProxyAuthenticator::new(proxy)?), ..connection })
        }
        (Route::Network(_, None), Transport::Http) => {
            Ok(plain(tcp(endpoint).await?, endpoint.host_and_port()))
        }
    }
}

fn plain(stream: impl Stream + 'static, address: String) -> Connection {
    Connection::plain(Box::new(stream), AuthState::Anonymous, address)
}

/// Opens the connection below TLS: directly to the host, or through a tunnel of the proxy.
pub(crate) async fn below_tls(
    endpoint: &Endpoint,
    proxy: Option<&Proxy>,
    timeouts: &Timeouts,
) -> Result<Connection, Error> {
    match proxy {
        Some(proxy) => through(proxy, endpoint, timeouts, tcp).await,
        None => Ok(plain(tcp(endpoint).await?, endpoint.host_and_port())),
    }
}

/// Opens a TCP connection to the host of an endpoint.
async fn tcp(endpoint: &Endpoint) -> Result<TcpStream, Error> {
    let addresses = addresses(endpoint).await?;
    let stream = connect(addresses).await;
    let stream = stream.map_err(|source| Error::Connect { address: endpoint.host_and_port(), source })?;
    // Each request is one write, which should be sent at once.
    let disabled = stream.set_nodelay(true);
    disabled.map_err(|source| Error::Connect { address: endpoint.host_and_port(), source })?;
    Ok(stream)
}

/// Resolves the host of an endpoint.
pub(crate) async fn addresses(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
    match (endpoint.host().parse::<IpAddr>(), endpoint.zone()) {
        (Ok(IpAddr::V6(address)), Some(zone)) => {
            let scope = scope_of(zone).map_err(|source| not_resolved(endpoint, source))?;
            return Ok(vec![SocketAddrV6::new(address, endpoint.port(), 0, scope).into()]);
        }
        (Ok(address), _) => return Ok(vec![SocketAddr::new(address, endpoint.port())]),
        (Err(_), _) => {}
    }
    let found = lookup_host((endpoint.host(), endpoint.port())).await;
    let addresses: Vec<SocketAddr> = found.map_err(|source| not_resolved(endpoint, source))?.collect();
    if addresses.is_empty() {
        let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(not_resolved(endpoint, source));
    }
    Ok(addresses)
}

fn not_resolved(endpoint: &Endpoint, source: io::Error) -> Error {
    Error::NotResolved { host: endpoint.host_and_zone(), source }
}

/// Returns the index of a network interface, which may be written as a number (RFC 4007 11.2).
fn scope_of(zone: &str) -> io::Result<u32> {
    let any = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    netdevice::name_to_index(&any, zone)
        .or_else(|_| zone.parse())
        .map_err(|_| io::Error::new(io::ErrorKind::NotFound, format!("this machine has no interface {zone}")))
}

/// Connects to the first address that accepts; starts the next attempt 250 ms after the previous one (RFC 8305 5).
async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    const HEAD_START: Duration = Duration::from_millis(250);
    if let [address] = addresses.as_slice() {
        return TcpStream::connect(address).await;
    }
    let mut attempts = JoinSet::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        attempts.spawn(TcpStream::connect(address));
        match timeout(HEAD_START, attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => failure = error,
            Ok(_) | Err(_) => {}
        }
    }
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}
