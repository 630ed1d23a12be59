//! Netlink multicast groups of the kernel (netlink(7)).

use std::io;
use std::os::fd::OwnedFd;

use readiness::watch;
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketAddrAny, SocketFlags, SocketType};
use rustix::net::{Protocol, bind, recvfrom, socket_with, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A listener.
pub(super) struct Multicast {
    socket: AsyncFd<OwnedFd>,
    heard: Heard,
}

/// Accepted senders. Only processes with `CAP_NET_ADMIN` can send to these groups.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Kernel,
    KernelAndProcesses,
}

/// A message, or a report of lost messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Message(Vec<u8>),
    /// Messages were lost because the receive buffer was full.
    Lost,
}

/// Groups for links, and for addresses and routes of both families (`RTMGRP_*` of `linux/rtnetlink.h`).
const NETWORK: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Group of device events of the kernel itself.
const DEVICES: u32 = 1;

/// Group of device events repeated by udev after processing; unused without udev.
const DEVICES_BY_UDEV: u32 = 2;

/// Maximum length of a message in bytes.
const LONGEST: usize = 32 << 10;

impl Multicast {
    /// Listens for changes of links, addresses and routes.
    pub(super) fn of_network() -> io::Result<Self> {
        // The protocol number of routes is 0.
        Self::open(None, NETWORK, Heard::Kernel)
    }

    /// Listens for changes of devices.
    pub(super) fn of_devices() -> io::Result<Self> {
        Self::open(Some(KOBJECT_UEVENT), DEVICES, Heard::Kernel)
    }

    /// Listens for changes of devices, and for the events of udev.
    pub(super) fn of_devices_and_udev() -> io::Result<Self> {
        Self::open(Some(KOBJECT_UEVENT), DEVICES | DEVICES_BY_UDEV, Heard::KernelAndProcesses)
    }

    fn open(protocol: Option<Protocol>, groups: u32, heard: Heard) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        // A larger buffer for bursts; optional.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, 1 << 20);
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self { socket: watch(socket, Interest::READABLE)?, heard })
    }

    /// Waits for the next message. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<Told> {
        loop {
            let mut readable = self.socket.readable().await?;
            let mut message = vec![0; LONGEST];
            match recvfrom(readable.get_inner(), message.as_mut_slice(), RecvFlags::empty()) {
                // Processes may also send to the group; messages of the kernel have port 0.
                Ok((length, _, from))
                    if self.heard == Heard::KernelAndProcesses || is_kernel(from.as_ref()) =>
                {
                    message.truncate(length);
                    return Ok(Told::Message(message));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => readable.clear_ready(),
                Err(Errno::NOBUFS) => return Ok(Told::Lost),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn is_kernel(from: Option<&SocketAddrAny>) -> bool {
    from.and_then(|from| SocketAddrNetlink::try_from(from.clone()).ok()).is_some_and(|from| from.pid() == 0)
}
