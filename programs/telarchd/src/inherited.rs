//! Descriptors that this program was started with: listening sockets of a service manager (sd_listen_fds(3)), and
//! others.
//!
//! `unsafe` is allowed here because inherited descriptors are bare numbers: there is no other way to take ownership of them.
#![allow(unsafe_code)]

use std::env;
use std::net::TcpListener;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, sockopt};

/// Inherited listening sockets.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    pub(crate) network: Vec<TcpListener>,
    pub(crate) local: Vec<UnixListener>,
    /// Descriptions of descriptors that cannot be used, for the log.
    pub(crate) refused: Vec<String>,
}

/// Takes ownership of the descriptors announced in `LISTEN_FDS`, if `LISTEN_PID` is this process.
///
/// Must be called once, and before the program opens or starts anything.
pub(crate) fn take() -> Inherited {
    let is_addressee = variable("LISTEN_PID") == Some(std::process::id());
    let count = variable("LISTEN_FDS").filter(|_| is_addressee).unwrap_or(0).min(MOST);
    let mut inherited = Inherited::default();
    for descriptor in (FIRST..).take(usize::try_from(count).unwrap_or(0)) {
        match own(descriptor) {
            Ok(socket) => inherited.sort(socket, descriptor),
            Err(error) => inherited.refused.push(format!("descriptor {descriptor}: {error}")),
        }
    }
    inherited
}

fn variable(name: &str) -> Option<u32> {
    env::var(name).ok()?.parse().ok()
}

/// First inherited descriptor (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;
/// Maximum number of inherited sockets.
const MOST: u32 = 64;

/// Takes ownership of an open descriptor and marks it close-on-exec.
fn own(descriptor: RawFd) -> rustix::io::Result<OwnedFd> {
    // SAFETY: the descriptor is borrowed only to set a flag, which fails if it is not open. No other thread exists that
    // could close it.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: the call above has shown that it is open. The manager passed it to this process, and `take` is called
    // once, before anything else is opened, so it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

impl Inherited {
    fn sort(&mut self, socket: OwnedFd, descriptor: RawFd) {
        let kind = sockopt::socket_type(&socket);
        let listens = sockopt::socket_acceptconn(&socket);
        if (kind, listens) != (Ok(SocketType::STREAM), Ok(true)) {
            self.refused.push(format!("descriptor {descriptor}: not a listening stream socket"));
            return;
        }
        match sockopt::socket_domain(&socket) {
            Ok(AddressFamily::INET | AddressFamily::INET6) => self.network.push(socket.into()),
            Ok(AddressFamily::UNIX) => self.local.push(socket.into()),
            _ => self.refused.push(format!("descriptor {descriptor}: unsupported address family")),
        }
    }
}
