//! ICMP echo (RFC 792, RFC 4443).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, Timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recvfrom, sendto, socket_with,
};

/// Parameters of an echo request.
#[derive(Clone, Copy, Debug)]
pub struct EchoRequest {
    /// Destination.
    pub address: IpAddr,
    /// Payload length in bytes.
    pub octets: usize,
    /// Time to live, or hop limit of IPv6.
    pub hops: u8,
    /// Type of service, or traffic class of IPv6.
    pub service: u8,
    /// Whether fragmentation is forbidden.
    pub is_whole: bool,
    /// Time limit for the reply.
    pub patience: Duration,
}

/// Result of an echo request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EchoResult {
    /// Whether there was a reply, or the reason why not.
    pub status: Status,
    /// Round-trip time.
    pub milliseconds: Option<u32>,
    /// Time to live of the reply.
    pub hops: Option<u32>,
    /// Payload length of the reply in bytes.
    pub octets: Option<u32>,
    /// Whether the returned payload differs from that sent.
    pub is_other: bool,
}

/// Status of an echo request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// The destination replied.
    Replied,
    /// There is no route to the network.
    NetworkUnreachable,
    /// The destination cannot be reached.
    HostUnreachable,
    /// The packet is too long for the path.
    TooBig,
    /// There was no reply in time.
    TimedOut,
    /// The packet passed too many routers.
    Expired,
    /// Another error.
    #[default]
    Failed,
}

/// Sends a request and waits for the reply.
pub fn ask(parameters: &EchoRequest) -> EchoResult {
    try_ask(parameters).unwrap_or_else(|error| {
        let status = match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Status::TimedOut,
            io::ErrorKind::NetworkUnreachable => Status::NetworkUnreachable,
            io::ErrorKind::HostUnreachable => Status::HostUnreachable,
            _ if error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) => Status::TooBig,
            _ => Status::Failed,
        };
        EchoResult { status, ..EchoResult::default() }
    })
}

fn try_ask(parameters: &EchoRequest) -> io::Result<EchoResult> {
    let (socket, is_raw) = open(parameters.address)?;
    if parameters.address.is_ipv4() {
        sockopt::set_ip_ttl(&socket, parameters.hops.into())?;
        sockopt::set_ip_tos(&socket, parameters.service)?;
        let discovery =
            if parameters.is_whole { Ipv4PathMtuDiscovery::DO } else { Ipv4PathMtuDiscovery::DONT };
        sockopt::set_ip_mtu_discover(&socket, discovery)?;
    } else {
        sockopt::set_ipv6_unicast_hops(&socket, Some(parameters.hops))?;
        let discovery =
            if parameters.is_whole { Ipv6PathMtuDiscovery::DO } else { Ipv6PathMtuDiscovery::DONT };
        sockopt::set_ipv6_mtu_discover(&socket, discovery)?;
    }
    // With several requests at once, each raw socket receives all replies; the payload identifies its own.
    let mark = std::process::id().to_ne_bytes();
    let request = request(parameters, &socket, mark);
    let begun = Instant::now();
    sendto(&socket, &request, SendFlags::empty(), &SocketAddr::new(parameters.address, 0))?;
    let mut buffer = vec![0; 66_000];
    loop {
        let rest = parameters.patience.checked_sub(begun.elapsed()).filter(|rest| !rest.is_zero());
        let rest = rest.ok_or(io::ErrorKind::TimedOut)?;
        sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(rest.max(Duration::from_micros(1))))?;
        let (length, _, from) = recvfrom(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        let elapsed = begun.elapsed();
        let from = from.and_then(|from| SocketAddr::try_from(from).ok()).map(|from| from.ip());
        let packet = buffer.get(..length).unwrap_or_default();
        // A raw IPv4 socket includes the IP header (raw(7)).
        let has_header = is_raw && parameters.address.is_ipv4();
        let hops = packet.get(8).copied().filter(|_| has_header).map(u32::from);
        let header =
            if has_header { usize::from(packet.first().copied().unwrap_or_default() & 0xF) * 4 } else { 0 };
        let message = packet.get(header..).unwrap_or_default();
        match verdict(parameters, &request, message, from == Some(parameters.address)) {
            Some(Answer::Echo(content)) => {
                let sent = request.get(8..).unwrap_or_default();
                return Ok(EchoResult {
                    status: Status::Replied,
                    milliseconds: u32::try_from(elapsed.as_millis()).ok(),
                    hops,
                    octets: u32::try_from(content.len()).ok(),
                    is_other: content != sent,
                });
            }
            Some(Answer::Refused(status)) => return Ok(EchoResult { status, hops, ..EchoResult::default() }),
            None => {}
        }
    }
}

/// Meaning of a message for a request.
enum Answer<'m> {
    Echo(&'m [u8]),
    Refused(Status),
}

fn verdict<'m>(
    parameters: &EchoRequest,
    request: &[u8],
    message: &'m [u8],
    is_from_there: bool,
) -> Option<Answer<'m>> {
    let kind = *message.first()?;
    let (reply, unreachable, expired) = if parameters.address.is_ipv4() { (0, 3, 11) } else { (129, 1, 3) };
    // For a datagram socket the kernel replaces the identifier; the sequence number is unchanged.
    if kind == reply && is_from_there && message.get(6..16) == request.get(6..16) {
        return Some(Answer::Echo(message.get(8..)?));
    }
    // An error message contains the rejected packet after its header.
    let inner = message.get(8..)?;
    let is_own =
        request.get(8..16).is_some_and(|mark| inner.windows(mark.len()).take(128).any(|part| part == mark));
    match kind {
        kind if kind == unreachable && is_own => Some(Answer::Refused(Status::HostUnreachable)),
        kind if kind == expired && is_own => Some(Answer::Refused(Status::Expired)),
        _ => None,
    }
}

/// Opens a raw ICMP socket, or without the privilege for it a datagram socket for echo requests (icmp(7)).
fn open(address: IpAddr) -> io::Result<(OwnedFd, bool)> {
    let (family, protocol) = match address {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    match socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol)) {
        Ok(socket) => Ok((socket, true)),
        Err(_) => {
            let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(protocol))?;
            Ok((socket, false))
        }
    }
}

/// Returns an echo request whose payload begins with a unique mark.
fn request(parameters: &EchoRequest, socket: &OwnedFd, mark: [u8; 4]) -> Vec<u8> {
    use std::os::fd::AsRawFd as _;
    let which = u16::try_from(socket.as_raw_fd()).unwrap_or_default();
    let kind = if parameters.address.is_ipv4() { 8 } else { 128 };
    let mut message = vec![kind, 0, 0, 0];
    message.extend([mark[0], mark[1]]);
    message.extend(which.to_be_bytes());
    let content =
        mark.into_iter().chain(u32::from(which).to_ne_bytes()).chain((0..26).cycle().map(|at| b'a' + at));
    message.extend(content.take(parameters.octets));
    if parameters.address.is_ipv4() {
        let sum = checksum(&message).to_be_bytes();
        message.splice(2..4, sum);
    }
    message
}

/// Returns the Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let mut sum: u32 = octets
        .chunks(2)
        .map(|pair: &[u8]| match pair {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            [high] => u32::from(*high) << 8,
            _ => 0,
        })
        .fold(0, u32::wrapping_add);
    while sum >> 16 != 0 {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_a_message_with_checksum_is_zero() {
        for octets in [&[8_u8, 0, 0, 0, 1, 2, 3, 4][..], &[8, 0, 0, 0, 255, 255, 255, 255, 7, 9]] {
            let mut message = octets.to_vec();
            let sum = checksum(&message).to_be_bytes();
            message.splice(2..4, sum);
            assert_eq!(checksum(&message), 0);
        }
    }
}
