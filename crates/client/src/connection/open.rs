//! From an endpoint to a connection: find the host, connect, secure.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Connection, READ, Stream};
use crate::authentication::Proof;
use crate::error::Error;
use crate::patience::{Expired, Patience};
use crate::tls::{Securer, TlsError};
use crate::{Endpoint, Transport};

impl Connection {
    /// Opens a connection; nothing of the session goes over it yet.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        securer: &Securer,
        proof: Proof,
        patience: &Patience,
    ) -> Result<Self, Error> {
        let address = endpoint.authority();
        let opened = patience.within(patience.connect, stream_to(endpoint, securer)).await;
        let stream = opened.map_err(|expired| match expired {
            Expired::Own => Error::ConnectTimedOut { address: address.clone(), after: patience.connect },
            Expired::Total(error) => error,
        })??;
        Ok(Self { stream, proof, address, received: Vec::with_capacity(READ) })
    }
}

async fn stream_to(endpoint: &Endpoint, securer: &Securer) -> Result<Box<dyn Stream>, Error> {
    let addresses = resolve(endpoint).await?;
    let connected = connect(addresses).await;
    let stream = connected.map_err(|source| Error::Connect { address: endpoint.authority(), source })?;
    // Each request is one write, which should leave at once.
    let undelayed = stream.set_nodelay(true);
    undelayed.map_err(|source| Error::Connect { address: endpoint.authority(), source })?;
    match endpoint.transport() {
        Transport::Http => Ok(Box::new(stream)),
        Transport::Https => {
            let secured = securer.secure(stream, endpoint.host()).await;
            let failed = |reason: TlsError| Error::Tls { host: endpoint.host().to_owned(), reason };
            Ok(Box::new(secured.map_err(failed)?))
        }
    }
}

async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = endpoint.host().parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, endpoint.port())]);
    }
    let failed = |source| Error::NotResolved { host: endpoint.host().to_owned(), source };
    let found = lookup_host((endpoint.host(), endpoint.port())).await.map_err(failed)?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(addresses)
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
