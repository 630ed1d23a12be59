//! Descriptors that this program was started with: sockets that a service manager bound (sd_listen_fds(3)), and others.
//!
//! `unsafe` is allowed here because the manager hands them over as bare numbers of descriptors, and there is no
//! other way to take possession of those, nor to close what nobody in this process owns.
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

/// Keeps every descriptor but the standard streams from the programs that this process starts. The process may have
/// inherited them from an init script, a container or a shell of root.
///
/// To be called before the program opens or starts anything.
pub(crate) fn keep_from_children() {
    if !for_all_beyond_streams(libc::CLOSE_RANGE_CLOEXEC) {
        // Before Linux 5.11.
        for descriptor in open_beyond_streams() {
            // SAFETY: only a flag of the descriptor is changed while it is borrowed, which fails if it is not open.
            let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
            let _ = fcntl_setfd(borrowed, FdFlags::CLOEXEC);
        }
    }
}

/// Closes every descriptor but the standard streams, in a process that another one of this service has started: that one
/// may have had files open for a moment that the C library does not close by itself, such as `/etc/shadow`.
///
/// To be called before the program opens or starts anything.
pub(crate) fn close_all() {
    if !for_all_beyond_streams(0) {
        // Before Linux 5.9.
        for descriptor in open_beyond_streams() {
            // SAFETY: nothing in this process has opened a descriptor yet, so none of them has an owner.
            drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }
}

/// Calls close_range(2) for all descriptors beyond the standard streams; returns whether the kernel knows the call.
fn for_all_beyond_streams(flags: libc::c_uint) -> bool {
    // SAFETY: the call reads and writes no memory. Without a flag it closes descriptors that have no owner yet, since
    // nothing in this process has opened one.
    unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, flags) == 0 }
}

/// Returns the numbers of the descriptors beyond the standard streams, without the one that the list was read with.
fn open_beyond_streams() -> Vec<RawFd> {
    let listed = std::fs::read_dir("/proc/self/fd").into_iter().flatten().filter_map(Result::ok);
    let numbers: Vec<RawFd> = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let is_open = |number: &RawFd| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
    numbers.into_iter().filter(|number| *number >= FIRST).filter(is_open).collect()
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
