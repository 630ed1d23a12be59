//! `Win32_SystemDevices`: association of the computer system with all devices, of any class.

use std::sync::Arc;

use cim::{Namespace, Schema, Value};
use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::table::{Binding, Fill, Push, Table, bind, computer_system};

/// Returns the association table for those tables whose classes are devices.
pub(crate) fn binding(machine: &Arc<Machine>, all: &[Arc<dyn Binding>]) -> Arc<dyn Binding> {
    let devices = all.iter().filter(|binding| is_device(binding.as_ref())).cloned().collect();
    bind(machine, SystemDevices { devices })
}

fn is_device(binding: &dyn Binding) -> bool {
    binding.classes().into_iter().any(|(namespace, name)| {
        let class =
            (namespace == Namespace::cimv2()).then(|| Schema::of(namespace).class(name.as_str())).flatten();
        class.is_some_and(|class| class.is_a("CIM_LogicalDevice"))
    })
}

struct SystemDevices {
    devices: Vec<Arc<dyn Binding>>,
}

impl Table for SystemDevices {
    type Row = Value;

    const CLASS: &'static str = "Win32_SystemDevices";

    const COLUMNS: &'static [(&'static str, Fill<Value>)] = &[
        ("GroupComponent", |machine, _| computer_system(machine)),
        ("PartComponent", |_, path| path.clone()),
    ];

    fn rows(&self, _: &Arc<Machine>, scan: &Scan, push: &mut Push<'_, Value>) -> Result<(), ProviderError> {
        for devices in &self.devices {
            match devices.paths(scan, push) {
                // A class that fails does not hide the devices of other classes.
                Err(error @ ProviderError::Failed { .. }) => {
                    tracing::debug!(%error, "Cannot list devices");
                }
                told => told?,
            }
        }
        Ok(())
    }
}
