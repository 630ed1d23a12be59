//! Performance counters (`Win32_PerfRawData_*` and `Win32_PerfFormattedData_*`).
//!
//! An [`Object`](object::Object) describes a set of counters, from which both classes are derived.
//! The raw class contains counts since boot, and the time bases from which clients compute rates. The
//! formatted class computes the rates itself from two samples at least a second apart.

mod cache;
pub(crate) mod classes;
mod control_messages;
pub(crate) mod counter;
pub(crate) mod disk;
mod internet_protocol;
pub(crate) mod memory;
mod network;
pub(crate) mod object;
mod objects;
mod paging_file;
pub(crate) mod process;
pub(crate) mod processor;
mod processor_information;
mod protocol;
pub(crate) mod sampler;
mod system;
mod thread;

use std::sync::Arc;

use crate::Machine;
use crate::table::Binding;
use classes::both;

/// Returns the tables of counter classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    [
        both::<processor::Processor>(machine),
        both::<memory::Memory>(machine),
        both::<system::System>(machine),
        both::<disk::PhysicalDisk>(machine),
        both::<disk::LogicalDisk>(machine),
        both::<network::NetworkInterface>(machine),
        both::<protocol::TcpV4>(machine),
        both::<protocol::TcpV6>(machine),
        both::<protocol::UdpV4>(machine),
        both::<internet_protocol::IpV4>(machine),
        both::<internet_protocol::IpV6>(machine),
        both::<control_messages::Icmp>(machine),
        both::<control_messages::IcmpV6>(machine),
        both::<processor_information::ProcessorInformation>(machine),
        both::<cache::Cache>(machine),
        both::<thread::Thread>(machine),
        both::<process::Process>(machine),
        both::<paging_file::PagingFile>(machine),
        both::<objects::Objects>(machine),
    ]
    .into_iter()
    .flatten()
    .collect()
}
