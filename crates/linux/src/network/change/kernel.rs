//! Changes in the kernel.

use std::io;
use std::net::IpAddr;

use crate::Machine;
use crate::network::address::Address;
use crate::network::link::Link;
use crate::network::netlink::{Body, Kind, change, family};
use crate::network::route::Route;

/// Administrative state of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// The link is up.
    On,
    /// The link is down.
    Off,
}

/// Sets a link up or down.
///
/// # Errors
/// Errors of the kernel.
pub fn switch(link: &Link, power: Power) -> io::Result<()> {
    // IFF_UP.
    let flags = u32::from(power == Power::On);
    change(Kind::SetLink, &Body::new(&link_header(link, flags, 1)))
}

/// Sets the MTU of a link in bytes.
///
/// # Errors
/// Errors of the kernel.
pub fn set_longest_packet(link: &Link, octets: u32) -> io::Result<()> {
    change(Kind::SetLink, &Body::new(&link_header(link, 0, 0)).with(4, &octets.to_ne_bytes()))
}

/// Returns whether all default routes use this link, so that the machine could become unreachable without it.
pub fn is_way_out(machine: &Machine, link: &Link) -> bool {
    let defaults: Vec<Route> = Route::all(machine).into_iter().filter(Route::is_default).collect();
    !defaults.is_empty() && defaults.iter().all(|route| route.link == link.index)
}

/// Changes lifetime or prefix length of an address in the kernel.
///
/// # Errors
/// Errors of the kernel.
pub fn alter_address(link: &Link, before: &Address, after: &Address) -> io::Result<()> {
    if before.prefix == after.prefix {
        return put_address(link, after);
    }
    // An IPv6 address can exist only once on a link, whatever its prefix length.
    change_address(Kind::DeleteAddress, link, before.address, before.prefix)?;
    put_address(link, after).or_else(|error| put_address(link, before).and(Err(error)))
}

pub(super) fn put_address(link: &Link, address: &Address) -> io::Result<()> {
    // IFA_CACHEINFO (`struct ifa_cacheinfo`).
    let lifetimes = [address.preferred, address.valid, 0, 0].into_iter().flat_map(u32::to_ne_bytes);
    let body = address_body(link, address.address, address.prefix);
    change(Kind::NewAddress, &body.with(6, &lifetimes.collect::<Vec<_>>()))
}

pub(super) fn default_route(link: &Link, gateway: IpAddr, metric: u32) -> Route {
    let (network, link) = (gateway, link.index);
    Route { network, prefix: 0, gateway: Some(gateway), link, metric, protocol: STATIC, valid: None }
}

/// Adds a route in the kernel.
///
/// # Errors
/// Errors of the kernel.
pub fn add_route(route: &Route) -> io::Result<()> {
    change_route(Kind::NewRoute, route)
}

/// Removes a route from the kernel.
///
/// # Errors
/// Errors of the kernel.
pub fn remove_route(route: &Route) -> io::Result<()> {
    change_route(Kind::DeleteRoute, route)
}

/// Sets a link down and up again, and restores its addresses and routes.
///
/// # Errors
/// Errors of the kernel.
pub fn restart(machine: &Machine, link: &Link) -> io::Result<()> {
    interrupted(machine, link, || Ok(()))
}

/// Renames a link.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for an invalid name; [`io::ErrorKind::ResourceBusy`] if the link would
/// have to be set down for it but must stay up; and errors of the kernel.
pub fn rename(machine: &Machine, link: &Link, name: &str) -> io::Result<()> {
    // IFNAMSIZ, and characters rejected by `dev_valid_name` of the kernel.
    let is_odd =
        |octet: u8| octet.is_ascii_whitespace() || octet.is_ascii_control() || matches!(octet, b'/' | b':');
    if name.is_empty() || name.len() > 15 || matches!(name, "." | "..") || name.bytes().any(is_odd) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // IFLA_IFNAME.
    let body = Body::new(&link_header(link, 0, 0)).with(3, &[name.as_bytes(), b"\0"].concat());
    match change(Kind::SetLink, &body) {
        // Older kernels and some drivers can rename a link only while it is down.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy && !is_way_out(machine, link) => {
            interrupted(machine, link, || change(Kind::SetLink, &body))
        }
        result => result,
    }
}

/// Runs a function while a link is down.
fn interrupted(machine: &Machine, link: &Link, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let routes: Vec<Route> = Route::all(machine)
        .into_iter()
        .filter(|route| route.link == link.index && !matches!(route.protocol, BY_KERNEL | BY_ROUTER))
        .collect();
    // IPv4 addresses are kept by the kernel.
    let addresses: Vec<Address> = Address::all(machine)
        .into_iter()
        .filter(|one| one.link == link.index && one.address.is_ipv6() && one.is_permanent && one.scope == 0)
        .collect();
    switch(link, Power::Off)?;
    let done = act();
    switch(link, Power::On)?;
    // The managing service may already have restored them.
    for address in &addresses {
        let _ = put_address(link, address);
    }
    for route in &routes {
        let _ = change_route(Kind::NewRoute, route);
    }
    done
}

/// Origin of a route: administrator (`RTPROT_STATIC`).
pub const STATIC: u8 = 4;

/// Origins of routes: the kernel for an address (`RTPROT_KERNEL`), and a router advertisement (`RTPROT_RA`).
const BY_KERNEL: u8 = 2;
const BY_ROUTER: u8 = 9;

pub(super) fn change_address(kind: Kind, link: &Link, address: IpAddr, prefix: u8) -> io::Result<()> {
    change(kind, &address_body(link, address, prefix))
}

fn address_body(link: &Link, address: IpAddr, prefix: u8) -> Body {
    let mut header = vec![family(address), prefix, 0, 0];
    header.extend(link.index.to_ne_bytes());
    // IFA_LOCAL and IFA_ADDRESS.
    Body::new(&header).with_address(2, address).with_address(1, address)
}

pub(super) fn change_route(kind: Kind, route: &Route) -> io::Result<()> {
    // Main table, universal scope, unicast.
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

/// Returns the fixed part of a link message (`struct ifinfomsg`).
fn link_header(link: &Link, flags: u32, which: u32) -> Vec<u8> {
    [0, link.index, flags, which].into_iter().flat_map(u32::to_ne_bytes).collect()
}
