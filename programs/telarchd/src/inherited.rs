//! Sockets that a service manager bound before it started this program (sd_listen_fds(3)).
//!
//! `unsafe` is allowed here because the manager hands them over as bare numbers of descriptors, and there is no
//! other way to take possession of those.
#![allow(unsafe_code)]

use std::env;
use std::net::TcpListener;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, sockopt};

/// Sockets that listen.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    pub(crate) network: Vec<TcpListener>,
    pub(crate) local: Vec<UnixListener>,
    /// What was handed over and cannot be used, for the log.
    pub(crate) refused: Vec<String>,
}

/// Takes what `LISTEN_FDS` counts, if `LISTEN_PID` says that this process is meant.
///
/// To be called once, and before the program opens or starts anything.
pub(crate) fn take() -> Inherited {
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    let is_meant = number("LISTEN_PID") == Some(std::process::id());
    let count = number("LISTEN_FDS").filter(|_| is_meant).unwrap_or(0).min(MOST);
    let mut inherited = Inherited::default();
    for descriptor in (FIRST..).take(usize::try_from(count).unwrap_or(0)) {
        match own(descriptor) {
            Ok(socket) => inherited.sort(socket, descriptor),
            Err(error) => inherited.refused.push(format!("descriptor {descriptor}: {error}")),
        }
    }
    inherited
}

/// The first that is handed over, `SD_LISTEN_FDS_START`.
const FIRST: RawFd = 3;
/// More than anybody configures.
const MOST: u32 = 64;

/// Takes possession of an open descriptor, and keeps the commands that are started from inheriting it.
fn own(descriptor: RawFd) -> rustix::io::Result<OwnedFd> {
    // SAFETY: the descriptor is only asked for its flags while it is borrowed, which fails for one that is not
    // open; nothing else runs yet that could close it meanwhile.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, as was just seen. The manager passed it to this process for good, and `take` is called
    // once, before anything else is open, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

impl Inherited {
    fn sort(&mut self, socket: OwnedFd, descriptor: RawFd) {
        let kind = sockopt::socket_type(&socket);
        let listens = sockopt::socket_acceptconn(&socket);
        if (kind, listens) != (Ok(SocketType::STREAM), Ok(true)) {
            self.refused.push(format!("descriptor {descriptor}: it is not a stream socket that listens"));
            return;
        }
        match sockopt::socket_domain(&socket) {
            Ok(AddressFamily::INET | AddressFamily::INET6) => self.network.push(socket.into()),
            Ok(AddressFamily::UNIX) => self.local.push(socket.into()),
            _ => self.refused.push(format!("descriptor {descriptor}: it is of no family that is served")),
        }
    }
}
