//! Sockets that the runtime watches for one thing only; `unsafe`, since the runtime trusts whoever registers.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::net::UnixStream;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime of this task say when a socket is ready for something. It must not block.
///
/// # Errors
/// The system's.
pub(crate) fn watch(socket: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: the socket owns its descriptor and never has another one; it stays open until it is dropped, which only
    // the `AsyncFd` does.
    let watched = unsafe { AsyncFd::register_with_interest(socket, interest) };
    Ok(watched?)
}
