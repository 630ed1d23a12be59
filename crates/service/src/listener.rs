//! Listeners: sockets, endpoints, and the connections that they accept.

mod check;
mod conflict;
mod inherited_sockets;
mod interfaces;
mod listeners;
mod plan;
mod socket;

pub use check::{Finding, check_listeners, filters_admit_this_machine};
pub use conflict::{PortConflict, check_port};
pub use listeners::{ListenerReport, ListenerStatus, Listeners, Report, Severity};
pub use socket::ListenError;

use std::net::SocketAddr;
use std::sync::Arc;

use config::{ListenerAddress, ListenerKey, ListenerSource, TrustedBalancers, UrlPrefix};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::certificate::Certificate;
use crate::endpoint::{AddressScope, Endpoint, EndpointListener, Family, ListenerId};
use crate::service::Service;

/// Listener on one address with the prefix `wsman`, independent of the configured listeners.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    certificate: Option<Certificate>,
}

impl Listener {
    /// Binds an address. With a certificate, the transport is HTTPS. Port 0 selects any free port.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(address: SocketAddr, certificate: Option<&Certificate>) -> Result<Self, ListenError> {
        let socket = socket::bind(address)?;
        let address = socket.local_addr().map_err(|source| ListenError { address, source })?;
        Ok(Self { socket, address, certificate: certificate.cloned() })
    }

    /// Returns the address with the actual port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections until the service ends.
    pub async fn run(self, service: Arc<Service>) {
        let transport =
            if self.certificate.is_some() { config::Transport::Https } else { config::Transport::Http };
        let key = ListenerKey { address: ListenerAddress::Ip(self.address.ip()), transport };
        let id = ListenerId { key, source: ListenerSource::Local };
        let listener = EndpointListener {
            id,
            scope: AddressScope::All(Family::of(self.address.ip())),
            prefix: UrlPrefix::default(),
            balancers: TrustedBalancers::default(),
        };
        let endpoint = Endpoint { certificate: self.certificate, listeners: vec![listener] };
        let (_open, endpoint) = watch::channel(Arc::new(endpoint));
        socket::accept(self.socket, self.address, endpoint, service).await;
    }
}
