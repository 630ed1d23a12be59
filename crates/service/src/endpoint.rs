//! Endpoints: the listeners that share one socket.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use config::{ListenerKey, ListenerSource, TrustedBalancers, UrlPrefix};

use crate::certificate::Certificate;

/// Transport below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Http,
    /// TLS over TCP.
    Https,
    /// A Unix socket of this machine, whose peer the kernel identifies.
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

/// The listeners that share one socket, and their certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The certificate; `None` for HTTP.
    pub(crate) certificate: Option<Certificate>,
    pub(crate) listeners: Vec<EndpointListener>,
}

/// Listener of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointListener {
    pub(crate) id: ListenerId,
    pub(crate) scope: AddressScope,
    pub(crate) prefix: UrlPrefix,
    pub(crate) balancers: TrustedBalancers,
}

/// Identity of a listener. A compatibility listener can have the same key as a configured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenerId {
    pub(crate) key: ListenerKey,
    pub(crate) source: ListenerSource,
}

/// Local addresses of a socket for which a listener accepts requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AddressScope {
    /// All addresses of a family.
    All(Family),
    /// The listed addresses.
    Only(BTreeSet<IpAddr>),
}

/// Address family. An IPv6 socket that was inherited may accept IPv4 connections as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl Endpoint {
    pub(crate) fn transport(&self) -> Transport {
        if self.certificate.is_some() { Transport::Https } else { Transport::Http }
    }

    /// Returns the URL prefixes of the listeners for a local address.
    pub(crate) fn prefixes(&self, local: IpAddr) -> impl Iterator<Item = &UrlPrefix> {
        self.listeners_of(local).map(|listener| &listener.prefix)
    }

    /// Returns whether a listener for a local address trusts the peer as a balancer, whose connections begin with a
    /// header of the PROXY protocol.
    pub(crate) fn trusts_balancer(&self, local: IpAddr, peer: IpAddr) -> bool {
        self.listeners_of(local).any(|listener| listener.balancers.contains(peer))
    }

    fn listeners_of(&self, local: IpAddr) -> impl Iterator<Item = &EndpointListener> {
        self.listeners.iter().filter(move |listener| listener.scope.covers(local))
    }

    /// Returns whether there is a listener for a local address and transport.
    pub(crate) fn serves(&self, local: IpAddr, transport: Transport) -> bool {
        self.transport() == transport && self.prefixes(local).next().is_some()
    }
}

impl AddressScope {
    /// Returns the addresses in the scope: the listed ones, or those of `machine` that have the family.
    pub(crate) fn listed(&self, machine: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
        match self {
            Self::All(_) => machine.filter(|address| self.covers(*address)).collect(),
            Self::Only(addresses) => addresses.iter().copied().collect(),
        }
    }

    pub(crate) fn covers(&self, local: IpAddr) -> bool {
        match self {
            Self::All(family) => *family == Family::of(local),
            Self::Only(addresses) => addresses.contains(&local),
        }
    }
}
