//! Takes connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;
use crate::connection::{self, Peer};
use crate::service::Service;

/// What lies between HTTP and the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Nothing.
    Http,
    /// TLS.
    Https,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        })
    }
}

/// One address that is listened on.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// Which address.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

impl Listener {
    /// Binds an address; with a certificate the transport is HTTPS. Port 0 asks for any free port.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(address: SocketAddr, certificate: Option<&Certificate>) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let tls = certificate.map(|certificate| TlsAcceptor::from(certificate.server()));
        Ok(Self { socket, address, tls })
    }

    /// The address, with the port that was given.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn transport(&self) -> Transport {
        if self.tls.is_some() { Transport::Https } else { Transport::Http }
    }

    /// Takes connections until the service ends.
    pub async fn run(self, service: Arc<Service>) {
        loop {
            let accepted = tokio::select! {
                () = service.shutdown.begun() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer, &service),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of file descriptors or memory: others have to finish first.
                    tracing::error!(%error, address = %self.address, "Cannot accept connections");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, address: SocketAddr, service: &Arc<Service>) {
        let Ok(place) = Arc::clone(&service.connections).try_acquire_owned() else {
            tracing::warn!(peer = %address, "Connection refused: far more than MaxConnections are open");
            return;
        };
        // One write is one reply; without this each would wait for the peer's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(peer = %address, %error, "Connection lost before it began");
            return;
        }
        let peer = Peer { address, transport: self.transport() };
        let service = Arc::clone(service);
        match self.tls.clone() {
            None => {
                tokio::spawn(async move {
                    connection::serve(stream, peer, &service).await;
                    drop(place);
                });
            }
            Some(acceptor) => {
                tokio::spawn(async move {
                    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => connection::serve(stream, peer, &service).await,
                        Ok(Err(error)) => tracing::debug!(peer = %address, %error, "TLS handshake failed"),
                        Err(_) => tracing::debug!(peer = %address, "TLS handshake took too long"),
                    }
                    drop(place);
                });
            }
        }
    }
}

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(15);

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
