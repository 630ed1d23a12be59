//! The way to a service.

use crate::local::LocalSockets;
use crate::proxy::Proxy;
use crate::tls::Securer;
use crate::{Endpoint, Transport};

/// How the octets of a session travel.
pub(crate) enum Route {
    /// Over the network, to the host and port of the endpoint.
    Network(Box<Securer>, Option<Proxy>),
    /// Over a Unix socket: not even the administrator of the network can read them.
    Local(LocalSockets),
}

impl Route {
    /// What messages are addressed to (`a:To`).
    pub(crate) fn to(&self, endpoint: &Endpoint) -> String {
        match self {
            Self::Network(..) => endpoint.url(),
            // No port: there is none.
            Self::Local(_) => format!("http://localhost{}", endpoint.path()),
        }
    }

    /// The proxy that sees the messages to an endpoint, and answers in place of the service where it cannot reach it.
    pub(crate) fn forwarder(&self, endpoint: &Endpoint) -> Option<&Proxy> {
        match self {
            Self::Network(_, proxy) if endpoint.transport() == Transport::Http => proxy.as_ref(),
            _ => None,
        }
    }

    /// Whom a session speaks with, for people.
    pub(crate) fn peer(&self, endpoint: &Endpoint) -> String {
        match self {
            Self::Network(..) => endpoint.place(),
            Self::Local(_) => "the service of this machine".to_owned(),
        }
    }
}
