//! What is changed of a link: by networkd or NetworkManager where one of them looks after it, or in the kernel, until
//! the machine restarts.

use std::io;
use std::net::IpAddr;

use super::address::Address;
use super::link::Link;
use super::netlink::{Body, Kind, change, family};
use super::profile::Profile;
use super::resolver::{self, Resolver};
use super::route::Route;
use super::{network_manager, networkd};
use crate::Machine;

/// Who looks after a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    Networkd,
    NetworkManager,
}

impl Keeper {
    /// The one of a link; `None` if the kernel alone knows it.
    pub(super) fn of(machine: &Machine, link: &Link) -> Option<Self> {
        let networkd = || networkd::manages(machine, link).then_some(Self::Networkd);
        networkd().or_else(|| network_manager::manages(machine, link).then_some(Self::NetworkManager))
    }

    fn apply(self, machine: &Machine, link: &Link, profile: &Profile) -> io::Result<()> {
        match self {
            Self::Networkd => networkd::apply(machine, link, profile),
            Self::NetworkManager => network_manager::apply(machine, link, profile),
        }
    }

    /// Has it ask for the lease of a link again.
    ///
    /// # Errors
    /// What kept it from doing so.
    pub(super) fn renew(self, machine: &Machine, link: &Link) -> io::Result<()> {
        match self {
            Self::Networkd => networkd::renew(link),
            Self::NetworkManager => network_manager::renew(machine, link),
        }
    }

    /// What a link has now, so that it can keep what is not changed.
    fn profile(self, machine: &Machine, link: &Link) -> io::Result<Profile> {
        let own =
            |address: &Address| address.link == link.index && address.is_permanent && address.scope == 0;
        let addresses: Vec<Address> =
            Address::all(machine).into_iter().filter(|one| one.link == link.index).collect();
        let gateways =
            Route::all(machine).into_iter().filter(|route| route.link == link.index && route.is_default());
        let (servers, search) = match self {
            Self::Networkd => {
                let resolver = Resolver::of_link(machine, link).unwrap_or_default();
                (resolver.servers, resolver.search)
            }
            Self::NetworkManager => network_manager::resolver(machine, link)?,
        };
        Ok(Profile {
            dhcp: addresses.iter().any(|address| address.address.is_ipv4() && !address.is_permanent),
            addresses: addresses.iter().filter(|one| own(one)).map(|one| (one.address, one.prefix)).collect(),
            gateways: gateways
                .filter_map(|route| Some((route.gateway?, Some(route.metric).filter(|metric| *metric > 0))))
                .collect(),
            servers,
            search,
        })
    }
}

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
    if let Some(keeper) = Keeper::of(machine, link) {
        let before = keeper.profile(machine, link)?;
        let kept = before.addresses.into_iter().filter(|(address, _)| !concerns(address));
        let addresses = wanted.iter().copied().chain(kept).collect();
        return keeper.apply(machine, link, &Profile { dhcp: false, addresses, ..before });
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
    if let Some(keeper) = Keeper::of(machine, link) {
        let before = keeper.profile(machine, link)?;
        return keeper.apply(machine, link, &Profile { gateways: wanted.to_vec(), ..before });
    }
    let route =
        |(gateway, metric): &(IpAddr, Option<u32>)| default_route(link, *gateway, metric.unwrap_or_default());
    let routes: Vec<Route> = wanted.iter().map(route).collect();
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
    match link.and_then(|link| Some((link, Keeper::of(machine, link)?))) {
        Some((link, keeper)) => {
            let mut after = keeper.profile(machine, link)?;
            if let Some(servers) = servers {
                after.servers = servers.to_vec();
            }
            if let Some(search) = search {
                after.search = search.to_vec();
            }
            keeper.apply(machine, link, &after)
        }
        None => resolver::rewrite(machine, servers, search),
    }
}

/// Has a link ask a server of DHCP, from now on.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] if nobody looks after the link who could.
pub(super) fn enable_dhcp(machine: &Machine, link: &Link) -> io::Result<()> {
    let keeper = Keeper::of(machine, link).ok_or(io::ErrorKind::Unsupported)?;
    keeper.apply(machine, link, &Profile { dhcp: true, ..Profile::default() })
}

/// Has a link ask no server of DHCP any more; what it was lent it has from now on for good.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] if nobody looks after the link.
pub(super) fn disable_dhcp(machine: &Machine, link: &Link) -> io::Result<()> {
    let keeper = Keeper::of(machine, link).ok_or(io::ErrorKind::Unsupported)?;
    let mut after = keeper.profile(machine, link)?;
    let lent = Address::all(machine)
        .into_iter()
        .filter(|one| one.link == link.index && one.address.is_ipv4() && !one.is_permanent && one.scope == 0);
    after.addresses.extend(lent.map(|one| (one.address, one.prefix)));
    after.dhcp = false;
    keeper.apply(machine, link, &after)
}

/// Where something that is made is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// In the kernel, and with whoever looks after the link.
    Kept,
    /// In the kernel only, until the machine restarts.
    Active,
}

impl Store {
    /// The store that a client names (`PolicyStore`); everything is kept unless it says otherwise.
    pub(super) fn named(name: &str) -> Self {
        if name.eq_ignore_ascii_case("ActiveStore") { Self::Active } else { Self::Kept }
    }
}

/// Gives a link an address more. One that is kept ends DHCP, as on Windows.
///
/// # Errors
/// What kept it from having it.
pub(super) fn add_address(machine: &Machine, link: &Link, address: &Address, store: Store) -> io::Result<()> {
    let is_plain = address.is_permanent && address.preferred == Address::FOREVER;
    match Keeper::of(machine, link).filter(|_| store == Store::Kept && is_plain) {
        Some(keeper) => {
            let mut after = keeper.profile(machine, link)?;
            after.addresses.push((address.address, address.prefix));
            after.dhcp &= address.address.is_ipv6();
            keeper.apply(machine, link, &after)
        }
        None => put_address(link, address),
    }
}

/// Takes an address from a link.
///
/// # Errors
/// What kept it from going.
pub(super) fn remove_address(machine: &Machine, link: &Link, address: &Address) -> io::Result<()> {
    if let Some(keeper) = Keeper::of(machine, link).filter(|_| address.is_permanent && address.scope == 0) {
        let mut after = keeper.profile(machine, link)?;
        after.addresses.retain(|one| *one != (address.address, address.prefix));
        keeper.apply(machine, link, &after)?;
    }
    match change_address(Kind::DeleteAddress, link, address.address, address.prefix) {
        // Who looks after the link has taken it already.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(()),
        result => result,
    }
}

/// Makes an address last longer or shorter, or belong to a larger or smaller network; in the kernel.
///
/// # Errors
/// What the kernel says.
pub(super) fn alter_address(link: &Link, before: &Address, after: &Address) -> io::Result<()> {
    if before.prefix == after.prefix {
        return put_address(link, after);
    }
    // Of IPv6 there is only one of each, whatever its prefix.
    change_address(Kind::DeleteAddress, link, before.address, before.prefix)?;
    put_address(link, after).or_else(|error| put_address(link, before).and(Err(error)))
}

fn put_address(link: &Link, address: &Address) -> io::Result<()> {
    // IFA_CACHEINFO (`struct ifa_cacheinfo`).
    let lifetimes = [address.preferred, address.valid, 0, 0].into_iter().flat_map(u32::to_ne_bytes);
    let body = address_body(link, address.address, address.prefix);
    change(Kind::NewAddress, &body.with(6, &lifetimes.collect::<Vec<_>>()))
}

/// Sends what is elsewhere by a gateway more.
///
/// # Errors
/// What kept it from doing so.
pub(super) fn add_gateway(machine: &Machine, link: &Link, gateway: IpAddr, store: Store) -> io::Result<()> {
    match Keeper::of(machine, link).filter(|_| store == Store::Kept) {
        Some(keeper) => {
            let mut after = keeper.profile(machine, link)?;
            after.gateways.retain(|(other, _)| other.is_ipv4() != gateway.is_ipv4());
            after.gateways.push((gateway, None));
            keeper.apply(machine, link, &after)
        }
        None => change_route(Kind::NewRoute, &default_route(link, gateway, 0)),
    }
}

fn default_route(link: &Link, gateway: IpAddr, metric: u32) -> Route {
    let (network, link) = (gateway, link.index);
    Route { network, prefix: 0, gateway: Some(gateway), link, metric, protocol: STATIC, valid: None }
}

/// Makes a way to a network, in the kernel.
///
/// # Errors
/// What the kernel says.
pub(super) fn add_route(route: &Route) -> io::Result<()> {
    change_route(Kind::NewRoute, route)
}

/// Takes one away.
///
/// # Errors
/// What the kernel says.
pub(super) fn remove_route(route: &Route) -> io::Result<()> {
    change_route(Kind::DeleteRoute, route)
}

/// Switches a link off and on again, after which it has the addresses and routes that it had.
///
/// # Errors
/// What the kernel says.
pub(super) fn restart(machine: &Machine, link: &Link) -> io::Result<()> {
    interrupted(machine, link, || Ok(()))
}

/// Gives a link another name.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for what the kernel takes for no name, [`io::ErrorKind::ResourceBusy`] for a link
/// that would have to be switched off for it and must not be; and what the kernel says.
pub(super) fn rename(machine: &Machine, link: &Link, name: &str) -> io::Result<()> {
    // IFNAMSIZ, and what `dev_valid_name` of the kernel refuses.
    let is_odd =
        |octet: u8| octet.is_ascii_whitespace() || octet.is_ascii_control() || matches!(octet, b'/' | b':');
    if name.is_empty() || name.len() > 15 || matches!(name, "." | "..") || name.bytes().any(is_odd) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // IFLA_IFNAME.
    let body = Body::new(&link_header(link, 0, 0)).with(3, &[name.as_bytes(), b"\0"].concat());
    match change(Kind::SetLink, &body) {
        // Older kernels and some drivers rename only what is switched off.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy && !is_way_out(machine, link) => {
            interrupted(machine, link, || change(Kind::SetLink, &body))
        }
        result => result,
    }
}

/// Does something while a link is switched off.
fn interrupted(machine: &Machine, link: &Link, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let own = |route: &Route| route.link == link.index && !matches!(route.protocol, BY_KERNEL | BY_ROUTER);
    let routes: Vec<Route> = Route::all(machine).into_iter().filter(own).collect();
    // Those of IPv4 stay.
    let addresses: Vec<Address> = Address::all(machine)
        .into_iter()
        .filter(|one| one.link == link.index && one.address.is_ipv6() && one.is_permanent && one.scope == 0)
        .collect();
    switch(link, Power::Off)?;
    let done = act();
    switch(link, Power::On)?;
    // Who looks after the link may have been faster.
    for address in &addresses {
        let _ = put_address(link, address);
    }
    for route in &routes {
        let _ = change_route(Kind::NewRoute, route);
    }
    done
}

/// Who has made a route: the administrator (`RTPROT_STATIC`).
pub(super) const STATIC: u8 = 4;

/// The kernel itself, for an address (`RTPROT_KERNEL`), and because a router has told of it (`RTPROT_RA`).
const BY_KERNEL: u8 = 2;
const BY_ROUTER: u8 = 9;

fn change_address(kind: Kind, link: &Link, address: IpAddr, prefix: u8) -> io::Result<()> {
    change(kind, &address_body(link, address, prefix))
}

fn address_body(link: &Link, address: IpAddr, prefix: u8) -> Body {
    let mut header = vec![family(address), prefix, 0, 0];
    header.extend(link.index.to_ne_bytes());
    // IFA_LOCAL and IFA_ADDRESS.
    Body::new(&header).with_address(2, address).with_address(1, address)
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
        // ERROR_ACCESS_DENIED, ERROR_NOT_FOUND, ERROR_ALREADY_EXISTS, ERROR_GEN_FAILURE.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => 5,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 1168,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => 183,
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
