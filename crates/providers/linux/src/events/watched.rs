//! Descriptors that the runtime watches for one thing only; `unsafe`, since the runtime trusts whoever registers.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime of this task say when there is something with a descriptor. It must not block.
///
/// # Errors
/// The system's.
pub(super) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` never has another descriptor, which stays open until it is dropped, which only the
    // `AsyncFd` does.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, interest) };
    Ok(watched?)
}
