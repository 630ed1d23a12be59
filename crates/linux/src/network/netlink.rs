//! Netlink access to addresses, routes and links (rtnetlink(7), RFC 3549).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::netlink::{GENERIC, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

/// Message type of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// `RTM_GETLINK`
    GetLink = 18,
    /// `RTM_SETLINK`
    SetLink = 19,
    /// `RTM_NEWADDR`
    NewAddress = 20,
    /// `RTM_DELADDR`
    DeleteAddress = 21,
    /// `RTM_GETADDR`
    GetAddress = 22,
    /// `RTM_NEWROUTE`
    NewRoute = 24,
    /// `RTM_DELROUTE`
    DeleteRoute = 25,
    /// `RTM_GETROUTE`
    GetRoute = 26,
    /// `RTM_NEWNEIGH`
    NewNeighbor = 28,
    /// `RTM_DELNEIGH`
    DeleteNeighbor = 29,
    /// `RTM_GETNEIGH`
    GetNeighbor = 30,
}

/// Types of control messages (`NLMSG_*`).
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Flags of requests (`NLM_F_*`).
const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const DUMP: u16 = 0x300;
const REPLACE: u16 = 0x100;
const CREATE: u16 = 0x400;

/// Maximum number of bytes of a response: some hundred thousand routes.
const MOST: usize = 64 << 20;

/// A message of the kernel, without its header.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a>(&'a [u8]);

/// Requests all links, addresses, routes or neighbors, and passes on each message.
///
/// # Errors
/// Errors of the kernel.
pub fn dump(kind: Kind, take: impl FnMut(Message<'_>)) -> io::Result<()> {
    let socket = open(None)?;
    // Address family: any.
    send(&socket, kind as u16, REQUEST | DUMP, &[0; 12])?;
    listen(&socket, take)
}

/// Sends a request to a generic netlink family, whose number is assigned at boot (kernel documentation,
/// networking/generic_netlink).
///
/// # Errors
/// Errors of the kernel.
pub fn ask_generic(number: u16, body: &Body, take: impl FnMut(Message<'_>)) -> io::Result<()> {
    let socket = open(Some(GENERIC))?;
    send(&socket, number, REQUEST | ACKNOWLEDGE, &body.0)?;
    listen(&socket, take)
}

/// Passes on each message, until the kernel reports the end.
fn listen(socket: &OwnedFd, mut take: impl FnMut(Message<'_>)) -> io::Result<()> {
    let mut seen = 0;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let (length, _) = recv(socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        seen += length;
        for (kind, message) in messages(buffer.get(..length).unwrap_or_default()) {
            match kind {
                DONE => return Ok(()),
                ERROR => return verdict(message),
                _ => take(Message(message)),
            }
        }
        if length == 0 || seen > MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// Sends a change request to the kernel.
///
/// # Errors
/// Errors of the kernel.
pub fn change(kind: Kind, body: &Body) -> io::Result<()> {
    let socket = open(None)?;
    let is_new = matches!(kind, Kind::NewAddress | Kind::NewRoute | Kind::NewNeighbor);
    let how = if is_new { REPLACE | CREATE } else { 0 };
    send(&socket, kind as u16, REQUEST | ACKNOWLEDGE | how, &body.0)?;
    let mut buffer = vec![0; 32 << 10];
    let (length, _) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
    let answer = messages(buffer.get(..length).unwrap_or_default()).find(|(kind, _)| *kind == ERROR);
    answer.map_or_else(|| Err(io::ErrorKind::InvalidData.into()), |(_, message)| verdict(message))
}

fn open(protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    // Protocol 0 of this family is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(5)))?;
    Ok(socket)
}

fn send(socket: &OwnedFd, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(HEADER + body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    // Sequence number, and sender, which the kernel sets.
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    sendto(socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    Ok(())
}

/// Length of a header in bytes (`struct nlmsghdr`).
const HEADER: usize = 16;

/// Returns the messages in received data, each with its type.
pub fn messages(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(number_u32(octets, 0)?).ok()?;
        let kind = number_u16(octets, 4)?;
        let message = octets.get(HEADER..length)?;
        octets = octets.get(aligned(length)..).unwrap_or_default();
        Some((kind, message))
    })
}

/// Parses an acknowledgement: a negative error code, or zero.
fn verdict(message: &[u8]) -> io::Result<()> {
    match number_u32(message, 0).map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

impl<'a> Message<'a> {
    /// Wraps a received message without its header.
    pub fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Returns a byte of the fixed part.
    pub fn octet(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    /// Returns a 32-bit number of the fixed part.
    pub fn number(self, at: usize) -> u32 {
        number_u32(self.0, at).unwrap_or_default()
    }

    /// Returns the attributes after a fixed part of this length.
    pub fn attributes(self, fixed: usize) -> Attributes<'a> {
        Attributes(self.0.get(aligned(fixed)..).unwrap_or_default())
    }
}

/// A sequence of attributes (`struct rtattr`).
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Wraps nested attributes.
    pub fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Returns the content of the attribute with this type.
    pub fn find(self, kind: u16) -> Option<&'a [u8]> {
        // The two highest bits are flags.
        self.into_iter().find(|(known, _)| known & 0x3FFF == kind).map(|(_, content)| content)
    }

    /// Returns an attribute as 32-bit number.
    pub fn number(self, kind: u16) -> Option<u32> {
        number_u32(self.find(kind)?, 0)
    }

    /// Returns an attribute as 16-bit number.
    pub fn short(self, kind: u16) -> Option<u16> {
        number_u16(self.find(kind)?, 0)
    }

    /// Returns an attribute as byte.
    pub fn octet(self, kind: u16) -> Option<u8> {
        self.find(kind)?.first().copied()
    }

    /// Returns an attribute as text, without the terminating NUL.
    pub fn text(self, kind: u16) -> Option<&'a str> {
        std::str::from_utf8(self.find(kind)?).ok().map(|text| text.trim_end_matches('\0'))
    }

    /// Returns the nested attributes of an attribute.
    pub fn within(self, kind: u16) -> Self {
        Self(self.find(kind).unwrap_or_default())
    }

    /// Returns an attribute as IP address.
    pub fn address(self, kind: u16) -> Option<IpAddr> {
        let octets = self.find(kind)?;
        <[u8; 4]>::try_from(octets)
            .map(|octets| Ipv4Addr::from(octets).into())
            .or_else(|_| <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).into()))
            .ok()
    }
}

impl<'a> IntoIterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        let mut rest = self.0;
        Box::new(std::iter::from_fn(move || {
            let length = usize::from(number_u16(rest, 0)?);
            let kind = number_u16(rest, 2)?;
            let content = rest.get(4..length)?;
            rest = rest.get(aligned(length)..).unwrap_or_default();
            Some((kind, content))
        }))
    }
}

/// A request, without its header.
#[derive(Clone, Debug)]
pub struct Body(Vec<u8>);

impl Body {
    /// Creates a request with a fixed part.
    pub fn new(fixed: &[u8]) -> Self {
        Self(fixed.to_vec())
    }

    /// Returns the bytes written so far.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Appends an attribute.
    pub fn with(mut self, kind: u16, content: &[u8]) -> Self {
        let length = u16::try_from(content.len() + 4).unwrap_or(u16::MAX);
        self.0.resize(aligned(self.0.len()), 0);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(content);
        self
    }

    /// Appends an attribute with nested attributes.
    pub fn with_within(self, kind: u16, inner: &Body) -> Self {
        // NLA_F_NESTED.
        self.with(kind | 0x8000, &inner.0)
    }

    /// Appends an address attribute.
    pub fn with_address(self, kind: u16, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.with(kind, &address.octets()),
            IpAddr::V6(address) => self.with(kind, &address.octets()),
        }
    }
}

/// Returns the number of an address family (`AF_INET`, `AF_INET6`).
pub fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn number_u16(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|two| u16::from_ne_bytes(*two))
}

/// Returns the 32-bit number at an offset.
pub fn number_u32(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_list_ends_early() {
        let body = Body::new(&[0; 8]).with(1, &[127, 0, 0, 1]).with(3, b"lo\0").with(2, &[0; 16]);
        let message = Message(&body.0);
        let attributes = message.attributes(8);
        assert_eq!(attributes.address(1), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(attributes.find(3), Some(&b"lo\0"[..]));
        assert_eq!(attributes.address(2), Some(Ipv6Addr::UNSPECIFIED.into()));
        for end in 0..body.0.len() {
            let cut = Message(body.0.get(..end).unwrap_or_default()).attributes(8);
            assert!(cut.into_iter().count() < 3 && cut.find(2).is_none());
        }
        assert!(messages(&[1, 0, 0, 0]).next().is_none());
        assert!(messages(&[0; 64]).next().is_none(), "a message cannot be shorter than its header");
    }
}
