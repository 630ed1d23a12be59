//! Sockets that the service manager has bound before the program started (sd_listen_fds(3)).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rustix::net::sockopt::ipv6_v6only;
use tokio::net::TcpListener;

use super::plan::PlannedEndpoint;

/// Sockets of the service manager, which remain open as long as the service runs.
#[derive(Debug, Default)]
pub(super) struct InheritedSockets(Vec<InheritedSocket>);

#[derive(Debug)]
struct InheritedSocket {
    socket: std::net::TcpListener,
    address: SocketAddr,
    /// Bound to `::` and accepting IPv4 as well, as systemd binds sockets unless `BindIPv6Only=ipv6-only` is set.
    is_dual_stack: bool,
}

impl InheritedSockets {
    /// Takes listening sockets. Unusable ones are logged and ignored.
    pub(super) fn new(sockets: Vec<std::net::TcpListener>) -> Self {
        let inherited = sockets.into_iter().filter_map(|socket| match InheritedSocket::new(socket) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::error!(%error, "Cannot use inherited socket");
                None
            }
        });
        Self(inherited.collect())
    }

    /// Replaces the address of every planned socket that an inherited one covers by that of the inherited one.
    ///
    /// An inherited socket for all addresses covers each of them, because no other socket could be bound beside it.
    pub(super) fn adopt(
        &self,
        planned: BTreeMap<SocketAddr, PlannedEndpoint>,
    ) -> BTreeMap<SocketAddr, PlannedEndpoint> {
        let mut adopted: BTreeMap<SocketAddr, PlannedEndpoint> = BTreeMap::new();
        for (address, endpoint) in planned {
            let inherited = self.0.iter().find(|socket| socket.covers(address));
            let address = inherited.map_or(address, |socket| socket.address);
            match adopted.get_mut(&address) {
                // Listeners of one port have the same certificate.
                Some(existing) => existing.listeners.extend(endpoint.listeners),
                None => {
                    adopted.insert(address, endpoint);
                }
            }
        }
        adopted
    }

    /// Returns the socket with an address, if it was inherited.
    pub(super) fn socket(&self, address: SocketAddr) -> Option<io::Result<TcpListener>> {
        let inherited = self.0.iter().find(|socket| socket.address == address)?;
        Some(inherited.socket.try_clone().and_then(TcpListener::from_std))
    }

    /// Returns the addresses of all inherited sockets.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|socket| socket.address)
    }
}

impl InheritedSocket {
    fn new(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let is_dual_stack = address.ip() == Ipv6Addr::UNSPECIFIED && !ipv6_v6only(&socket)?;
        Ok(Self { socket, address, is_dual_stack })
    }

    fn covers(&self, address: SocketAddr) -> bool {
        let has_family = match address.ip() {
            IpAddr::V4(_) => self.address.is_ipv4() || self.is_dual_stack,
            IpAddr::V6(_) => self.address.is_ipv6(),
        };
        let has_ip = self.address.ip() == address.ip() || self.address.ip().is_unspecified();
        self.address.port() == address.port() && has_family && has_ip
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::conflict::CertificateChoice;
    use super::*;

    fn inherited(address: &str) -> (InheritedSockets, u16) {
        let socket = std::net::TcpListener::bind(address).unwrap();
        let port = socket.local_addr().unwrap().port();
        (InheritedSockets::new(vec![socket]), port)
    }

    fn planned(addresses: &[(&str, u16)]) -> BTreeMap<SocketAddr, PlannedEndpoint> {
        let endpoint = |address: &(&str, u16)| {
            let address = SocketAddr::new(address.0.parse().unwrap(), address.1);
            (address, PlannedEndpoint { certificate: CertificateChoice::None, listeners: Vec::new() })
        };
        addresses.iter().map(endpoint).collect()
    }

    #[test]
    fn a_socket_for_all_addresses_covers_each_of_its_family() {
        let (inherited, port) = inherited("0.0.0.0:0");
        let adopted = inherited.adopt(planned(&[("127.0.0.1", port), ("127.0.0.2", port), ("::1", port)]));
        let addresses: Vec<_> = adopted.keys().map(ToString::to_string).collect();
        assert_eq!(addresses, [format!("0.0.0.0:{port}"), format!("[::1]:{port}")]);
    }

    #[test]
    fn an_ipv6_socket_covers_ipv4_if_it_accepts_it() {
        // The standard library leaves IPV6_V6ONLY as the system has it, which is off.
        let (inherited, port) = inherited("[::]:0");
        let adopted = inherited.adopt(planned(&[("0.0.0.0", port), ("::", port)]));
        assert_eq!(adopted.len(), if inherited.0[0].is_dual_stack { 1 } else { 2 });
    }

    #[test]
    fn another_port_or_address_is_not_covered() {
        let (inherited, port) = inherited("127.0.0.1:0");
        let other = if port == u16::MAX { 1_024 } else { port + 1 };
        let wanted = [("127.0.0.1", other), ("127.0.0.2", port)];
        assert_eq!(inherited.adopt(planned(&wanted)).len(), 2);
        assert!(inherited.socket(SocketAddr::new([127, 0, 0, 2].into(), port)).is_none());
    }
}
