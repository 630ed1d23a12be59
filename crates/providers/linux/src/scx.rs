//! `root/scx`: the classes of Microsoft's agent for UNIX, which SCOM's packs for Linux ask for.

mod agent;
mod operating_system;
mod port;
mod process;
mod statistics;

use std::sync::Arc;

use crate::Machine;
use crate::performance::object::both;
use crate::table::{Binding, bind};

/// The namespace of all of them.
const NAMESPACE: &str = "root/scx";

/// Who serves the classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    let tables = vec![
        bind(machine, agent::Agent),
        bind(machine, operating_system::OperatingSystem),
        bind(machine, port::EthernetPortStatistics),
        bind(machine, process::UnixProcess),
    ];
    let statistics = [
        both::<statistics::Processor>(machine),
        both::<statistics::RealTimeProcessor>(machine),
        both::<statistics::Memory>(machine),
        both::<statistics::DiskDrive>(machine),
        both::<statistics::FileSystem>(machine),
    ];
    tables.into_iter().chain(statistics.into_iter().flatten()).collect()
}
