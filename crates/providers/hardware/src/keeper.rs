//! Access to data that only root may read, for a process that does not run as root.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use zeroize::Zeroizing;

/// Source of the controllers of a machine, for a process that may not read them itself.
pub trait HardwareKeeper: fmt::Debug + Send + Sync {
    /// Returns the data that the caller may have. It may take a moment, and is called from time to time.
    ///
    /// # Errors
    /// If the keeper does not respond.
    fn hand_over(&self) -> io::Result<Handed>;
}

/// Data returned by a keeper.
pub struct Handed {
    /// Result of [`HostFile::hand_over`](crate::HostFile::hand_over); `None` if the caller may not have it.
    pub controllers: Option<Zeroizing<String>>,
    /// Open device file of the driver for the machine's own controller, if it exists.
    pub driver: Option<OwnedFd>,
}

/// Returns the device file of the driver, if this machine has a controller.
#[must_use]
pub fn driver() -> Option<&'static Path> {
    ipmi::DEVICES.into_iter().map(Path::new).find(|device| device.exists())
}
