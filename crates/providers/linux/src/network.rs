//! Network adapters, their addresses and routes, and connections.

mod adapter;
mod configuration;
mod connection;
mod persisted_route;
mod ping;
mod route;
mod setting;
mod standard;

use std::sync::Arc;

use crate::Machine;
use crate::table::association::relate;
use crate::table::{Binding, bind};

/// Returns the tables of network classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    let own = vec![
        bind(machine, adapter::Adapter),
        bind(machine, configuration::Configuration),
        relate(machine, &setting::ADAPTER_SETTING),
        bind(machine, route::RouteTable),
        bind(machine, persisted_route::PersistedRoutes),
        bind(machine, connection::Connection),
        bind(machine, ping::PingStatus),
    ];
    own.into_iter().chain(standard::bindings(machine)).collect()
}
