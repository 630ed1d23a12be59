//! `Win32_IP4PersistedRouteTable`: routes from the configuration of the network.

use linux::network::route::Route;
use wmi::ProviderError;

use super::route::{mask_of, next_hop};
use crate::Machine;
use crate::table::{Fill, Table};

/// Configured IPv4 routes. NetworkManager and networkd mark them, and the kernel reports the mark; routes of
/// other origin last until the machine restarts.
pub(crate) struct PersistedRoutes;

/// Origin of routes from the configuration (`RTPROT_STATIC`, rtnetlink(7)).
const STATIC: u8 = 4;

impl Table for PersistedRoutes {
    type Row = Route;

    const CLASS: &'static str = "Win32_IP4PersistedRouteTable";

    const COLUMNS: &'static [(&'static str, Fill<Route>)] = &[
        ("Caption", |_, route| route.network.to_string().into()),
        ("Description", |_, route| {
            format!("{} - {} - {}", route.network, mask_of(route), next_hop(route)).into()
        }),
        ("Destination", |_, route| route.network.to_string().into()),
        ("Mask", |_, route| mask_of(route).into()),
        ("Metric1", |_, route| i32::try_from(route.metric).unwrap_or(i32::MAX).into()),
        ("Name", |_, route| route.network.to_string().into()),
        ("NextHop", |_, route| next_hop(route).into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Route>, ProviderError> {
        let mut routes = Route::all(machine);
        routes.retain(|route| route.network.is_ipv4() && route.protocol == STATIC);
        // Equal routes on several links have the same key.
        routes.sort_by_key(|route| (route.network, route.prefix, route.gateway, route.metric));
        routes.dedup_by_key(|route| (route.network, route.prefix, route.gateway, route.metric));
        Ok(routes.into_iter())
    }
}
