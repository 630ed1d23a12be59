//! Hardware of the machine: firmware tables, and devices found by the kernel.

mod board;
mod controller;
mod device;
mod firmware;
mod input;
mod memory;
mod processor;
mod sensor;
mod serial;
mod slot;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// Returns the tables of hardware classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, firmware::Bios),
        bind(machine, firmware::Product),
        bind(machine, board::Enclosure),
        bind(machine, board::BaseBoard),
        bind(machine, processor::Processor::default()),
        bind(machine, memory::PhysicalMemory),
        bind(machine, memory::MemoryArray),
        bind(machine, memory::CacheMemory),
        bind(machine, slot::PortConnector),
        bind(machine, slot::SystemSlot),
        bind(machine, slot::OnBoardDevice),
        bind(machine, sensor::Battery),
        bind(machine, sensor::Fan),
        bind(machine, sensor::TemperatureProbe),
        bind(machine, controller::VideoController),
        bind(machine, controller::SoundDevice),
        bind(machine, controller::UsbController),
        bind(machine, controller::ScsiController),
        bind(machine, controller::IdeController),
        bind(machine, device::PnpEntity),
        bind(machine, input::Keyboard),
        bind(machine, input::PointingDevice),
        bind(machine, serial::SerialPort),
    ]
}
