//! Descriptors registered with the runtime. `unsafe` is needed because the runtime trusts the caller to keep
//! them open.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Owner of a descriptor that never changes it. Implemented only for types of the standard library that are
/// known to guarantee this.
pub trait Held: AsRawFd + sealed::Sealed {}

impl Held for OwnedFd {}
impl Held for UnixStream {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::OwnedFd {}
    impl Sealed for super::UnixStream {}
}

/// Registers a descriptor with the current runtime, to wait until it is ready. The descriptor must be
/// non-blocking.
///
/// # Errors
/// Errors of the operating system.
///
/// # Panics
/// Outside a runtime with I/O enabled.
pub fn watch<D: Held>(descriptor: D, interest: Interest) -> io::Result<AsyncFd<D>> {
    // SAFETY: a `Held` type owns its descriptor and never replaces it. The descriptor stays open until the
    // value is dropped, which only the `AsyncFd` does.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, interest) };
    Ok(watched?)
}
