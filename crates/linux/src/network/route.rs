//! `Win32_IP4RouteTable`, and routes for other classes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use wmi::{ProviderError, Scan};

use super::address::mask;
use super::netlink::{Attributes, Kind, dump, number_u32};
use crate::Machine;
use crate::table::{Fill, Push, Table};

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) network: IpAddr,
    /// Prefix length of the destination in bits.
    pub(crate) prefix: u8,
    /// Gateway; `None` for a directly connected network.
    pub(crate) gateway: Option<IpAddr>,
    /// Link index.
    pub(crate) link: u32,
    pub(crate) metric: u32,
    /// Origin (`RTPROT_*`).
    pub(crate) protocol: u8,
    /// Remaining lifetime in seconds; `None` for unlimited.
    pub(crate) valid: Option<u32>,
}

impl Route {
    /// Returns the unicast routes of the main table.
    pub(crate) fn all(machine: &Machine) -> Vec<Self> {
        let mut routes = Vec::new();
        if !machine.is_this() {
            return routes;
        }
        // If the kernel does not respond, the list stays empty.
        let _ = dump(Kind::GetRoute, |message| {
            let attributes = message.attributes(12);
            let table = attributes.number(15).unwrap_or_else(|| message.octet(4).into());
            // RT_TABLE_MAIN, RTN_UNICAST.
            if table != 254 || message.octet(7) != 1 {
                return;
            }
            let any: IpAddr = match message.octet(0) {
                2 => Ipv4Addr::UNSPECIFIED.into(),
                10 => Ipv6Addr::UNSPECIFIED.into(),
                _ => return,
            };
            let route = Self {
                network: attributes.address(1).unwrap_or(any),
                prefix: message.octet(1),
                gateway: attributes.address(5),
                link: attributes.number(4).unwrap_or_default(),
                metric: attributes.number(6).unwrap_or_default(),
                protocol: message.octet(5),
                valid: expires(attributes),
            };
            match attributes.find(9) {
                // A multipath route.
                Some(hops) => {
                    routes.extend(hops_of(hops).map(|(link, gateway)| Self { link, gateway, ..route }));
                }
                None => routes.push(route),
            }
        });
        routes
    }

    /// Returns whether it is a default route.
    pub(crate) fn is_default(&self) -> bool {
        self.prefix == 0
    }
}

/// Returns the remaining lifetime in seconds of an IPv6 route with expiry (`RTA_CACHEINFO`, `rta_expires` in
/// hundredths of seconds).
fn expires(attributes: Attributes<'_>) -> Option<u32> {
    let left = number_u32(attributes.find(12)?, 8)?;
    (left > 0).then_some(left / 100)
}

/// Returns link and gateway of each hop in `RTA_MULTIPATH` (`struct rtnexthop`).
fn hops_of(mut octets: &[u8]) -> impl Iterator<Item = (u32, Option<IpAddr>)> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*octets.first_chunk()?));
        let hop = octets.get(..length).filter(|hop| hop.len() >= 8)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        let link = hop.get(4..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))?;
        Some((link, Attributes::new(hop.get(8..)?).address(5)))
    })
}

/// IPv4 routes.
pub(crate) struct RouteTable;

impl Route {
    fn mask(&self) -> String {
        mask(self.prefix).to_string()
    }

    fn next_hop(&self) -> String {
        self.gateway.map_or_else(|| "0.0.0.0".to_owned(), |gateway| gateway.to_string())
    }
}

impl Table for RouteTable {
    type Row = Route;

    const CLASS: &'static str = "Win32_IP4RouteTable";

    const COLUMNS: &'static [(&'static str, Fill<Route>)] = &[
        ("Age", |_, _| 0_u32.into()),
        ("Caption", |_, route| route.network.to_string().into()),
        ("Description", |_, route| {
            format!("{} - {} - {}", route.network, route.mask(), route.next_hop()).into()
        }),
        ("Destination", |_, route| route.network.to_string().into()),
        ("Information", |_, _| "0.0".into()),
        ("InterfaceIndex", |_, route| i32::try_from(route.link).ok().into()),
        ("Mask", |_, route| route.mask().into()),
        ("Metric1", |_, route| i32::try_from(route.metric).unwrap_or(i32::MAX).into()),
        ("Metric2", |_, _| (-1_i32).into()),
        ("Metric3", |_, _| (-1_i32).into()),
        ("Metric4", |_, _| (-1_i32).into()),
        ("Metric5", |_, _| (-1_i32).into()),
        ("Name", |_, route| route.network.to_string().into()),
        ("NextHop", |_, route| route.next_hop().into()),
        ("Protocol", |_, route| {
            // RTPROT_* on the left, ipRouteProto of RFC 1354 on the right.
            let protocol = match route.protocol {
                2 => 2,
                189 => 8,
                188 => 13,
                186 => 14,
                _ => 3_u32,
            };
            protocol.into()
        }),
        ("Status", |_, _| "OK".into()),
        ("Type", |_, route| if route.gateway.is_some() { 4_u32 } else { 3 }.into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Route>,
    ) -> Result<(), ProviderError> {
        let mut routes = Route::all(machine);
        routes.retain(|route| route.network.is_ipv4());
        // The key does not contain the metric: of several routes, the one in use is returned.
        routes.sort_by_key(|route| (route.network, route.prefix, route.gateway, route.link, route.metric));
        routes.dedup_by_key(|route| (route.network, route.prefix, route.gateway, route.link));
        routes.into_iter().try_for_each(push)
    }
}
