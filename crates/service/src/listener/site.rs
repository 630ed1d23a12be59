//! What is served at one socket.

use std::collections::BTreeSet;
use std::net::IpAddr;

use config::{ListenerKey, ListenerSource, UrlPrefix};

use super::Transport;
use crate::certificate::Certificate;

/// What is behind one socket: the listeners that share it, and their one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// With it the transport is HTTPS.
    pub(crate) certificate: Option<Certificate>,
    pub(crate) routes: Vec<Route>,
}

/// One listener at a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) listener: ListenerId,
    pub(crate) scope: Scope,
    pub(crate) prefix: UrlPrefix,
}

/// Which listener: a compatibility listener has the same key as the one it stands beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenerId {
    pub(crate) key: ListenerKey,
    pub(crate) source: ListenerSource,
}

/// For which local addresses of a socket a listener answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of a family.
    All(Family),
    /// These.
    Only(BTreeSet<IpAddr>),
}

/// A family of addresses; a socket of IPv6 that somebody else made may take IPv4 as well.
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

impl Site {
    pub(crate) fn transport(&self) -> Transport {
        if self.certificate.is_some() { Transport::Https } else { Transport::Http }
    }

    /// Under which prefixes requests are accepted that come in by a local address.
    pub(crate) fn prefixes(&self, local: IpAddr) -> impl Iterator<Item = &UrlPrefix> {
        self.routes.iter().filter(move |route| route.scope.covers(local)).map(|route| &route.prefix)
    }

    /// Whether there is a listener for a local address and transport.
    pub(crate) fn serves(&self, local: IpAddr, transport: Transport) -> bool {
        self.transport() == transport && self.prefixes(local).next().is_some()
    }
}

impl Scope {
    /// The addresses it covers: those it names, or those of the machine that are of its family.
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
