//! Adapters of the network, their addresses and routes, and who answers there.

mod adapter;
pub(crate) mod address;
mod change;
mod configuration;
mod connection;
mod lease;
pub(crate) mod link;
mod netlink;
mod networkd;
mod ping;
mod resolver;
mod route;
mod setting;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// Everything about the network.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, adapter::Adapter),
        bind(machine, configuration::Configuration),
        bind(machine, setting::AdapterSetting),
        bind(machine, route::RouteTable),
        bind(machine, connection::Connection),
        bind(machine, ping::PingStatus),
    ]
}
