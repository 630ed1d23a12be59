//! Hardware of the machine: firmware tables, and devices found by the kernel.

pub(crate) mod oracle;
pub mod pci;
pub mod smbios;
