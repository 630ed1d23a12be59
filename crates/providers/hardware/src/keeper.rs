//! What only root may read, where the process that asks controllers is not root.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use zeroize::Zeroizing;

/// Who has the controllers of a machine, for a process that may not read them itself.
pub trait HardwareKeeper: fmt::Debug + Send + Sync {
    /// What whoever asks may have. It may take a moment, and is asked now and then.
    ///
    /// # Errors
    /// When the keeper does not answer.
    fn hand_over(&self) -> io::Result<Handed>;
}

/// What a keeper gives away.
pub struct Handed {
    /// What [`HostFile::hand_over`](crate::HostFile::hand_over) gives; none if whoever asks may not have it.
    pub controllers: Option<Zeroizing<String>>,
    /// The open file of the driver of the machine's own controller, if there is one.
    pub driver: Option<OwnedFd>,
}

/// The file of the driver, on a machine that has a controller of its own.
#[must_use]
pub fn driver() -> Option<&'static Path> {
    ipmi::DEVICES.into_iter().map(Path::new).find(|device| device.exists())
}
