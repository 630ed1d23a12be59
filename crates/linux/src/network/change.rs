//! Changes of links: through networkd or NetworkManager if one of them manages the link, otherwise in the
//! kernel, until the next restart.

mod kernel;

use std::io;
use std::net::IpAddr;

pub use self::kernel::{
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

/// Service that manages a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// systemd-networkd.
    Networkd,
    /// NetworkManager.
    NetworkManager,
}

impl Keeper {
    /// Returns the service that manages a link; `None` if no known service does.
    pub fn of(machine: &Machine, link: &Link) -> Option<Self> {
        networkd::manages(machine, link)
            .then_some(Self::Networkd)
            .or_else(|| network_manager::manages(machine, link).then_some(Self::NetworkManager))
    }

    fn apply(self, machine: &Machine, link: &Link, profile: &Profile) -> io::Result<()> {
        match self {
            Self::Networkd => networkd::apply(machine, link, profile),
            Self::NetworkManager => network_manager::apply(machine, link, profile),
        }
    }

    /// Renews the DHCP lease of a link.
    ///
    /// # Errors
    /// Errors of the service.
    pub fn renew(self, machine: &Machine, link: &Link) -> io::Result<()> {
        match self {
            Self::Networkd => networkd::renew(link),
            Self::NetworkManager => network_manager::renew(machine, link),
        }
    }

    /// Returns the current configuration of a link, so that unchanged parts can be kept.
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

/// Replaces the addresses of a link, in those families for which there is a new one.
///
/// # Errors
/// Errors of the service or the kernel.
pub fn set_addresses(machine: &Machine, link: &Link, wanted: &[(IpAddr, u8)]) -> io::Result<()> {
    if let Some(keeper) = Keeper::of(machine, link) {
        let before = keeper.profile(machine, link)?;
        let stored = before.addresses.into_iter().filter(|(address, _)| !has_kind(wanted, *address));
        let addresses = wanted.iter().copied().chain(stored).collect();
        return keeper.apply(machine, link, &Profile { dhcp: false, addresses, ..before });
    }
    let routes: Vec<Route> = Route::all(machine)
        .into_iter()
        .filter(|route| route.link == link.index && route.gateway.is_some())
        .collect();
    add_all(link, wanted)?;
    for old in Address::all(machine).into_iter().filter(|old| old.link == link.index && old.scope == 0) {
        if has_kind(wanted, old.address) && !wanted.contains(&(old.address, old.prefix)) {
            change_address(Kind::DeleteAddress, link, old.address, old.prefix)?;
        }
    }
    // Removing the first address of a network may also have removed secondary addresses, and routes through
    // them.
    add_all(link, wanted)?;
    for route in routes {
        // A gateway outside the new networks cannot be restored.
        let _ = change_route(Kind::NewRoute, &route);
    }
    Ok(())
}

fn add_all(link: &Link, addresses: &[(IpAddr, u8)]) -> io::Result<()> {
    addresses
        .iter()
        .try_for_each(|(address, prefix)| change_address(Kind::NewAddress, link, *address, *prefix))
}

/// Returns whether the list has an address of the same IP version.
fn has_kind<T>(list: &[(IpAddr, T)], address: IpAddr) -> bool {
    list.iter().any(|(one, _)| one.is_ipv4() == address.is_ipv4())
}

/// Replaces the default gateways of a link, in those families for which there is a new one.
///
/// # Errors
/// Errors of the service or the kernel.
pub fn set_gateways(machine: &Machine, link: &Link, wanted: &[(IpAddr, Option<u32>)]) -> io::Result<()> {
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
    for old in Route::all(machine).into_iter().filter(|old| old.link == link.index && old.is_default()) {
        if (wanted.is_empty() || has_kind(wanted, old.network)) && !is_wanted(&old) {
            change_route(Kind::DeleteRoute, &old)?;
        }
    }
    Ok(())
}

/// Sets the name servers and search domains.
///
/// # Errors
/// Errors of the service or of writing `resolv.conf`.
pub fn set_resolver(
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

/// Enables DHCP on a link.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] if no service manages the link.
pub fn enable_dhcp(machine: &Machine, link: &Link) -> io::Result<()> {
    let keeper = Keeper::of(machine, link).ok_or(io::ErrorKind::Unsupported)?;
    keeper.apply(machine, link, &Profile { dhcp: true, ..Profile::default() })
}

/// Disables DHCP on a link; its current addresses become static.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] if no service manages the link.
pub fn disable_dhcp(machine: &Machine, link: &Link) -> io::Result<()> {
    let keeper = Keeper::of(machine, link).ok_or(io::ErrorKind::Unsupported)?;
    let mut after = keeper.profile(machine, link)?;
    let lent = Address::all(machine)
        .into_iter()
        .filter(|one| one.link == link.index && one.address.is_ipv4() && !one.is_permanent && one.scope == 0);
    after.addresses.extend(lent.map(|one| (one.address, one.prefix)));
    after.dhcp = false;
    keeper.apply(machine, link, &after)
}

/// Persistence of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// In the kernel, and in the configuration of the service that manages the link.
    Kept,
    /// Only in the kernel, until the next restart.
    Active,
}

impl Store {
    /// Returns the store with this name (`PolicyStore`); persistent by default.
    pub fn named(name: &str) -> Self {
        if name.eq_ignore_ascii_case("ActiveStore") { Self::Active } else { Self::Kept }
    }
}

/// Adds an address to a link. A persistent address disables DHCP, as on Windows.
///
/// # Errors
/// Errors of the service or the kernel.
pub fn add_address(machine: &Machine, link: &Link, address: &Address, store: Store) -> io::Result<()> {
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

/// Removes an address from a link.
///
/// # Errors
/// Errors of the service or the kernel.
pub fn remove_address(machine: &Machine, link: &Link, address: &Address) -> io::Result<()> {
    if let Some(keeper) = Keeper::of(machine, link).filter(|_| address.is_permanent && address.scope == 0) {
        let mut after = keeper.profile(machine, link)?;
        after.addresses.retain(|one| *one != (address.address, address.prefix));
        keeper.apply(machine, link, &after)?;
    }
    match change_address(Kind::DeleteAddress, link, address.address, address.prefix) {
        // The service has already removed the address.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(()),
        result => result,
    }
}

/// Adds a default gateway.
///
/// # Errors
/// Errors of the service or the kernel.
pub fn add_gateway(machine: &Machine, link: &Link, gateway: IpAddr, store: Store) -> io::Result<()> {
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

/// Returns the result of adapter methods: a Windows error code (MS-ERREF 2.2).
pub fn windows_code(result: &io::Result<()>) -> u32 {
    match result {
        Ok(()) => 0,
        // ERROR_ACCESS_DENIED, ERROR_NOT_FOUND, ERROR_ALREADY_EXISTS, ERROR_GEN_FAILURE.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => 5,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 1168,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => 183,
        Err(_) => 31,
    }
}

/// Returns the result of configuration methods (`Win32_NetworkAdapterConfiguration`).
pub fn configuration_code(result: &io::Result<()>) -> u32 {
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
