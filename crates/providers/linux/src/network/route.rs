//! `Win32_IP4RouteTable`.

use linux::network::address::mask;
use linux::network::route::Route;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// IPv4 routes.
pub(crate) struct RouteTable;

pub(super) fn mask_of(route: &Route) -> String {
    mask(route.prefix).to_string()
}

pub(super) fn next_hop(route: &Route) -> String {
    route.gateway.map_or_else(|| "0.0.0.0".to_owned(), |gateway| gateway.to_string())
}

impl Table for RouteTable {
    type Row = Route;

    const CLASS: &'static str = "Win32_IP4RouteTable";

    const COLUMNS: &'static [(&'static str, Fill<Route>)] = &[
        ("Age", |_, _| 0_u32.into()),
        ("Caption", |_, route| route.network.to_string().into()),
        ("Description", |_, route| {
            format!("{} - {} - {}", route.network, mask_of(route), next_hop(route)).into()
        }),
        ("Destination", |_, route| route.network.to_string().into()),
        ("Information", |_, _| "0.0".into()),
        ("InterfaceIndex", |_, route| i32::try_from(route.link).ok().into()),
        ("Mask", |_, route| mask_of(route).into()),
        ("Metric1", |_, route| i32::try_from(route.metric).unwrap_or(i32::MAX).into()),
        ("Metric2", |_, _| (-1_i32).into()),
        ("Metric3", |_, _| (-1_i32).into()),
        ("Metric4", |_, _| (-1_i32).into()),
        ("Metric5", |_, _| (-1_i32).into()),
        ("Name", |_, route| route.network.to_string().into()),
        ("NextHop", |_, route| next_hop(route).into()),
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

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Route>, ProviderError> {
        let mut routes = Route::all(machine);
        routes.retain(|route| route.network.is_ipv4());
        // The key does not contain the metric: of several routes, the one in use is returned.
        routes.sort_by_key(|route| (route.network, route.prefix, route.gateway, route.link, route.metric));
        routes.dedup_by_key(|route| (route.network, route.prefix, route.gateway, route.link));
        Ok(routes.into_iter())
    }
}
