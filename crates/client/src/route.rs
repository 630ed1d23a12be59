//! Network path to a service.

use crate::local::LocalSockets;
use crate::proxy::Proxy;
use crate::tls::Securer;
use crate::{Endpoint, Transport};

/// Connection type of a session.
pub(crate) enum Route {
    /// TCP to the host and port of the endpoint, with optional TLS and proxy.
    Network(Box<Securer>, Option<Proxy>),
    /// Unix socket on this machine, which cannot be intercepted on the network.
    Local(LocalSockets),
}

impl Route {
    /// Returns the address of the service for the `a:To` header.
    pub(crate) fn to(&self, endpoint: &Endpoint) -> String {
        match self {
            Self::Network(..) => endpoint.url(),
            // A Unix socket has no port.
            Self::Local(_) => format!("http://localhost{}", endpoint.path()),
        }
    }

    /// Returns the proxy that forwards each request over HTTP, reads it, and responds if it cannot reach the service.
    pub(crate) fn forwarder(&self, endpoint: &Endpoint) -> Option<&Proxy> {
        match self {
            Self::Network(_, proxy) if endpoint.transport() == Transport::Http => proxy.as_ref(),
            _ => None,
        }
    }

    /// Returns a description of the service for error messages.
    pub(crate) fn peer(&self, endpoint: &Endpoint) -> String {
        match self {
            Self::Network(..) => endpoint.host_and_port(),
            Self::Local(_) => "the local service".to_owned(),
        }
    }
}
