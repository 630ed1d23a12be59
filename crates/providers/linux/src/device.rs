//! `Win32_SystemDevices` and its subclasses: associations of the computer system with its devices, of any
//! class.

use std::marker::PhantomData;
use std::sync::Arc;

use cim::{Class, Namespace, Schema, Value};
use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::table::{Binding, Fill, Push, Table, bind, computer_system};

/// Returns the association tables for those tables whose classes are devices.
pub(crate) fn bindings(machine: &Arc<Machine>, all: &[Arc<dyn Binding>]) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, SystemDevices::<Others>::of(all)),
        bind(machine, SystemDevices::<Partitions>::of(all)),
        bind(machine, SystemDevices::<Processors>::of(all)),
    ]
}

/// Devices that an association class contains.
trait Kind: Send + Sync + 'static {
    const CLASS: &'static str;

    /// Returns whether the devices of a class belong to it.
    fn includes(class: &Class) -> bool;
}

/// Partitions: `Win32_SystemPartitions`.
struct Partitions;

/// Processors: `Win32_ComputerSystemProcessor`.
struct Processors;

/// All other devices: instances of `Win32_SystemDevices` itself.
struct Others;

impl Kind for Partitions {
    const CLASS: &'static str = "Win32_SystemPartitions";

    fn includes(class: &Class) -> bool {
        class.is_a("Win32_DiskPartition")
    }
}

impl Kind for Processors {
    const CLASS: &'static str = "Win32_ComputerSystemProcessor";

    fn includes(class: &Class) -> bool {
        class.is_a("Win32_Processor")
    }
}

impl Kind for Others {
    const CLASS: &'static str = "Win32_SystemDevices";

    fn includes(class: &Class) -> bool {
        class.is_a("CIM_LogicalDevice") && !Partitions::includes(class) && !Processors::includes(class)
    }
}

fn is_included<K: Kind>(binding: &dyn Binding) -> bool {
    binding.classes().into_iter().any(|(namespace, name)| {
        let class =
            (namespace == Namespace::cimv2()).then(|| Schema::of(namespace).class(name.as_str())).flatten();
        class.is_some_and(|class| K::includes(&class))
    })
}

struct SystemDevices<K> {
    devices: Vec<Arc<dyn Binding>>,
    kind: PhantomData<K>,
}

impl<K: Kind> SystemDevices<K> {
    fn of(all: &[Arc<dyn Binding>]) -> Self {
        let devices = all.iter().filter(|binding| is_included::<K>(binding.as_ref())).cloned().collect();
        Self { devices, kind: PhantomData }
    }
}

impl<K: Kind> Table for SystemDevices<K> {
    type Row = Value;

    const CLASS: &'static str = K::CLASS;

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
                reported => reported?,
            }
        }
        Ok(())
    }
}
