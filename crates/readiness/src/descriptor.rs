//! Descriptors that the runtime watches; `unsafe`, since the runtime trusts whoever registers.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What holds one descriptor from its beginning to its end, and never another: only types of the standard library, of
/// which that is known.
pub trait Held: AsRawFd + sealed::Sealed {}

impl Held for OwnedFd {}
impl Held for UnixStream {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::OwnedFd {}
    impl Sealed for super::UnixStream {}
}

/// Has the runtime of this task say when a descriptor is ready for something. It must not block.
///
/// # Errors
/// The system's.
///
/// # Panics
/// Outside of a runtime that watches descriptors.
pub fn watch<D: Held>(descriptor: D, interest: Interest) -> io::Result<AsyncFd<D>> {
    // SAFETY: whatever is `Held` owns its descriptor and never has another one; it stays open until it is dropped,
    // which only the `AsyncFd` does.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, interest) };
    Ok(watched?)
}
