//! Addresses of this machine and their interfaces, as reported by the kernel (rtnetlink(7)).
//!
//! rtnetlink is used because no file lists IPv4 addresses together with their interfaces. A query takes some tens of
//! microseconds.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with, sockopt,
};
use tokio::net::UnixDatagram;

/// The usable addresses of this machine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interfaces {
    addresses: Vec<LocalAddress>,
}

/// Address with its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalAddress {
    pub(crate) ip: IpAddr,
    /// Length of the network prefix in bits.
    pub(crate) prefix: u8,
    /// Index of the interface, which is the scope of its link-local addresses.
    pub(crate) interface: u32,
    /// Hardware address, if the interface has one of six bytes.
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) is_loopback: bool,
}

impl Interfaces {
    /// Queries the kernel.
    ///
    /// # Errors
    /// The error of the system call, for example under systemd with `RestrictAddressFamilies` without `AF_NETLINK`.
    pub(crate) fn query() -> io::Result<Self> {
        let mut links = Vec::new();
        dump(RTM_GETLINK, |kind, body| {
            if kind == RTM_NEWLINK {
                links.extend(Link::read(body));
            }
        })?;
        let mut addresses = Vec::new();
        dump(RTM_GETADDR, |kind, body| {
            if kind == RTM_NEWADDR {
                addresses.extend(address(body, &links));
            }
        })?;
        Ok(Self { addresses })
    }

    /// Returns every address once, in the order of the kernel.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &LocalAddress> {
        self.addresses.iter()
    }

    /// Returns the scope of a socket address: the interface of a link-local address, otherwise 0.
    pub(crate) fn scope(&self, ip: Ipv6Addr) -> u32 {
        if !ip.is_unicast_link_local() {
            return 0;
        }
        self.iter().find(|local| local.ip == ip).map_or(0, |local| local.interface)
    }

    /// Returns whether an address belongs to the network of a loopback interface.
    ///
    /// All of 127.0.0.0/8 is local although only one of its addresses is listed.
    pub(crate) fn is_loopback(&self, ip: Ipv4Addr) -> bool {
        self.iter().filter(|local| local.is_loopback).any(|local| match local.ip {
            IpAddr::V4(own) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(local.prefix.min(32))).unwrap_or(0);
                u32::from(own) & mask == u32::from(ip) & mask
            }
            IpAddr::V6(_) => false,
        })
    }

    /// Returns whether an address belongs to this machine.
    pub(crate) fn has(&self, ip: IpAddr) -> bool {
        self.iter().any(|local| local.ip == ip) || matches!(ip, IpAddr::V4(ip) if self.is_loopback(ip))
    }

    #[cfg(test)]
    pub(crate) fn of(addresses: impl IntoIterator<Item = LocalAddress>) -> Self {
        Self { addresses: addresses.into_iter().collect() }
    }
}

/// Notifications of the kernel about changed interfaces or addresses.
///
/// The type is that of a Unix datagram socket because Tokio has none for rtnetlink. Only receiving is used.
#[derive(Debug)]
pub(crate) struct InterfaceMonitor(Option<UnixDatagram>);

impl InterfaceMonitor {
    /// Subscribes to the notifications. If that is not permitted, there will be none.
    pub(crate) fn new() -> Self {
        let socket = subscribe().inspect_err(|error| {
            tracing::debug!(%error, "Changes of network interfaces are not monitored");
        });
        Self(socket.ok())
    }

    /// Returns whether notifications arrive.
    pub(crate) fn is_available(&self) -> bool {
        self.0.is_some()
    }

    /// Waits for a notification. It does not say what has changed, because notifications may have been lost.
    pub(crate) async fn changed(&self) {
        let Some(socket) = &self.0 else { return std::future::pending().await };
        let mut notification = [0; 64];
        // An error means that the queue of the socket has overflowed.
        let _ = socket.recv(&mut notification).await;
        while socket.try_recv(&mut notification).is_ok() {}
    }
}

fn subscribe() -> io::Result<UnixDatagram> {
    /// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`
    const GROUPS: u32 = 0x1 | 0x10 | 0x100;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    UnixDatagram::from_std(socket.into())
}

/// A network interface.
struct Link {
    index: u32,
    is_loopback: bool,
    mac: Option<[u8; 6]>,
}

impl Link {
    /// Parses `struct ifinfomsg` and its attributes (rtnetlink(7)).
    fn read(body: &[u8]) -> Option<Self> {
        const IFF_LOOPBACK: u32 = 8;
        const IFLA_ADDRESS: u16 = 1;
        let (head, attributes) = body.split_first_chunk::<16>()?;
        let index = u32_at(head, 4)?;
        let is_loopback = u32_at(head, 8)? & IFF_LOOPBACK != 0;
        let mac = Attributes(attributes).find(|(kind, _)| *kind == IFLA_ADDRESS);
        let mac = mac.and_then(|(_, bytes)| <[u8; 6]>::try_from(bytes).ok());
        Some(Self { index, is_loopback, mac: mac.filter(|_| !is_loopback) })
    }
}

/// Parses `struct ifaddrmsg` and its attributes (rtnetlink(7)); `None` for an address that is not usable yet.
fn address(body: &[u8], links: &[Link]) -> Option<LocalAddress> {
    const IFA_ADDRESS: u16 = 1;
    /// The local address of a point-to-point interface, whose `IFA_ADDRESS` is that of the peer.
    const IFA_LOCAL: u16 = 2;
    const IFA_F_DADFAILED: u8 = 0x08;
    const IFA_F_TENTATIVE: u8 = 0x40;
    let (&[_, prefix, flags, _, ..], attributes) = body.split_first_chunk::<8>()?;
    if flags & (IFA_F_DADFAILED | IFA_F_TENTATIVE) != 0 {
        return None;
    }
    let interface = u32_at(body, 4)?;
    let local = Attributes(attributes).find(|(kind, _)| *kind == IFA_LOCAL);
    let (_, bytes) = local.or_else(|| Attributes(attributes).find(|(kind, _)| *kind == IFA_ADDRESS))?;
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    let link = links.iter().find(|link| link.index == interface);
    Some(LocalAddress {
        ip,
        prefix,
        interface,
        mac: link.and_then(|link| link.mac),
        is_loopback: link.is_some_and(|link| link.is_loopback),
    })
}

/// Requests a dump of all objects of a type and calls `message` with the type and body of each.
fn dump(request: u16, mut message: impl FnMut(u16, &[u8])) -> io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let limit = std::time::Duration::from_secs(1);
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(limit))?;
    // Without a destination the message goes to the kernel; the system call filter of the gateway allows none.
    send(&socket, &dump_request(request), SendFlags::empty())?;
    // Maximum size of a datagram from the kernel (netlink_dump in net/netlink/af_netlink.c).
    let mut buffer = vec![0; 32 * 1_024];
    for _ in 0..MAX_DATAGRAMS {
        let (_, length) = recv(&socket, &mut *buffer, RecvFlags::empty())?;
        for (kind, body) in Messages(buffer.get(..length).unwrap_or_default()) {
            match kind {
                NLMSG_DONE => return Ok(()),
                NLMSG_ERROR => {
                    let code = u32_at(body, 0).unwrap_or_default().cast_signed();
                    return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
                }
                _ => message(kind, body),
            }
        }
    }
    Err(io::Error::other("the kernel's list of addresses does not end"))
}

/// Returns `struct nlmsghdr` and an empty `struct rtgenmsg`, padded to the size of the larger structures (netlink(7)).
fn dump_request(request: u16) -> [u8; 32] {
    /// `NLM_F_REQUEST | NLM_F_DUMP`
    const DUMP: u16 = 0x301;
    let mut bytes = [0; 32];
    let fields = [&32_u32.to_ne_bytes()[..], &request.to_ne_bytes(), &DUMP.to_ne_bytes()].concat();
    for (byte, field) in bytes.iter_mut().zip(fields) {
        *byte = field;
    }
    bytes
}

/// Messages of a datagram: type and body.
struct Messages<'d>(&'d [u8]);

impl<'d> Iterator for Messages<'d> {
    type Item = (u16, &'d [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const HEAD: usize = 16;
        let length = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let kind = u16_at(self.0, 4)?;
        let body = self.0.get(HEAD..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    }
}

/// Attributes of a message: type and value (`struct rtattr`, rtnetlink(7)).
struct Attributes<'d>(&'d [u8]);

impl<'d> Iterator for Attributes<'d> {
    type Item = (u16, &'d [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const HEAD: usize = 4;
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)?;
        let value = self.0.get(HEAD..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Maximum number of datagrams of one dump, enough for far more than ten thousand addresses.
const MAX_DATAGRAMS: usize = 4_096;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_covers_its_whole_network() {
        let interfaces = Interfaces::query().unwrap();
        let own = interfaces.iter().find(|local| local.ip == Ipv4Addr::LOCALHOST).unwrap();
        assert!(own.is_loopback && own.mac.is_none() && own.prefix == 8, "{own:?}");
        assert!(interfaces.is_loopback([127, 0, 0, 2].into()));
        assert!(!interfaces.is_loopback([192, 0, 2, 1].into()));
    }

    #[test]
    fn hardware_addresses_are_those_of_sysfs() {
        for local in Interfaces::query().unwrap().iter().filter(|local| local.mac.is_some()) {
            let shown = std::fs::read_dir("/sys/class/net").unwrap().find_map(|interface| {
                let read = |file| std::fs::read_to_string(interface.as_ref().unwrap().path().join(file));
                let is_it = read("ifindex").ok()?.trim().parse() == Ok(local.interface);
                is_it.then(|| read("address").unwrap().trim().to_owned())
            });
            let mac = local.mac.unwrap().map(|octet| format!("{octet:02x}")).join(":");
            assert_eq!(shown, Some(mac), "{local:?}");
        }
    }

    #[test]
    fn wrong_lengths_end_the_list() {
        for length in [0_u32, 3, 15, 40, u32::MAX] {
            let mut datagram = [0; 20];
            datagram[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(Messages(&datagram).count(), 0, "{length}");
            assert_eq!(Attributes(&datagram[..3]).count(), 0);
        }
        assert!(Link::read(&[0; 15]).is_none());
        assert!(address(&[0; 8], &[]).is_none());
    }
}
