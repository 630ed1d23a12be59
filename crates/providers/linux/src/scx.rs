//! `root/scx`: classes of Microsoft's agent for UNIX, used by SCOM management packs for Linux.

mod agent;
mod application_server;
mod drive;
mod endpoint;
mod file_system;
mod log_file;
mod operating_system;
mod port;
mod process;
mod process_statistics;
mod statistics;

use std::sync::Arc;

use crate::Machine;
use crate::performance::classes::both;
use crate::table::{Binding, bind};

/// Namespace of these classes.
const NAMESPACE: &str = "root/scx";

/// Returns the tables of these classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    let tables = vec![
        bind(machine, agent::Agent),
        bind(machine, operating_system::OperatingSystem),
        bind(machine, port::EthernetPortStatistics),
        bind(machine, process::UnixProcess),
        bind(machine, drive::DiskDrive),
        bind(machine, file_system::FileSystem::default()),
        bind(machine, endpoint::IpEndpoint),
        bind(machine, endpoint::LanEndpoint),
        bind(machine, log_file::LogFile),
        bind(machine, application_server::ApplicationServer),
    ];
    let statistics = [
        both::<statistics::Processor>(machine),
        both::<statistics::RealTimeProcessor>(machine),
        both::<statistics::Memory>(machine),
        both::<statistics::DiskDrive>(machine),
        both::<statistics::FileSystem>(machine),
        both::<process_statistics::ProcessStatistics>(machine),
    ];
    tables.into_iter().chain(statistics.into_iter().flatten()).collect()
}

/// Returns the result of `RemoveByName`, which removes a disk that no longer exists from the agent's list: no
/// list is stored here, so the result is `false`. `None` for other methods.
fn forget(call: &wmi::MethodCall<'_>) -> Option<bool> {
    (call.operation.method.name.as_str() == "RemoveByName").then_some(false)
}
