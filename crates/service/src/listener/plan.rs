//! Which sockets the listeners of a configuration need: a decision without a socket.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use config::{AddressFilter, Hostname, ListenerAddress, Service, State};

use super::conflict::{CertificateChoice, PortConflict, Ports};
use super::interfaces::Interfaces;
use super::site::{Family, ListenerId, Route, Scope};

/// What is to be open.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Every listener in force that is enabled: that of policy, those of this machine in order, those of compatibility.
    pub(crate) listeners: Vec<Planned>,
    pub(crate) sockets: BTreeMap<SocketAddr, PlannedSite>,
}

/// One listener, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) id: ListenerId,
    pub(crate) port: u16,
    pub(crate) hostname: Hostname,
    pub(crate) certificate: CertificateChoice,
    pub(crate) outcome: Result<(), Unplaced>,
}

/// What is to be behind one socket.
#[derive(Debug)]
pub(crate) struct PlannedSite {
    pub(crate) certificate: CertificateChoice,
    pub(crate) routes: Vec<Route>,
}

/// Why a listener gets no socket at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unplaced {
    #[error(transparent)]
    Port(#[from] PortConflict),
    #[error("a policy forbids that other machines are served: AllowRemoteAccess is false")]
    Forbidden,
    #[error("IPv4Filter and IPv6Filter admit no address of this machine")]
    NothingAdmitted,
    #[error("no interface of this machine with an address has this hardware address")]
    NoInterface,
}

impl Plan {
    pub(crate) fn new(state: &State, interfaces: &Interfaces) -> Self {
        let service = &state.config.service;
        let in_force = state.listeners.in_force(service).into_iter();
        let all = in_force.filter(|listener| listener.enabled);

        let mut plan = Self::default();
        let mut ports = Ports::default();
        let mut places = Vec::new();
        for listener in all {
            let place = ports
                .claim(&listener, service)
                .map_err(Unplaced::from)
                .and_then(|()| Place::of(&listener, service, interfaces))
                .and_then(
                    |place| if service.allow_remote_access { Ok(place) } else { Err(Unplaced::Forbidden) },
                );
            plan.listeners.push(Planned {
                id: ListenerId { key: listener.key(), source: listener.source },
                port: listener.port.number(),
                hostname: listener.hostname.clone(),
                certificate: CertificateChoice::of(&listener, service),
                outcome: place.as_ref().map(|_| ()).map_err(Clone::clone),
            });
            places.extend(place.ok().map(|place| (listener, place)));
        }
        plan.sockets = sockets(&places, service, interfaces);
        plan
    }
}

/// The addresses of a listener, by family.
struct Place {
    v4: Option<Scope>,
    v6: Option<Scope>,
}

impl Place {
    fn of(listener: &config::Listener, service: &Service, interfaces: &Interfaces) -> Result<Self, Unplaced> {
        let only = |addresses: BTreeSet<IpAddr>| {
            let (v4, v6): (BTreeSet<_>, _) = addresses.into_iter().partition(IpAddr::is_ipv4);
            let scope = |addresses: BTreeSet<_>| (!addresses.is_empty()).then_some(Scope::Only(addresses));
            Self { v4: scope(v4), v6: scope(v6) }
        };
        let (place, reason) = match listener.address {
            ListenerAddress::Any => {
                let place =
                    Self { v4: admitted_v4(service, interfaces), v6: admitted_v6(service, interfaces) };
                (place, Unplaced::NothingAdmitted)
            }
            ListenerAddress::Ip(address) => (only([address].into()), Unplaced::NoInterface),
            ListenerAddress::Mac(mac) => {
                let own = interfaces.iter().filter(|local| local.mac == Some(mac)).map(|local| local.ip);
                (only(own.collect()), Unplaced::NoInterface)
            }
        };
        if place.v4.is_none() && place.v6.is_none() { Err(reason) } else { Ok(place) }
    }
}

fn admitted_v4(service: &Service, interfaces: &Interfaces) -> Option<Scope> {
    let listed = interfaces.iter().filter_map(|local| match local.ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    // Of the loopback network only one address is listed, and every other can be named.
    let named = match &service.ipv4_filter {
        AddressFilter::Ranges(ranges) => ranges.iter().collect(),
        _ => Vec::new(),
    };
    let named = named.into_iter().filter(|range| range.start() == range.end()).map(|range| *range.start());
    let candidates = listed.chain(named.filter(|ip| interfaces.is_loopback(*ip)));
    scope(Family::V4, &service.ipv4_filter, candidates)
}

fn admitted_v6(service: &Service, interfaces: &Interfaces) -> Option<Scope> {
    let listed = interfaces.iter().filter_map(|local| match local.ip {
        IpAddr::V6(ip) => Some(ip),
        IpAddr::V4(_) => None,
    });
    scope(Family::V6, &service.ipv6_filter, listed)
}

fn scope<A: config::Address + Into<IpAddr>>(
    family: Family,
    filter: &AddressFilter<A>,
    candidates: impl Iterator<Item = A>,
) -> Option<Scope> {
    if *filter == AddressFilter::Any {
        return Some(Scope::All(family));
    }
    let admitted: BTreeSet<IpAddr> =
        candidates.filter(|candidate| filter.admits(*candidate)).map(Into::into).collect();
    (!admitted.is_empty()).then_some(Scope::Only(admitted))
}

/// One socket for all addresses of a family where a listener wants all, else one for each address.
///
/// On a port with a socket for all addresses there can be no other, so listeners for single addresses share it.
fn sockets(
    places: &[(config::Listener, Place)],
    service: &Service,
    interfaces: &Interfaces,
) -> BTreeMap<SocketAddr, PlannedSite> {
    let mut sockets = BTreeMap::new();
    for family in [Family::V4, Family::V6] {
        let of_family = |place: &Place| match family {
            Family::V4 => place.v4.clone(),
            Family::V6 => place.v6.clone(),
        };
        let scopes: Vec<_> =
            places.iter().filter_map(|(listener, place)| Some((listener, of_family(place)?))).collect();
        let wildcards: BTreeSet<u16> = scopes
            .iter()
            .filter(|(_, scope)| matches!(scope, Scope::All(_)))
            .map(|(listener, _)| listener.port.number())
            .collect();
        for (listener, scope) in scopes {
            let port = listener.port.number();
            let addresses = match &scope {
                _ if wildcards.contains(&port) => vec![wildcard(family, port)],
                Scope::All(family) => vec![wildcard(*family, port)],
                Scope::Only(addresses) => {
                    addresses.iter().map(|ip| socket_address(*ip, port, interfaces)).collect()
                }
            };
            for address in addresses {
                let id = ListenerId { key: listener.key(), source: listener.source };
                let prefix = listener.url_prefix.clone();
                let site = sockets.entry(address).or_insert_with(|| PlannedSite {
                    certificate: CertificateChoice::of(listener, service),
                    routes: Vec::new(),
                });
                site.routes.push(Route { listener: id, scope: scope.clone(), prefix });
            }
        }
    }
    sockets
}

fn wildcard(family: Family, port: u16) -> SocketAddr {
    match family {
        Family::V4 => (Ipv4Addr::UNSPECIFIED, port).into(),
        Family::V6 => (Ipv6Addr::UNSPECIFIED, port).into(),
    }
}

fn socket_address(ip: IpAddr, port: u16, interfaces: &Interfaces) -> SocketAddr {
    match ip {
        IpAddr::V4(_) => SocketAddr::new(ip, port),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, interfaces.scope(ip)).into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::sync::Arc;

    use config::{Listener, ListenerKey, Port};

    use super::super::interfaces::LocalAddress;
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn interfaces() -> Interfaces {
        let local = |ip: &str, prefix, interface| LocalAddress {
            ip: ip.parse().unwrap(),
            prefix,
            interface,
            mac: (interface == 2).then_some(MAC),
            is_loopback: interface == 1,
        };
        Interfaces::of([
            local("127.0.0.1", 8, 1),
            local("::1", 128, 1),
            local("192.0.2.7", 24, 2),
            local("fe80::7", 64, 2),
            local("198.51.100.7", 24, 3),
        ])
    }

    fn plan(settings: &[(&str, &str)], listeners: &[(&str, &str, u32)]) -> Plan {
        let mut state = State::default();
        let mut config = config::Config::default();
        for (name, value) in settings {
            config.set(name, value).unwrap();
        }
        for (address, transport, port) in listeners {
            let key = ListenerKey::parse(address, transport).unwrap();
            let mut listener = Listener::new(key, &config.service);
            listener.port = Port::new(*port).unwrap();
            state.listeners.create(listener).unwrap();
        }
        state.config = Arc::new(config);
        Plan::new(&state, &interfaces())
    }

    fn sockets(plan: &Plan) -> Vec<String> {
        plan.sockets.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn without_filters_one_socket_of_each_family_is_enough() {
        assert_eq!(sockets(&plan(&[], &[("*", "HTTP", 5985)])), ["0.0.0.0:5985", "[::]:5985"]);
    }

    #[test]
    fn a_filter_leaves_the_addresses_of_this_machine_that_it_admits() {
        let filters =
            [("Service.IPv4Filter", "192.0.2.0-198.51.100.255"), ("Service.IPv6Filter", "fe80::-febf::")];
        let plan = plan(&filters, &[("*", "HTTP", 5985)]);
        assert_eq!(sockets(&plan), ["192.0.2.7:5985", "198.51.100.7:5985", "[fe80::7%2]:5985"]);
    }

    #[test]
    fn a_filter_of_one_family_leaves_the_other_alone() {
        let only_v6 = plan(&[("Service.IPv4Filter", "")], &[("*", "HTTP", 5985)]);
        assert_eq!(sockets(&only_v6), ["[::]:5985"]);
        let neither = plan(&[("Service.IPv4Filter", ""), ("Service.IPv6Filter", "")], &[("*", "HTTP", 5985)]);
        assert_eq!(neither.listeners[0].outcome, Err(Unplaced::NothingAdmitted));
    }

    #[test]
    fn an_address_of_the_loopback_network_can_be_named_although_it_is_not_listed() {
        let filters = [("Service.IPv4Filter", "127.0.0.2,192.0.2.8"), ("Service.IPv6Filter", "")];
        assert_eq!(sockets(&plan(&filters, &[("*", "HTTP", 5985)])), ["127.0.0.2:5985"]);
    }

    #[test]
    fn a_hardware_address_stands_for_the_addresses_of_its_interface() {
        let found = plan(&[], &[("MAC:02-00-00-00-00-01", "HTTP", 5985)]);
        assert_eq!(sockets(&found), ["192.0.2.7:5985", "[fe80::7%2]:5985"]);
        let unknown = plan(&[], &[("MAC:02-00-00-00-00-02", "HTTP", 5985)]);
        assert_eq!(unknown.listeners[0].outcome, Err(Unplaced::NoInterface));
    }

    #[test]
    fn listeners_of_one_port_share_the_socket_for_all_addresses() {
        let plan =
            plan(&[], &[("IP:192.0.2.7", "HTTP", 5985), ("*", "HTTP", 5985), ("IP:::1", "HTTP", 6000)]);
        assert_eq!(sockets(&plan), ["0.0.0.0:5985", "[::]:5985", "[::1]:6000"]);
        let site = &plan.sockets[&"0.0.0.0:5985".parse().unwrap()];
        let covered = |ip: &str| {
            let ip = ip.parse().unwrap();
            site.routes.iter().filter(|route| route.scope.covers(ip)).count()
        };
        assert_eq!((covered("192.0.2.7"), covered("127.0.0.1")), (2, 1));
    }

    #[test]
    fn compatibility_listeners_stand_beside_the_others_with_ports_of_their_own() {
        let on = [
            ("Service.EnableCompatibilityHttpListener", "true"),
            ("Service.EnableCompatibilityHttpsListener", "true"),
            ("Service.IPv6Filter", ""),
        ];
        assert_eq!(
            sockets(&plan(&on, &[("*", "HTTP", 5985)])),
            ["0.0.0.0:80", "0.0.0.0:443", "0.0.0.0:5985"]
        );
    }

    #[test]
    fn of_two_listeners_in_conflict_the_first_keeps_the_port() {
        let plan = plan(&[], &[("IP:127.0.0.1", "HTTP", 5985), ("IP:127.0.0.2", "HTTPS", 5985)]);
        assert_eq!(sockets(&plan), ["127.0.0.1:5985"]);
        assert!(matches!(plan.listeners[1].outcome, Err(Unplaced::Port(PortConflict::Transport { .. }))));
    }
}
