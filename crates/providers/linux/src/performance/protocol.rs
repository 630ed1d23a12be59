//! `Tcpip_TCPv4`, `Tcpip_TCPv6` and `Tcpip_UDPv4`, from `/proc/net/snmp`.
//!
//! Linux counts segments, opened and failed connections of TCP over IPv4 and IPv6 together; these counts are
//! shown in `Tcpip_TCPv4`. Established connections are counted apart, from the lists of sockets.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use linux::network::socket::Socket;

use super::counter::{Counter, Kind};
use super::object::{Flavor, Instance, Object};
use crate::Machine;

pub(super) struct TcpV4;
pub(super) struct TcpV6;
pub(super) struct UdpV4;

/// Counters of a protocol by name.
pub(super) type Reading = HashMap<String, u64>;

/// Name under which the number of connections of one protocol replaces `CurrEstab`.
const ESTABLISHED: &str = "established";

/// Returns the number of established TCP connections, over IPv6 or over IPv4; `None` if the kernel does not
/// list all sockets. Sockets of IPv6 with mapped addresses carry IPv4.
fn established(machine: &Machine, is_v6: bool) -> Option<u64> {
    if !machine.path("proc/net/tcp").exists() {
        return None;
    }
    // TCP_ESTABLISHED and TCP_CLOSE_WAIT, as `tcpCurrEstab` of RFC 4022.
    let sockets = Socket::all(machine, "tcp").complete().ok()?;
    let connections = sockets.into_iter().filter(|socket| matches!(socket.state, 1 | 8));
    let of_kind = connections.filter(|socket| match socket.remote.0 {
        IpAddr::V4(_) => !is_v6,
        IpAddr::V6(address) => is_v6 == address.to_ipv4_mapped().is_none(),
    });
    u64::try_from(of_kind.count()).ok()
}

pub(super) fn of(reading: &Reading, name: &str) -> Option<u64> {
    reading.get(name).copied()
}

pub(super) fn sum(reading: &Reading, one: &str, other: &str) -> Option<u64> {
    of(reading, one)?.checked_add(of(reading, other)?)
}

impl Object for TcpV4 {
    type Reading = Reading;

    const NAME: &'static str = "Tcpip_TCPv4";

    const CLASSES: &'static [Flavor] = &[Flavor::Formatted];

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::number("ConnectionFailures", |reading| of(reading, "AttemptFails")),
        Counter::number("ConnectionsActive", |reading| of(reading, "ActiveOpens")),
        Counter::number("ConnectionsEstablished", |reading| {
            of(reading, ESTABLISHED).or_else(|| of(reading, "CurrEstab"))
        }),
        Counter::number("ConnectionsPassive", |reading| of(reading, "PassiveOpens")),
        Counter::number("ConnectionsReset", |reading| of(reading, "EstabResets")),
        Counter::rate("SegmentsPersec", |reading| sum(reading, "InSegs", "OutSegs")),
        Counter::rate("SegmentsReceivedPersec", |reading| of(reading, "InSegs")),
        Counter::rate("SegmentsRetransmittedPersec", |reading| of(reading, "RetransSegs")),
        Counter::rate("SegmentsSentPersec", |reading| of(reading, "OutSegs")),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let mut counts = numbers(&machine.text("proc/net/snmp")?, "Tcp");
        counts.extend(established(machine, false).map(|count| (ESTABLISHED.to_owned(), count)));
        Ok(vec![Instance::named("TCPv4", counts)])
    }
}

impl Object for TcpV6 {
    type Reading = Option<u64>;

    const NAME: &'static str = "Tcpip_TCPv6";

    const CLASSES: &'static [Flavor] = &[Flavor::Formatted];

    const COUNTERS: &'static [Counter<Option<u64>>] = &[
        Counter::unknown("ConnectionFailures", Kind::Number),
        Counter::unknown("ConnectionsActive", Kind::Number),
        Counter::number("ConnectionsEstablished", |established| *established),
        Counter::unknown("ConnectionsPassive", Kind::Number),
        Counter::unknown("ConnectionsReset", Kind::Number),
        Counter::unknown("SegmentsPersec", Kind::Rate),
        Counter::unknown("SegmentsReceivedPersec", Kind::Rate),
        Counter::unknown("SegmentsRetransmittedPersec", Kind::Rate),
        Counter::unknown("SegmentsSentPersec", Kind::Rate),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Option<u64>>>> {
        Ok(vec![Instance::named("TCPv6", established(machine, true))])
    }
}

impl Object for UdpV4 {
    type Reading = Reading;

    const NAME: &'static str = "Tcpip_UDPv4";

    const CLASSES: &'static [Flavor] = &[Flavor::Formatted];

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::rate("DatagramsNoPortPersec", |reading| of(reading, "NoPorts")),
        Counter::rate("DatagramsPersec", |reading| sum(reading, "InDatagrams", "OutDatagrams")),
        Counter::number("DatagramsReceivedErrors", |reading| of(reading, "InErrors")),
        Counter::rate("DatagramsReceivedPersec", |reading| of(reading, "InDatagrams")),
        Counter::rate("DatagramsSentPersec", |reading| of(reading, "OutDatagrams")),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        Ok(vec![Instance::named("UDPv4", numbers(&machine.text("proc/net/snmp")?, "Udp"))])
    }
}

/// Returns the counters of a protocol from a line of names followed by a line of numbers.
pub(super) fn numbers(text: &str, protocol: &str) -> Reading {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(':'));
    let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let pairs = names.split_ascii_whitespace().zip(numbers.split_ascii_whitespace());
    pairs.filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?))).collect()
}

/// Returns the counters from lines of a name and a number.
pub(super) fn single_numbers(text: &str) -> Reading {
    let pairs = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
    pairs.filter_map(|(name, number)| Some((name.to_owned(), number.trim().parse().ok()?))).collect()
}
