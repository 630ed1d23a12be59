//! Network adapters, their addresses and routes, and connections.

mod adapter;
pub(crate) mod address;
mod change;
mod configuration;
mod connection;
mod ethtool;
mod kernel_link;
mod lease;
pub(crate) mod link;
mod neighbor;
mod netlink;
mod network_manager;
mod networkd;
pub(crate) mod oracle;
mod ping;
mod profile;
mod resolver;
mod route;
mod setting;
mod standard;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// Returns the tables of network classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    let own = vec![
        bind(machine, adapter::Adapter),
        bind(machine, configuration::Configuration),
        bind(machine, setting::AdapterSetting),
        bind(machine, route::RouteTable),
        bind(machine, connection::Connection),
        bind(machine, ping::PingStatus),
    ];
    own.into_iter().chain(standard::bindings(machine)).collect()
}
