//! What is changed of a link: by networkd or NetworkManager where one of them looks after it, or in the kernel, until
//! the machine restarts.

mod kernel;

use std::io;
use std::net::IpAddr;

pub(super) use self::kernel::{
    Power, STATIC, add_route, alter_address, is_way_out, remove_route, rename, restart, set_longest_packet,
    switch,
};
use self::kernel::{change_address, change_route, default_route, put_address};
use super::address::Address;
use super::link::Link;
use super::netlink::Kind;
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
