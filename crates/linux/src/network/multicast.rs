//! Netlink multicast groups of the kernel (netlink(7)).

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketAddrAny, SocketFlags, SocketType};
use rustix::net::{bind, recvfrom, socket_with, sockopt};

/// Multicast groups of one kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// Changes of links, addresses and routes.
    Network,
    /// Changes of devices.
    Devices,
    /// Changes of devices, and the events that udev sends after processing them.
    DevicesAndUdev,
}

/// A message, or a report of lost messages.
#[derive(Debug, PartialEq, Eq)]
pub enum Notification {
    /// A message of at most 32 KiB.
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

impl Groups {
    /// Opens a non-blocking socket that receives the messages of the groups.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn open(self) -> io::Result<OwnedFd> {
        let (protocol, groups) = match self {
            // The protocol number of routes is 0.
            Self::Network => (None, NETWORK),
            Self::Devices => (Some(KOBJECT_UEVENT), DEVICES),
            Self::DevicesAndUdev => (Some(KOBJECT_UEVENT), DEVICES | DEVICES_BY_UDEV),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        // A larger buffer for bursts; optional.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, 1 << 20);
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(socket)
    }

    /// Receives a message from a socket of these groups; `None` if it came from an unexpected sender.
    ///
    /// # Errors
    /// Errors of the operating system; [`io::ErrorKind::WouldBlock`] if there is no message.
    pub fn receive(self, socket: &OwnedFd) -> io::Result<Option<Notification>> {
        let mut message = vec![0; LONGEST];
        match recvfrom(socket, message.as_mut_slice(), RecvFlags::empty()) {
            // Processes with `CAP_NET_ADMIN` may also send to the groups; messages of the kernel have port 0.
            Ok((length, _, from)) if self == Self::DevicesAndUdev || is_kernel(from.as_ref()) => {
                message.truncate(length);
                Ok(Some(Notification::Message(message)))
            }
            Ok(_) | Err(Errno::INTR) => Ok(None),
            Err(Errno::NOBUFS) => Ok(Some(Notification::Lost)),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_kernel(from: Option<&SocketAddrAny>) -> bool {
    from.and_then(|from| SocketAddrNetlink::try_from(from.clone()).ok()).is_some_and(|from| from.pid() == 0)
}
