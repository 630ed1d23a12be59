//! Hardware of the machine: firmware tables, and devices found by the kernel.

mod board;
mod controller;
mod device;
mod firmware;
mod floppy;
mod input;
mod memory;
mod monitor;
mod motherboard;
mod parallel;
pub(crate) mod processor;
mod sensor;
mod serial;
mod signed_driver;
mod slot;
mod system_bios;
mod thermal_zone;
mod usb;

use std::sync::Arc;

use crate::Machine;
use crate::table::association::relate;
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
        bind(machine, sensor::VoltageProbe),
        bind(machine, sensor::CurrentProbe),
        bind(machine, controller::VideoController),
        bind(machine, controller::SoundDevice),
        bind(machine, controller::UsbController),
        bind(machine, controller::ScsiController),
        bind(machine, controller::IdeController),
        bind(machine, device::PnpEntity),
        bind(machine, input::Keyboard),
        bind(machine, input::PointingDevice),
        bind(machine, serial::SerialPort),
        relate(machine, &system_bios::SYSTEM_BIOS),
        bind(machine, usb::UsbHub),
        relate(machine, &usb::CONTROLLER_DEVICE),
        bind(machine, controller::FireWireController),
        bind(machine, monitor::DesktopMonitor),
        bind(machine, monitor::MonitorId),
        bind(machine, thermal_zone::ThermalZoneTemperature),
        bind(machine, motherboard::MotherboardDevice),
        bind(machine, parallel::ParallelPort),
        bind(machine, floppy::FloppyDrive),
        bind(machine, signed_driver::SignedDriver),
    ]
}
