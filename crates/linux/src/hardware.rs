//! Hardware of the machine: firmware tables, and devices found by the kernel.

pub mod device;
pub mod firmware;
pub mod memory;
pub mod monitor;
pub mod pci;
pub mod sensor;
pub mod serial;
pub mod slot;
pub mod smbios;
