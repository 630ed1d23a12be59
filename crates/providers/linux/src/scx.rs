//! `root/scx`: the classes of Microsoft's agent for UNIX, which SCOM's packs for Linux ask for.

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

/// What the operating system is called in the keys of its processes.
pub(crate) fn system_name(machine: &Machine) -> Option<String> {
    Some(operating_system::name(machine))
}

/// What `RemoveByName` returns, by which somebody has a disk forgotten that is away: nothing is remembered here, so
/// nothing can be forgotten. `None` for other methods.
fn forget(call: &wmi::MethodCall<'_>) -> Option<bool> {
    (call.operation.method.name.as_str() == "RemoveByName").then_some(false)
}
