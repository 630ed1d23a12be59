//! Takes connections.

mod conflict;
mod door;
mod examination;
mod inherited;
mod interfaces;
mod listeners;
mod plan;
mod site;
mod socket;

pub use conflict::{PortConflict, check_port};
pub(crate) use door::Door;
pub use examination::{Finding, examine};
pub use listeners::{ListenerReport, Listeners, Listening, Report, Severity};
pub use socket::ListenError;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use config::{ListenerAddress, ListenerKey, ListenerSource, UrlPrefix};
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::site::{Family, ListenerId, Route, Scope, Site};
use crate::certificate::Certificate;
use crate::service::Service;

/// What lies between HTTP and the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Nothing.
    Http,
    /// TLS.
    Https,
    /// A Unix socket of this machine, whose other end the kernel knows.
    Local,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Local => "local",
        })
    }
}

/// One address that is listened on with the prefix `wsman`, whatever the configuration says.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    certificate: Option<Certificate>,
}

impl Listener {
    /// Binds an address; with a certificate the transport is HTTPS. Port 0 asks for any free port.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(address: SocketAddr, certificate: Option<&Certificate>) -> Result<Self, ListenError> {
        let socket = socket::bind(address)?;
        let address = socket.local_addr().map_err(|source| ListenError { address, source })?;
        Ok(Self { socket, address, certificate: certificate.cloned() })
    }

    /// The address, with the port that was given.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes connections until the service ends.
    pub async fn run(self, service: Arc<Service>) {
        let transport =
            if self.certificate.is_some() { config::Transport::Https } else { config::Transport::Http };
        let key = ListenerKey { address: ListenerAddress::Ip(self.address.ip()), transport };
        let listener = ListenerId { key, source: ListenerSource::Local };
        let route = Route {
            listener,
            scope: Scope::All(Family::of(self.address.ip())),
            prefix: UrlPrefix::default(),
        };
        let site = Site { certificate: self.certificate, routes: vec![route] };
        let (_open, site) = watch::channel(Arc::new(site));
        socket::accept(self.socket, self.address, site, service).await;
    }
}
