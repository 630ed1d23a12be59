//! From an endpoint to a connection: find the host, connect, secure.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, netdevice, socket};

use auth::ChannelBinding;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Connection;
use crate::authentication::Proof;
use crate::error::Error;
use crate::patience::{Expired, Patience};
use crate::proxy::{Gate, Proxy, through};
use crate::route::Route;
use crate::tls::{Securer, TlsError};
use crate::{Endpoint, Transport};

impl Connection {
    /// Opens a connection; nothing of the session goes over it yet.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        route: &Route,
        proof: Proof,
        patience: &Patience,
    ) -> Result<Self, Error> {
        let opened = patience.within(patience.connect, opened(endpoint, route, patience)).await;
        let connection = opened.map_err(|expired| match expired {
            Expired::Own => Error::ConnectTimedOut { address: route.peer(endpoint), after: patience.connect },
            Expired::Total(error) => error,
        })??;
        Ok(Self { proof, ..connection })
    }

    /// The same connection with TLS over it.
    async fn secured(self, endpoint: &Endpoint, securer: &Securer) -> Result<Self, Error> {
        let secured = securer.secure(self.stream, endpoint.host()).await;
        let failed = |reason: TlsError| Error::Tls { host: endpoint.host().to_owned(), reason };
        let secured = secured.map_err(failed)?;
        let shown = secured.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let channel = shown.map(|certificate| ChannelBinding::of_certificate(certificate));
        Ok(Self { channel, ..Self::plain(Box::new(secured), Proof::Anonymous, endpoint.place()) })
    }
}

/// A connection to a service, on which nobody has proven anything.
async fn opened(endpoint: &Endpoint, route: &Route, patience: &Patience) -> Result<Connection, Error> {
    let plain = |stream, address| Connection::plain(stream, Proof::Anonymous, address);
    match (route, endpoint.transport()) {
        (Route::Local(sockets), _) => {
            let (stream, path) = sockets.connect().await?;
            Ok(plain(Box::new(stream), path.display().to_string()))
        }
        (Route::Network(securer, proxy), Transport::Https) => {
            below_tls(endpoint, proxy.as_ref(), patience).await?.secured(endpoint, securer).await
        }
        (Route::Network(_, Some(proxy)), Transport::Http) => {
            let stream = tcp(proxy.endpoint()).await.map_err(|error| proxy.unreached(error))?;
            let connection = plain(Box::new(stream), endpoint.place());
            Ok(Connection { gate: Some(Gate::new(proxy)?), ..connection })
        }
        (Route::Network(_, None), Transport::Http) => {
            Ok(plain(Box::new(tcp(endpoint).await?), endpoint.place()))
        }
    }
}

/// What is below TLS: a connection to the host itself, or a tunnel of a proxy to it.
pub(crate) async fn below_tls(
    endpoint: &Endpoint,
    proxy: Option<&Proxy>,
    patience: &Patience,
) -> Result<Connection, Error> {
    match proxy {
        Some(proxy) => through(proxy, endpoint, patience, tcp).await,
        None => Ok(Connection::plain(Box::new(tcp(endpoint).await?), Proof::Anonymous, endpoint.place())),
    }
}

/// A connection to the host of an endpoint.
async fn tcp(endpoint: &Endpoint) -> Result<TcpStream, Error> {
    let failed = |source| Error::Connect { address: endpoint.place(), source };
    let addresses = addresses(endpoint).await?;
    let stream = connect(addresses).await.map_err(failed)?;
    // Each request is one write, which should leave at once.
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// The addresses of the host.
pub(crate) async fn addresses(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
    let failed = |source| Error::NotResolved { host: endpoint.host_and_zone(), source };
    match (endpoint.host().parse::<IpAddr>(), endpoint.zone()) {
        (Ok(IpAddr::V6(address)), Some(zone)) => {
            let scope = scope_of(zone).map_err(failed)?;
            return Ok(vec![SocketAddrV6::new(address, endpoint.port(), 0, scope).into()]);
        }
        (Ok(address), _) => return Ok(vec![SocketAddr::new(address, endpoint.port())]),
        (Err(_), _) => {}
    }
    let found = lookup_host((endpoint.host(), endpoint.port())).await.map_err(failed)?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(addresses)
}

/// The number of an interface, which may also be written as such (RFC 4007 11.2).
fn scope_of(zone: &str) -> io::Result<u32> {
    let any = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    netdevice::name_to_index(&any, zone)
        .or_else(|_| zone.parse())
        .map_err(|_| io::Error::new(io::ErrorKind::NotFound, format!("this machine has no interface {zone}")))
}

/// Connects to the first address that answers; each gets a head start before the next (RFC 8305 5).
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
