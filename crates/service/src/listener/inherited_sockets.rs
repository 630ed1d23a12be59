//! Sockets that were bound before this program began (sd_listen_fds(3)).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rustix::net::sockopt::ipv6_v6only;
use tokio::net::TcpListener;

use super::plan::PlannedSite;

/// Sockets that a service manager bound; it keeps them, so they are lent for good.
#[derive(Debug, Default)]
pub(super) struct Inherited(Vec<Lent>);

#[derive(Debug)]
struct Lent {
    socket: std::net::TcpListener,
    address: SocketAddr,
    /// Bound to `::` and taking IPv4 as well, as systemd does unless `BindIPv6Only=ipv6-only`.
    takes_both: bool,
}

impl Inherited {
    /// Takes the sockets that listen; one that cannot be used is left alone.
    pub(super) fn new(sockets: Vec<std::net::TcpListener>) -> Self {
        let lent = sockets.into_iter().filter_map(|socket| {
            let read = || -> io::Result<(SocketAddr, bool)> {
                socket.set_nonblocking(true)?;
                let address = socket.local_addr()?;
                let takes_both = address.ip() == Ipv6Addr::UNSPECIFIED && !ipv6_v6only(&socket)?;
                Ok((address, takes_both))
            };
            match read() {
                Ok((address, takes_both)) => Some(Lent { socket, address, takes_both }),
                Err(error) => {
                    tracing::error!(%error, "A socket that was handed over cannot be used");
                    None
                }
            }
        });
        Self(lent.collect())
    }

    /// Puts every planned socket that an inherited one covers in its place.
    ///
    /// An inherited socket for all addresses covers each of them: a second one could not be bound beside it.
    pub(super) fn adopt(
        &self,
        planned: BTreeMap<SocketAddr, PlannedSite>,
    ) -> BTreeMap<SocketAddr, PlannedSite> {
        let mut adopted: BTreeMap<SocketAddr, PlannedSite> = BTreeMap::new();
        for (address, site) in planned {
            let place = self.0.iter().find(|lent| lent.covers(address)).map_or(address, |lent| lent.address);
            match adopted.get_mut(&place) {
                // Those of one port have one certificate.
                Some(there) => there.routes.extend(site.routes),
                None => {
                    adopted.insert(place, site);
                }
            }
        }
        adopted
    }

    /// The socket of an address, if it was inherited.
    pub(super) fn socket(&self, address: SocketAddr) -> Option<io::Result<TcpListener>> {
        let lent = self.0.iter().find(|lent| lent.address == address)?;
        Some(lent.socket.try_clone().and_then(TcpListener::from_std))
    }

    /// The addresses of all of them.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|lent| lent.address)
    }
}

impl Lent {
    fn covers(&self, address: SocketAddr) -> bool {
        let is_of_family = match address.ip() {
            IpAddr::V4(_) => self.address.is_ipv4() || self.takes_both,
            IpAddr::V6(_) => self.address.is_ipv6(),
        };
        let covers_ip = self.address.ip() == address.ip() || self.address.ip().is_unspecified();
        self.address.port() == address.port() && is_of_family && covers_ip
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::conflict::CertificateChoice;
    use super::*;

    fn inherited(address: &str) -> (Inherited, u16) {
        let socket = std::net::TcpListener::bind(address).unwrap();
        let port = socket.local_addr().unwrap().port();
        (Inherited::new(vec![socket]), port)
    }

    fn planned(addresses: &[(&str, u16)]) -> BTreeMap<SocketAddr, PlannedSite> {
        let site = |address: &(&str, u16)| {
            let address = SocketAddr::new(address.0.parse().unwrap(), address.1);
            (address, PlannedSite { certificate: CertificateChoice::None, routes: Vec::new() })
        };
        addresses.iter().map(site).collect()
    }

    #[test]
    fn a_socket_for_all_addresses_covers_each_of_its_family() {
        let (inherited, port) = inherited("0.0.0.0:0");
        let adopted = inherited.adopt(planned(&[("127.0.0.1", port), ("127.0.0.2", port), ("::1", port)]));
        let places: Vec<_> = adopted.keys().map(ToString::to_string).collect();
        assert_eq!(places, [format!("0.0.0.0:{port}"), format!("[::1]:{port}")]);
    }

    #[test]
    fn a_socket_of_ipv6_covers_ipv4_if_it_takes_it() {
        // The standard library leaves IPV6_V6ONLY as the system has it, which is off.
        let (inherited, port) = inherited("[::]:0");
        let adopted = inherited.adopt(planned(&[("0.0.0.0", port), ("::", port)]));
        assert_eq!(adopted.len(), if inherited.0[0].takes_both { 1 } else { 2 });
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
