//! `MSFT_NetRoute`.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use cim::{ColumnSet, Instance, Status, Value};
use linux::network::address::Address;
use linux::network::change;
use linux::network::route::Route;
use wmi::{Context, Lookup, MethodCall, ProviderError, Target};

use super::{Aliases, Family, Names, lifetime, link_of, made, wrong};
use crate::Machine;
use crate::table::{Fill, Table, failure, text_key, text_of};

/// Routes.
pub(super) struct NetRoute;

/// A route.
pub(super) struct Row {
    pub(super) route: Route,
    name: String,
    aliases: Rc<Aliases>,
}

impl Row {
    pub(super) fn all(machine: &Machine) -> Vec<Self> {
        let (aliases, mut names) = (Rc::<Aliases>::default(), Names::default());
        Route::all(machine)
            .into_iter()
            .map(|route| {
                let name = format!("{}>{}%{}", destination(&route), next_hop(&route), route.link);
                let name = names.unique(name, || route.metric.to_string());
                Self { route, name, aliases: aliases.clone() }
            })
            .collect()
    }

    fn named(machine: &Machine, name: &str) -> Option<Self> {
        Self::all(machine).into_iter().find(|row| cim::wql::equal(&row.name, name))
    }
}

fn destination(route: &Route) -> String {
    format!("{}/{}", route.network, route.prefix)
}

fn next_hop(route: &Route) -> String {
    let unspecified = if route.network.is_ipv4() { "0.0.0.0" } else { "::" };
    route.gateway.map_or_else(|| unspecified.to_owned(), |gateway| gateway.to_string())
}

/// Returns the origin of a route in numbers of Windows (reference of `MSFT_NetRoute`, `Protocol`), from those
/// of Linux (`RTPROT_*` of linux/rtnetlink.h).
fn protocol(maker: u8) -> u16 {
    match maker {
        // Redirects and router advertisements are ICMP messages.
        1 | 9 => 4,
        // Routes of addresses are local.
        2 => 2,
        3 | 4 => 3,
        16 => 19,
        186 => 14,
        187 => 9,
        188 => 13,
        189 => 8,
        192 => 16,
        _ => 1,
    }
}

fn is_static(route: &Route) -> bool {
    protocol(route.protocol) == 3
}

/// Returns whether two routes lead to the same network by the same way.
fn has_same_path(one: &Route, other: &Route) -> bool {
    (one.network, one.prefix, one.gateway, one.link)
        == (other.network, other.prefix, other.gateway, other.link)
}

impl Table for NetRoute {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetRoute";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AddressFamily", |_, row| Family::of(row.route.network).number().into()),
        ("Caption", |_, row| destination(&row.route).into()),
        ("DestinationAddress", |_, row| row.route.network.to_string().into()),
        ("DestinationPrefix", |_, row| destination(&row.route).into()),
        ("ElementName", |_, row| destination(&row.route).into()),
        ("InstanceID", |_, row| row.name.clone().into()),
        ("InterfaceAlias", |machine, row| row.aliases.of(machine, row.route.link).into()),
        ("InterfaceIndex", |_, row| row.route.link.into()),
        ("IsStatic", |_, row| is_static(&row.route).into()),
        ("NextHop", |_, row| next_hop(&row.route).into()),
        ("PreferredLifetime", |_, row| lifetime(row.route.valid.unwrap_or(Address::FOREVER))),
        ("Protocol", |_, row| protocol(row.route.protocol).into()),
        // 0 is "not published".
        ("Publish", |_, _| 0_u8.into()),
        ("RouteMetric", |_, row| u16::try_from(row.route.metric).unwrap_or(u16::MAX).into()),
        ("Store", |_, _| 1_u8.into()),
        // 2 is created by the administrator, 3 computed, 4 local.
        ("TypeOfRoute", |_, row| {
            match protocol(row.route.protocol) {
                3 => 2_u16,
                2 => 4,
                _ => 3,
            }
            .into()
        }),
        ("ValidLifetime", |_, row| lifetime(row.route.valid.unwrap_or(Address::FOREVER))),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(Row::all(machine).into_iter())
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        if (call.operation.method.name.as_str(), call.target) != ("Create", Target::Class) {
            return Err(ProviderError::NotCapable);
        }
        let route = wanted(machine, call.input)?;
        if Route::all(machine).iter().any(|one| has_same_path(one, &route) && one.metric == route.metric) {
            let problem = format!("a route to {} already exists", destination(&route));
            return Err(ProviderError::failed(Status::AlreadyExists, problem));
        }
        change::add_route(&route).map_err(failure)?;
        let made_now: Vec<Row> =
            Row::all(machine).into_iter().filter(|row| has_same_path(&row.route, &route)).collect();
        made::<Self>(machine, call, &made_now)
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        _: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let name = instance.value("InstanceID").and_then(Value::as_str).unwrap_or_default();
        let before = Row::named(machine, name)
            .ok_or_else(|| ProviderError::failed(Status::NotFound, format!("route {name} not found")))?
            .route;
        let metric = instance.value("RouteMetric").and_then(Value::as_integer);
        let metric = metric.and_then(|metric| u32::try_from(metric).ok());
        let after = Route { metric: metric.ok_or_else(|| wrong("RouteMetric is not a number"))?, ..before };
        // The route with the new metric is added before the old one is removed.
        change::add_route(&after).and_then(|()| change::remove_route(&before)).map_err(failure)
    }

    fn delete(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let Some(row) = Row::named(machine, text_key(lookup.keys)) else { return Ok(false) };
        change::remove_route(&row.route).map_err(failure)?;
        Ok(true)
    }
}

/// Returns the route that a client wants to add.
fn wanted(machine: &Machine, input: &Instance) -> Result<Route, ProviderError> {
    let link = link_of(machine, input)?;
    let (network, prefix) = network(text_of(input, "DestinationPrefix")).ok_or_else(|| {
        wrong(format!(
            "DestinationPrefix '{}' is not a network such as 192.0.2.0/24",
            text_of(input, "DestinationPrefix")
        ))
    })?;
    let gateway = match text_of(input, "NextHop") {
        "" => None,
        hop => {
            Some(hop.parse::<IpAddr>().map_err(|_| wrong(format!("NextHop '{hop}' is not an IP address")))?)
        }
    };
    if gateway.is_some_and(|gateway| gateway.is_ipv4() != network.is_ipv4()) {
        return Err(wrong("DestinationPrefix and NextHop are not both of IPv4 or both of IPv6"));
    }
    let metric = input.value("RouteMetric").and_then(Value::as_integer);
    Ok(Route {
        network,
        prefix,
        gateway: gateway.filter(|gateway| !gateway.is_unspecified()),
        link: link.index,
        metric: metric.and_then(|metric| u32::try_from(metric).ok()).unwrap_or_default(),
        protocol: change::STATIC,
        valid: None,
    })
}

/// Parses a network with its prefix length; bits after the prefix must be zero.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?);
    let rest = match address {
        IpAddr::V4(v4) if prefix <= 32 => v4.to_bits().checked_shl(prefix.into()).unwrap_or_default() == 0,
        IpAddr::V6(v6) if prefix <= 128 => v6.to_bits().checked_shl(prefix.into()).unwrap_or_default() == 0,
        _ => false,
    };
    rest.then_some((address, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_origins_have_documented_numbers() {
        // Redirect, kernel, boot, static, advertisement, DHCP, BGP, IS-IS, OSPF, RIP, EIGRP, and one without a number.
        let kernel = [1, 2, 3, 4, 9, 16, 186, 187, 188, 189, 192, 42];
        assert_eq!(kernel.map(protocol), [4, 2, 3, 3, 4, 19, 14, 9, 13, 8, 16, 1]);
    }

    #[test]
    fn network_has_no_host_bits() {
        for (text, prefix) in
            [("0.0.0.0/0", 0), ("192.0.2.0/24", 24), ("192.0.2.1/32", 32), ("2001:db8::/32", 32)]
        {
            assert_eq!(network(text).map(|(_, prefix)| prefix), Some(prefix), "{text}");
        }
        for wrong in ["192.0.2.1/24", "192.0.2.0", "192.0.2.0/33", "2001:db8::1/64", "x/8", "::/129"] {
            assert_eq!(network(wrong), None, "{wrong}");
        }
    }
}
