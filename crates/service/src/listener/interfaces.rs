//! The addresses of this machine and the interfaces they belong to, as the kernel tells them.
//!
//! It is asked over a socket of its own (rtnetlink(7)), because no file has both IPv4 addresses and their
//! interfaces. An answer takes some tens of microseconds, so asking once too often costs nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with, sockopt,
};
use tokio::net::UnixDatagram;

/// Every usable address of this machine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interfaces {
    addresses: Vec<LocalAddress>,
}

/// One address with its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalAddress {
    pub(crate) ip: IpAddr,
    /// How many bits of the address are those of its network.
    pub(crate) prefix: u8,
    /// The number of the interface, which is the scope of its link-local addresses.
    pub(crate) interface: u32,
    /// The hardware address, where the interface has one of six octets.
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) is_loopback: bool,
}

impl Interfaces {
    /// Asks the kernel.
    ///
    /// # Errors
    /// The system's, where a program may not ask: `RestrictAddressFamilies` of systemd without `AF_NETLINK`.
    pub(crate) fn ask() -> io::Result<Self> {
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

    /// Every address once, in the kernel's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &LocalAddress> {
        self.addresses.iter()
    }

    /// The scope that an address needs in a socket address: its interface if it is link-local, else 0.
    pub(crate) fn scope(&self, ip: Ipv6Addr) -> u32 {
        if !ip.is_unicast_link_local() {
            return 0;
        }
        self.iter().find(|local| local.ip == ip).map_or(0, |local| local.interface)
    }

    /// Whether packets to this address stay here: all of a loopback interface's IPv4 network does, although
    /// only one address of it is listed.
    pub(crate) fn is_loopback(&self, ip: Ipv4Addr) -> bool {
        self.iter().filter(|local| local.is_loopback).any(|local| match local.ip {
            IpAddr::V4(own) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(local.prefix.min(32))).unwrap_or(0);
                u32::from(own) & mask == u32::from(ip) & mask
            }
            IpAddr::V6(_) => false,
        })
    }

    /// Whether packets to this address come to this machine.
    pub(crate) fn has(&self, ip: IpAddr) -> bool {
        self.iter().any(|local| local.ip == ip) || matches!(ip, IpAddr::V4(ip) if self.is_loopback(ip))
    }

    #[cfg(test)]
    pub(crate) fn of(addresses: impl IntoIterator<Item = LocalAddress>) -> Self {
        Self { addresses: addresses.into_iter().collect() }
    }
}

/// The kernel's word that interfaces or addresses have changed.
///
/// The socket is one of rtnetlink; the type is that of another socket of datagrams, which the runtime knows how
/// to wait for, and of which nothing but receiving is used.
#[derive(Debug)]
pub(crate) struct Changes(Option<UnixDatagram>);

impl Changes {
    /// Begins to listen for it; where that is not allowed, it never comes.
    pub(crate) fn listen() -> Self {
        /// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`
        const GROUPS: u32 = 0x1 | 0x10 | 0x100;
        let listen = || {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
            bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
            UnixDatagram::from_std(socket.into())
        };
        let failed = |error: &io::Error| tracing::debug!(%error, "Changes of interfaces go unheard");
        Self(listen().inspect_err(failed).ok())
    }

    /// Waits for it. What exactly has changed is to be asked: words may have been lost.
    pub(crate) async fn heard(&self) {
        let Some(socket) = &self.0 else { return std::future::pending().await };
        let mut word = [0; 64];
        // An error means that there were more than the socket holds.
        let _ = socket.recv(&mut word).await;
        while socket.try_recv(&mut word).is_ok() {}
    }
}

/// What is needed of an interface.
struct Link {
    index: u32,
    is_loopback: bool,
    mac: Option<[u8; 6]>,
}

impl Link {
    /// `struct ifinfomsg` and its attributes (rtnetlink(7)).
    fn read(body: &[u8]) -> Option<Self> {
        const IFF_LOOPBACK: u32 = 8;
        const IFLA_ADDRESS: u16 = 1;
        let (head, attributes) = body.split_first_chunk::<16>()?;
        let index = u32_at(head, 4)?;
        let is_loopback = u32_at(head, 8)? & IFF_LOOPBACK != 0;
        let mac = Attributes(attributes).find(|(kind, _)| *kind == IFLA_ADDRESS);
        let mac = mac.and_then(|(_, octets)| <[u8; 6]>::try_from(octets).ok());
        Some(Self { index, is_loopback, mac: mac.filter(|_| !is_loopback) })
    }
}

/// `struct ifaddrmsg` and its attributes (rtnetlink(7)); none for an address that cannot be used yet.
fn address(body: &[u8], links: &[Link]) -> Option<LocalAddress> {
    const IFA_ADDRESS: u16 = 1;
    /// The own address, where `IFA_ADDRESS` is that of the other end.
    const IFA_LOCAL: u16 = 2;
    const IFA_F_DADFAILED: u8 = 0x08;
    const IFA_F_TENTATIVE: u8 = 0x40;
    let (&[_, prefix, flags, _, ..], attributes) = body.split_first_chunk::<8>()?;
    if flags & (IFA_F_DADFAILED | IFA_F_TENTATIVE) != 0 {
        return None;
    }
    let interface = u32_at(body, 4)?;
    let of = |wanted| Attributes(attributes).find(|(kind, _)| *kind == wanted).map(|(_, octets)| octets);
    let octets = of(IFA_LOCAL).or_else(|| of(IFA_ADDRESS))?;
    let ip = match octets.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(octets).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
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

/// Asks for everything of a kind, and shows each message of the answer.
fn dump(request: u16, mut message: impl FnMut(u16, &[u8])) -> io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let patience = std::time::Duration::from_secs(1);
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(patience))?;
    // Without an address it goes to the kernel; a process that is confined may give none.
    send(&socket, &question(request), SendFlags::empty())?;
    // The kernel puts at most this much into one datagram (netlink_dump in net/netlink/af_netlink.c).
    let mut buffer = vec![0; 32 * 1_024];
    for _ in 0..MOST_DATAGRAMS {
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
    Err(io::Error::other("the kernel does not end its list of addresses"))
}

/// `struct nlmsghdr` and an empty `struct rtgenmsg`, with room for the larger ones (netlink(7)).
fn question(request: u16) -> [u8; 32] {
    /// `NLM_F_REQUEST | NLM_F_DUMP`
    const DUMP: u16 = 0x301;
    let mut octets = [0; 32];
    let fields = [&32_u32.to_ne_bytes()[..], &request.to_ne_bytes(), &DUMP.to_ne_bytes()].concat();
    for (octet, field) in octets.iter_mut().zip(fields) {
        *octet = field;
    }
    octets
}

/// The messages in a datagram: kind and body.
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

/// The attributes of a message: kind and octets (`struct rtattr`, rtnetlink(7)).
struct Attributes<'d>(&'d [u8]);

impl<'d> Iterator for Attributes<'d> {
    type Item = (u16, &'d [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const HEAD: usize = 4;
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)?;
        let octets = self.0.get(HEAD..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, octets))
    }
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}

/// Far more than a machine with tens of thousands of addresses needs.
const MOST_DATAGRAMS: usize = 4_096;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_its_address_and_its_whole_network() {
        let interfaces = Interfaces::ask().unwrap();
        let own = interfaces.iter().find(|local| local.ip == Ipv4Addr::LOCALHOST).unwrap();
        assert!(own.is_loopback && own.mac.is_none() && own.prefix == 8, "{own:?}");
        assert!(interfaces.is_loopback([127, 0, 0, 2].into()));
        assert!(!interfaces.is_loopback([192, 0, 2, 1].into()));
    }

    #[test]
    fn an_interface_that_is_not_loopback_has_the_hardware_address_that_the_system_shows() {
        for local in Interfaces::ask().unwrap().iter().filter(|local| local.mac.is_some()) {
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
    fn lengths_that_lie_end_the_list() {
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
