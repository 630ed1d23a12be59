//! WMI classes of a Linux machine, read from the kernel, from files and from system services.
//!
//! Each class is a table (`table::Table`): columns with the functions that fill them, and rows with the data
//! these functions need. A row reads a source when the first requested column needs it, and not otherwise.
//! Values unknown on Linux are NULL.
//!
//! | Classes | Module |
//! |---|---|
//! | operating system | `system` |
//! | processes and threads | `process` |
//! | services | `service` |
//! | disks, volumes, files | `storage` |
//! | logs | `log` |
//! | network adapters, addresses, routes | `network` |
//! | firmware, devices, sensors | `hardware` |
//! | users, groups, sessions | `account` |
//! | packages and updates | `software` |
//! | performance counters | `performance` |
//! | classes without counterpart on Windows | `native` |
//! | registry | `registry` |
//! | scheduled jobs and startup commands | `schedule` |
//! | security descriptors, also of files | `security` |
//! | shares | `share` |
//! | printers and print jobs | `printing` |
//! | classes that SCOM requests from UNIX machines | `scx` |
//! | events | `events` |
//!
//! Not part of this crate: queries, keys and limits, which belong to the engine; and access control, which
//! the kernel enforces for the user of this process.

mod account;
mod choices;
mod device;
mod events;
mod hardware;
mod log;
mod machine;
mod masquerade;
mod native;
mod network;
mod performance;
mod printing;
mod process;
mod provider_failure;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod registry;
mod schedule;
mod scx;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod security;
mod sendable;
mod service;
mod share;
mod software;
mod storage;
mod system;
mod table;

use std::sync::Arc;

pub use machine::Machine;

use table::Binding;

/// Registry files and access control lists, for `fuzz/oracles`.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    /// Keys of the registry.
    pub mod registry {
        pub use crate::registry::key::{Data, Hive, Key, is_same};
        pub use crate::registry::store::Keys;
    }
    /// POSIX access control lists and descriptors.
    pub mod acl {
        pub use crate::security::acl::{EXECUTE_FILE, Entry, READ_DATA, Tag, WRITE_DATA, entries, parse};
    }
}

/// Returns the providers of all classes of a machine.
#[must_use]
pub fn providers(machine: &Arc<Machine>) -> Vec<Arc<dyn wmi::Provider>> {
    let tables = bindings(machine).into_iter().map(|binding| binding as Arc<dyn wmi::Provider>);
    tables.chain([events::Events::of(machine), registry::RegistryEvents::of(machine)]).collect()
}

fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    let mut all = [
        system::bindings(machine),
        process::bindings(machine),
        service::bindings(machine),
        log::bindings(machine),
        performance::bindings(machine),
        native::bindings(machine),
        registry::bindings(machine),
        schedule::bindings(machine),
        printing::bindings(machine),
        scx::bindings(machine),
        security::bindings(machine),
        share::bindings(machine),
        storage::bindings(machine),
        network::bindings(machine),
        hardware::bindings(machine),
        account::bindings(machine),
        software::bindings(machine),
    ]
    .concat();
    all.extend(device::bindings(machine, &all));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::table::unknown::{self, is_unknown};

    #[test]
    fn a_table_has_a_column_for_every_property_that_linux_knows() {
        for binding in bindings(&Arc::new(Machine::this())) {
            for (namespace, name) in binding.classes() {
                let unknown = unknown::of_class(namespace.as_str(), name.as_str());
                let schema = cim::Schema::of(namespace);
                let class = schema.class(name.as_str()).unwrap_or_else(|| panic!("class {name} not found"));
                let properties = class.properties().iter();
                let has: BTreeSet<_> = properties.clone().map(|property| property.name.as_str()).collect();
                let needed: BTreeSet<_> = properties
                    .clone()
                    .filter(|property| !binding.is_scoping(property) && !is_unknown(property))
                    .map(|property| property.name.as_str())
                    .collect();
                let repeated: Vec<_> = properties
                    .filter(|property| unknown.contains(property.name.as_str()) && is_unknown(property))
                    .map(|property| property.name.as_str())
                    .collect();
                assert!(
                    repeated.is_empty(),
                    "{name} repeats unknown properties of its superclass: {repeated:?}"
                );
                let columns = binding.columns();
                let bound: BTreeSet<_> = columns.iter().copied().chain(unknown.iter().copied()).collect();
                assert_eq!(bound.len(), columns.len() + unknown.len(), "{name} has a column twice");
                let missing: Vec<_> = needed.difference(&bound).collect();
                let other: Vec<_> = bound.difference(&has).collect();
                assert!(
                    missing.is_empty() && other.is_empty(),
                    "{name}: without {missing:?}, with {other:?}"
                );
            }
        }
    }
}
