//! `root/linux`: classes without counterpart on Windows.

mod control_group;
mod firewall;
mod package;
mod raid;
mod volume;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// Namespace of these classes.
const NAMESPACE: &str = "root/linux";

/// Returns the tables of these classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, control_group::ControlGroup),
        bind(machine, control_group::Container),
        bind(machine, package::Package),
        bind(machine, firewall::Table),
        bind(machine, firewall::Chain),
        bind(machine, firewall::Rule),
        bind(machine, raid::RaidArray),
        bind(machine, volume::VolumeGroup),
        bind(machine, volume::LogicalVolume),
    ]
}
