//! Plan of the sockets that the configured listeners need. Opens no socket.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use config::{AddressFilter, Hostname, ListenerAddress, Service, State};

use super::conflict::{CertificateChoice, PortConflict, Ports};
use super::interfaces::Interfaces;
use crate::endpoint::{AddressScope, EndpointListener, Family, ListenerId};

/// The sockets to open.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// All enabled listeners: those of policies, those of this machine in order, and compatibility listeners.
    pub(crate) listeners: Vec<PlannedListener>,
    pub(crate) sockets: BTreeMap<SocketAddr, PlannedEndpoint>,
}

/// A listener and whether it gets a socket.
#[derive(Debug)]
pub(crate) struct PlannedListener {
    pub(crate) id: ListenerId,
    pub(crate) port: u16,
    pub(crate) hostname: Hostname,
    pub(crate) certificate: CertificateChoice,
    pub(crate) outcome: Result<(), PlanError>,
}

/// The listeners that share one socket.
#[derive(Debug)]
pub(crate) struct PlannedEndpoint {
    pub(crate) certificate: CertificateChoice,
    pub(crate) listeners: Vec<EndpointListener>,
}

/// Reason why a listener gets no socket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    #[error(transparent)]
    Port(#[from] PortConflict),
    #[error("remote access is disabled by a policy of this machine (AllowRemoteAccess is false)")]
    Forbidden,
    #[error("IPv4Filter and IPv6Filter exclude all addresses of this machine")]
    NothingAdmitted,
    #[error("IPv4Filter and IPv6Filter exclude the addresses of this listener")]
    Excluded,
    #[error("no interface with an address has this hardware address")]
    NoInterface,
}

impl Plan {
    pub(crate) fn new(state: &State, interfaces: &Interfaces) -> Self {
        let service = &state.config.service;
        let in_force = state.listeners.in_force(service).into_iter();

        let mut plan = Self::default();
        let mut ports = Ports::default();
        let mut placed = Vec::new();
        for listener in in_force.filter(|listener| listener.enabled) {
            let scopes = assign(&listener, &mut ports, service, interfaces);
            plan.listeners.push(PlannedListener {
                id: ListenerId { key: listener.key(), source: listener.source },
                port: listener.port.number(),
                hostname: listener.hostname.clone(),
                certificate: CertificateChoice::of(&listener, service),
                outcome: scopes.as_ref().map(|_| ()).map_err(Clone::clone),
            });
            placed.extend(scopes.ok().map(|scopes| (listener, scopes)));
        }
        plan.sockets = sockets(&placed, service, interfaces);
        plan
    }
}

/// Assigns a listener its port and its addresses.
fn assign(
    listener: &config::Listener,
    ports: &mut Ports,
    service: &Service,
    interfaces: &Interfaces,
) -> Result<ListenerScopes, PlanError> {
    ports.claim(listener, service)?;
    let scopes = ListenerScopes::of(listener, service, interfaces)?;
    if service.allow_remote_access { Ok(scopes) } else { Err(PlanError::Forbidden) }
}

/// The addresses of a listener, by family.
struct ListenerScopes {
    v4: Option<AddressScope>,
    v6: Option<AddressScope>,
}

impl ListenerScopes {
    fn of(
        listener: &config::Listener,
        service: &Service,
        interfaces: &Interfaces,
    ) -> Result<Self, PlanError> {
        let (scopes, reason) = match listener.address {
            ListenerAddress::Any => {
                let (v4, v6) = (admitted_v4(service, interfaces), admitted_v6(service, interfaces));
                (Self { v4, v6 }, PlanError::NothingAdmitted)
            }
            ListenerAddress::Ip(address) => (Self::admitted([address], service), PlanError::Excluded),
            ListenerAddress::Mac(mac) => {
                let own = || interfaces.iter().filter(|local| local.mac == Some(mac)).map(|local| local.ip);
                let reason =
                    if own().next().is_some() { PlanError::Excluded } else { PlanError::NoInterface };
                (Self::admitted(own(), service), reason)
            }
        };
        if scopes.v4.is_none() && scopes.v6.is_none() { Err(reason) } else { Ok(scopes) }
    }

    /// Returns those of the addresses that the filters admit.
    fn admitted(addresses: impl IntoIterator<Item = IpAddr>, service: &Service) -> Self {
        let admitted = addresses.into_iter().filter(|address| match address {
            IpAddr::V4(address) => service.ipv4_filter.admits(*address),
            IpAddr::V6(address) => service.ipv6_filter.admits(*address),
        });
        let (v4, v6): (BTreeSet<_>, BTreeSet<_>) = admitted.partition(IpAddr::is_ipv4);
        let [v4, v6] =
            [v4, v6].map(|addresses| (!addresses.is_empty()).then_some(AddressScope::Only(addresses)));
        Self { v4, v6 }
    }

    fn of_family(&self, family: Family) -> Option<&AddressScope> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }
}

/// Returns whether the filters admit at least one of the addresses.
pub(crate) fn filters_admit_any(service: &Service, interfaces: &Interfaces) -> bool {
    let scopes = [admitted_v4(service, interfaces), admitted_v6(service, interfaces)];
    let admitted = |scope: &AddressScope| scope.listed(interfaces.iter().map(|local| local.ip));
    scopes.iter().flatten().any(|scope| !admitted(scope).is_empty())
}

fn admitted_v4(service: &Service, interfaces: &Interfaces) -> Option<AddressScope> {
    let listed = interfaces.iter().filter_map(|local| match local.ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    // The kernel lists only one address of the loopback network, but the filter may name any other.
    let named = match &service.ipv4_filter {
        AddressFilter::Ranges(ranges) => ranges.iter().collect(),
        _ => Vec::new(),
    };
    let named = named.into_iter().filter(|range| range.start() == range.end()).map(|range| *range.start());
    let candidates = listed.chain(named.filter(|ip| interfaces.is_loopback(*ip)));
    scope(Family::V4, &service.ipv4_filter, candidates)
}

fn admitted_v6(service: &Service, interfaces: &Interfaces) -> Option<AddressScope> {
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
) -> Option<AddressScope> {
    if *filter == AddressFilter::Any {
        return Some(AddressScope::All(family));
    }
    let admitted: BTreeSet<IpAddr> =
        candidates.filter(|candidate| filter.admits(*candidate)).map(Into::into).collect();
    (!admitted.is_empty()).then_some(AddressScope::Only(admitted))
}

/// Returns the sockets: one for all addresses of a family if a listener needs all, otherwise one for each address.
///
/// No other socket can share a port with one for all addresses, so listeners for single addresses share that socket.
fn sockets(
    placed: &[(config::Listener, ListenerScopes)],
    service: &Service,
    interfaces: &Interfaces,
) -> BTreeMap<SocketAddr, PlannedEndpoint> {
    let mut sockets = BTreeMap::new();
    for family in [Family::V4, Family::V6] {
        let scopes: Vec<_> = placed
            .iter()
            .filter_map(|(listener, scopes)| Some((listener, scopes.of_family(family)?.clone())))
            .collect();
        let wildcards: BTreeSet<u16> = scopes
            .iter()
            .filter(|(_, scope)| matches!(scope, AddressScope::All(_)))
            .map(|(listener, _)| listener.port.number())
            .collect();
        for (listener, scope) in scopes {
            let port = listener.port.number();
            let addresses = match &scope {
                _ if wildcards.contains(&port) => vec![wildcard(family, port)],
                AddressScope::All(family) => vec![wildcard(*family, port)],
                AddressScope::Only(addresses) => {
                    addresses.iter().map(|ip| socket_address(*ip, port, interfaces)).collect()
                }
            };
            for address in addresses {
                let id = ListenerId { key: listener.key(), source: listener.source };
                let prefix = listener.url_prefix.clone();
                let endpoint = sockets.entry(address).or_insert_with(|| PlannedEndpoint {
                    certificate: CertificateChoice::of(listener, service),
                    listeners: Vec::new(),
                });
                let balancers = listener.trusted_balancers.clone();
                endpoint.listeners.push(EndpointListener { id, scope: scope.clone(), prefix, balancers });
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
    fn a_filter_selects_addresses_of_this_machine() {
        let filters =
            [("Service.IPv4Filter", "192.0.2.0-198.51.100.255"), ("Service.IPv6Filter", "fe80::-febf::")];
        let plan = plan(&filters, &[("*", "HTTP", 5985)]);
        assert_eq!(sockets(&plan), ["192.0.2.7:5985", "198.51.100.7:5985", "[fe80::7%2]:5985"]);
    }

    #[test]
    fn a_filter_of_one_family_does_not_affect_the_other() {
        let only_v6 = plan(&[("Service.IPv4Filter", "")], &[("*", "HTTP", 5985)]);
        assert_eq!(sockets(&only_v6), ["[::]:5985"]);
        let neither = plan(&[("Service.IPv4Filter", ""), ("Service.IPv6Filter", "")], &[("*", "HTTP", 5985)]);
        assert_eq!(neither.listeners[0].outcome, Err(PlanError::NothingAdmitted));
    }

    #[test]
    fn filters_apply_to_every_kind_of_listener() {
        let filters = [("Service.IPv4Filter", "192.0.2.0-192.0.2.255"), ("Service.IPv6Filter", "")];
        let listeners = [
            ("IP:192.0.2.7", "HTTP", 5985),
            ("IP:198.51.100.7", "HTTP", 5985),
            ("IP:127.0.0.1", "HTTP", 5985),
            ("IP:::1", "HTTP", 5985),
            ("MAC:02-00-00-00-00-01", "HTTP", 6000),
        ];
        let found = plan(&filters, &listeners);
        assert_eq!(sockets(&found), ["192.0.2.7:5985", "192.0.2.7:6000"]);
        let excluded: Vec<_> =
            found.listeners.iter().map(|listener| listener.outcome == Err(PlanError::Excluded)).collect();
        assert_eq!(excluded, [false, true, true, true, false]);
        let nothing = plan(&[("Service.IPv4Filter", "10.0.0.1"), filters[1]], &[listeners[4]]);
        assert_eq!(nothing.listeners[0].outcome, Err(PlanError::Excluded));
    }

    #[test]
    fn filters_are_useful_if_they_admit_an_address_of_the_machine() {
        let admit = |v4: &str, v6: &str| {
            let mut config = config::Config::default();
            config.set("Service.IPv4Filter", v4).unwrap();
            config.set("Service.IPv6Filter", v6).unwrap();
            filters_admit_any(&config.service, &interfaces())
        };
        for (v4, v6) in [("*", ""), ("", "*"), ("192.0.2.7", ""), ("127.0.0.9", ""), ("10.0.0.1", "::1")] {
            assert!(admit(v4, v6), "{v4} {v6}");
        }
        for (v4, v6) in [("", ""), ("192.168.0.0", ""), ("192.0.2.8", "2001:db8::-2001:db8::9")] {
            assert!(!admit(v4, v6), "{v4} {v6}");
        }
        let v4_only = Interfaces::of(interfaces().iter().filter(|local| local.ip.is_ipv4()).copied());
        let mut config = config::Config::default();
        config.set("Service.IPv4Filter", "10.0.0.1").unwrap();
        assert!(!filters_admit_any(&config.service, &v4_only), "no IPv6 address is left");
    }

    #[test]
    fn a_loopback_address_can_be_named_without_being_listed() {
        let filters = [("Service.IPv4Filter", "127.0.0.2,192.0.2.8"), ("Service.IPv6Filter", "")];
        assert_eq!(sockets(&plan(&filters, &[("*", "HTTP", 5985)])), ["127.0.0.2:5985"]);
    }

    #[test]
    fn a_hardware_address_selects_the_addresses_of_its_interface() {
        let found = plan(&[], &[("MAC:02-00-00-00-00-01", "HTTP", 5985)]);
        assert_eq!(sockets(&found), ["192.0.2.7:5985", "[fe80::7%2]:5985"]);
        let unknown = plan(&[], &[("MAC:02-00-00-00-00-02", "HTTP", 5985)]);
        assert_eq!(unknown.listeners[0].outcome, Err(PlanError::NoInterface));
    }

    #[test]
    fn listeners_on_one_port_share_the_socket_for_all_addresses() {
        let plan =
            plan(&[], &[("IP:192.0.2.7", "HTTP", 5985), ("*", "HTTP", 5985), ("IP:::1", "HTTP", 6000)]);
        assert_eq!(sockets(&plan), ["0.0.0.0:5985", "[::]:5985", "[::1]:6000"]);
        let endpoint = &plan.sockets[&"0.0.0.0:5985".parse().unwrap()];
        let covered = |ip: &str| {
            let ip = ip.parse().unwrap();
            endpoint.listeners.iter().filter(|listener| listener.scope.covers(ip)).count()
        };
        assert_eq!((covered("192.0.2.7"), covered("127.0.0.1")), (2, 1));
    }

    #[test]
    fn compatibility_listeners_use_their_own_ports() {
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
    fn the_first_of_two_conflicting_listeners_keeps_the_port() {
        let plan = plan(&[], &[("IP:127.0.0.1", "HTTP", 5985), ("IP:127.0.0.2", "HTTPS", 5985)]);
        assert_eq!(sockets(&plan), ["127.0.0.1:5985"]);
        assert!(matches!(plan.listeners[1].outcome, Err(PlanError::Port(PortConflict::Transport { .. }))));
    }
}
