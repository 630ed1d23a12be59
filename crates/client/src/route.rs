//! The way to a service.

use crate::Endpoint;
use crate::local::LocalSockets;
use crate::tls::Securer;

/// How the octets of a session travel.
pub(crate) enum Route {
    /// Over the network, to the host and port of the endpoint.
    Network(Securer),
    /// Over a Unix socket: not even the administrator of the network can read them.
    Local(LocalSockets),
}

impl Route {
    /// What messages are addressed to (`a:To`).
    pub(crate) fn to(&self, endpoint: &Endpoint) -> String {
        match self {
            Self::Network(_) => endpoint.url(),
            // No port: there is none.
            Self::Local(_) => format!("http://localhost{}", endpoint.path()),
        }
    }

    /// Whom a session speaks with, for people.
    pub(crate) fn peer(&self, endpoint: &Endpoint) -> String {
        match self {
            Self::Network(_) => endpoint.place(),
            Self::Local(_) => "the service of this machine".to_owned(),
        }
    }
}
