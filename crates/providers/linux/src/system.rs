//! The machine as a whole.

mod memory;
mod mounts;
mod operating_system;
mod os_release;

pub(crate) use operating_system::OperatingSystem;
