//! The machine as a whole.

mod memory;
mod mounts;
pub(crate) mod operating_system;
mod os_release;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// The classes of the machine as a whole.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, operating_system::OperatingSystem)]
}
