//! Access to data that only root may read, for a process that does not run as root.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use zeroize::Zeroizing;

/// Source of the controllers of a machine, for a process that may not read them itself.
pub trait ControllerSource: fmt::Debug + Send + Sync {
    /// Returns the data that the caller may access. Blocks; it is called repeatedly.
    ///
    /// # Errors
    /// If the other process does not respond.
    fn load(&self) -> io::Result<ControllerAccess>;
}

/// Data that a [`ControllerSource`] returns.
pub struct ControllerAccess {
    /// Result of [`HostFile::export`](crate::HostFile::export); `None` if the caller may not have it.
    pub controllers: Option<Zeroizing<String>>,
    /// Open device file of the driver for the machine's own controller, if it exists.
    pub driver: Option<OwnedFd>,
}

/// Returns the device file of the driver, if this machine has a controller.
#[must_use]
pub fn driver() -> Option<&'static Path> {
    ipmi::DEVICES.into_iter().map(Path::new).find(|device| device.exists())
}
