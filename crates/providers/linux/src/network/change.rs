//! What is changed of a link: by networkd where that looks after it, or in the kernel, until the machine restarts.

use std::io;
use std::net::IpAddr;

use super::address::Address;
use super::link::Link;
use super::netlink::{Body, Kind, change, family};
use super::networkd::{self, Profile};
use super::resolver::{self, Resolver};
use super::route::Route;
use crate::Machine;

/// Whether a link is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    On,
    Off,
}

/// Switches a link on or off.
///
/// # Errors
/// What the kernel says.
pub(super) fn switch(link: &Link, power: Power) -> io::Result<()> {
    // IFF_UP.
    let flags = u32::from(power == Power::On);
    change(Kind::SetLink, &Body::new(&link_header(link, flags, 1)))
}

/// Gives a link another longest packet, in octets.
///
/// # Errors
/// What the kernel says.
pub(super) fn set_longest_packet(link: &Link, octets: u32) -> io::Result<()> {
    change(Kind::SetLink, &Body::new(&link_header(link, 0, 0)).with(4, &octets.to_ne_bytes()))
}

/// Whether whoever is outside reaches the machine by this link only, so that it must stay.
pub(super) fn is_way_out(machine: &Machine, link: &Link) -> bool {
    let defaults: Vec<Route> = Route::all(machine).into_iter().filter(Route::is_default).collect();
    !defaults.is_empty() && defaults.iter().all(|route| route.link == link.index)
}

/// Gives a link other addresses, of those families of which there is one.
///
/// # Errors
/// What kept it from having them.
pub(super) fn set_addresses(machine: &Machine, link: &Link, wanted: &[(IpAddr, u8)]) -> io::Result<()> {
    let concerns = |address: &IpAddr| wanted.iter().any(|(one, _)| one.is_ipv4() == address.is_ipv4());
    if networkd::manages(machine, link) {
        let before = profile(machine, link);
        let kept = before.addresses.into_iter().filter(|(address, _)| !concerns(address));
        let addresses = wanted.iter().copied().chain(kept).collect();
        return networkd::apply(machine, link, &Profile { dhcp: false, addresses, ..before });
    }
    let routes: Vec<Route> = Route::all(machine)
        .into_iter()
        .filter(|route| route.link == link.index && route.gateway.is_some())
        .collect();
    let add = || {
        wanted
            .iter()
            .try_for_each(|(address, prefix)| change_address(Kind::NewAddress, link, *address, *prefix))
    };
    add()?;
    for old in Address::all(machine).into_iter().filter(|old| old.link == link.index && old.scope == 0) {
        if concerns(&old.address) && !wanted.contains(&(old.address, old.prefix)) {
            change_address(Kind::DeleteAddress, link, old.address, old.prefix)?;
        }
    }
    // With the first address of a network its others may have gone, and with these the ways through it.
    add()?;
    for route in routes {
        // A gateway that is not in any network of the link any more cannot be used.
        let _ = change_route(Kind::NewRoute, &route);
    }
    Ok(())
}

/// Gives a link other gateways for what is elsewhere, of those families of which there is one.
///
/// # Errors
/// What kept it from having them.
pub(super) fn set_gateways(
    machine: &Machine,
    link: &Link,
    wanted: &[(IpAddr, Option<u32>)],
) -> io::Result<()> {
    if networkd::manages(machine, link) {
        return networkd::apply(
            machine,
            link,
            &Profile { gateways: wanted.to_vec(), ..profile(machine, link) },
        );
    }
    let routes = wanted.iter().map(|(gateway, metric)| Route {
        network: *gateway,
        prefix: 0,
        gateway: Some(*gateway),
        link: link.index,
        metric: metric.unwrap_or_default(),
        protocol: STATIC,
    });
    let routes: Vec<Route> = routes.collect();
    routes.iter().try_for_each(|route| change_route(Kind::NewRoute, route))?;
    let is_wanted =
        |old: &Route| routes.iter().any(|route| route.gateway == old.gateway && route.metric == old.metric);
    let concerns = |old: &Route| {
        wanted.is_empty() || wanted.iter().any(|(one, _)| one.is_ipv4() == old.network.is_ipv4())
    };
    for old in Route::all(machine).into_iter().filter(|old| old.link == link.index && old.is_default()) {
        if concerns(&old) && !is_wanted(&old) {
            change_route(Kind::DeleteRoute, &old)?;
        }
    }
    Ok(())
}

/// Asks other servers for names.
///
/// # Errors
/// What kept it from doing so.
pub(super) fn set_resolver(
    machine: &Machine,
    link: Option<&Link>,
    servers: Option<&[String]>,
    search: Option<&[String]>,
) -> io::Result<()> {
    match link.filter(|link| networkd::manages(machine, link)) {
        Some(link) => {
            let mut after = profile(machine, link);
            if let Some(servers) = servers {
                after.servers = servers.to_vec();
            }
            if let Some(search) = search {
                after.search = search.to_vec();
            }
            networkd::apply(machine, link, &after)
        }
        None => resolver::rewrite(machine, servers, search),
    }
}

/// Has a link ask a server of DHCP, from now on.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] if nobody looks after the link who could.
pub(super) fn enable_dhcp(machine: &Machine, link: &Link) -> io::Result<()> {
    if !networkd::manages(machine, link) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    networkd::apply(machine, link, &Profile { dhcp: true, ..Profile::default() })
}

/// What a link has now, so that it can keep what is not changed.
fn profile(machine: &Machine, link: &Link) -> Profile {
    let own = |address: &Address| address.link == link.index && address.is_permanent && address.scope == 0;
    let addresses: Vec<Address> =
        Address::all(machine).into_iter().filter(|one| one.link == link.index).collect();
    let gateways =
        Route::all(machine).into_iter().filter(|route| route.link == link.index && route.is_default());
    let resolver = Resolver::of_link(machine, link).unwrap_or_default();
    Profile {
        dhcp: addresses.iter().any(|address| address.address.is_ipv4() && !address.is_permanent),
        addresses: addresses.iter().filter(|one| own(one)).map(|one| (one.address, one.prefix)).collect(),
        gateways: gateways
            .filter_map(|route| Some((route.gateway?, Some(route.metric).filter(|metric| *metric > 0))))
            .collect(),
        servers: resolver.servers,
        search: resolver.search,
    }
}

/// Who has made a route: the administrator (`RTPROT_STATIC`).
const STATIC: u8 = 4;

fn change_address(kind: Kind, link: &Link, address: IpAddr, prefix: u8) -> io::Result<()> {
    let mut header = vec![family(address), prefix, 0, 0];
    header.extend(link.index.to_ne_bytes());
    // IFA_LOCAL and IFA_ADDRESS.
    change(kind, &Body::new(&header).with_address(2, address).with_address(1, address))
}

fn change_route(kind: Kind, route: &Route) -> io::Result<()> {
    // Main table, everywhere, one receiver.
    let header = [family(route.network), route.prefix, 0, 0, 254, route.protocol, 0, 1, 0, 0, 0, 0];
    let mut body = Body::new(&header).with(4, &route.link.to_ne_bytes()).with(6, &route.metric.to_ne_bytes());
    if route.prefix > 0 {
        body = body.with_address(1, route.network);
    }
    if let Some(gateway) = route.gateway {
        body = body.with_address(5, gateway);
    }
    change(kind, &body)
}

/// The fixed part of what is said about a link (`struct ifinfomsg`).
fn link_header(link: &Link, flags: u32, which: u32) -> Vec<u8> {
    [0, link.index, flags, which].into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// How methods of adapters say what happened: as Windows numbers errors (MS-ERREF 2.2).
pub(super) fn windows_code(result: &io::Result<()>) -> u32 {
    match result {
        Ok(()) => 0,
        // ERROR_ACCESS_DENIED, ERROR_NOT_FOUND, ERROR_GEN_FAILURE.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => 5,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 1168,
        Err(_) => 31,
    }
}

/// How methods of configurations say it (`Win32_NetworkAdapterConfiguration`).
pub(super) fn configuration_code(result: &io::Result<()>) -> u32 {
    match result.as_ref().map_err(io::Error::kind) {
        Ok(()) => 0,
        Err(io::ErrorKind::PermissionDenied) => 91,
        Err(io::ErrorKind::Unsupported) => 64,
        Err(io::ErrorKind::InvalidInput) => 68,
        Err(io::ErrorKind::NotFound) => 94,
        Err(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => 71,
        Err(_) => 65,
    }
}
