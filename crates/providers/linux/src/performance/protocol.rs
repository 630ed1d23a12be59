//! `Tcpip_TCPv4`, `Tcpip_TCPv6` and `Tcpip_UDPv4`, from `/proc/net/snmp`.
//!
//! Linux counts TCP over IPv4 and IPv6 together; the counts are shown in `Tcpip_TCPv4`.

use std::collections::HashMap;
use std::io;

use super::counter::{Counter, Kind};
use super::object::{Flavor, Instance, Object};
use crate::Machine;

pub(super) struct TcpV4;
pub(super) struct TcpV6;
pub(super) struct UdpV4;

/// Counters of a protocol by name.
type Reading = HashMap<String, u64>;

fn of(reading: &Reading, name: &str) -> Option<u64> {
    reading.get(name).copied()
}

fn sum(reading: &Reading, one: &str, other: &str) -> Option<u64> {
    of(reading, one)?.checked_add(of(reading, other)?)
}

impl Object for TcpV4 {
    type Reading = Reading;

    const NAME: &'static str = "Tcpip_TCPv4";

    const CLASSES: &'static [Flavor] = &[Flavor::Formatted];

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::number("ConnectionFailures", |reading| of(reading, "AttemptFails")),
        Counter::number("ConnectionsActive", |reading| of(reading, "ActiveOpens")),
        Counter::number("ConnectionsEstablished", |reading| of(reading, "CurrEstab")),
        Counter::number("ConnectionsPassive", |reading| of(reading, "PassiveOpens")),
        Counter::number("ConnectionsReset", |reading| of(reading, "EstabResets")),
        Counter::rate("SegmentsPersec", |reading| sum(reading, "InSegs", "OutSegs")),
        Counter::rate("SegmentsReceivedPersec", |reading| of(reading, "InSegs")),
        Counter::rate("SegmentsRetransmittedPersec", |reading| of(reading, "RetransSegs")),
        Counter::rate("SegmentsSentPersec", |reading| of(reading, "OutSegs")),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        Ok(vec![Instance::named("TCPv4", numbers(&machine.text("proc/net/snmp")?, "Tcp"))])
    }
}

impl Object for TcpV6 {
    type Reading = ();

    const NAME: &'static str = "Tcpip_TCPv6";

    const CLASSES: &'static [Flavor] = &[Flavor::Formatted];

    const COUNTERS: &'static [Counter<()>] = &[
        Counter::unknown("ConnectionFailures", Kind::Number),
        Counter::unknown("ConnectionsActive", Kind::Number),
        Counter::unknown("ConnectionsEstablished", Kind::Number),
        Counter::unknown("ConnectionsPassive", Kind::Number),
        Counter::unknown("ConnectionsReset", Kind::Number),
        Counter::unknown("SegmentsPersec", Kind::Rate),
        Counter::unknown("SegmentsReceivedPersec", Kind::Rate),
        Counter::unknown("SegmentsRetransmittedPersec", Kind::Rate),
        Counter::unknown("SegmentsSentPersec", Kind::Rate),
    ];

    fn read(_: &Machine) -> io::Result<Vec<Instance<()>>> {
        Ok(vec![Instance::named("TCPv6", ())])
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
fn numbers(text: &str, protocol: &str) -> Reading {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(':'));
    let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let pairs = names.split_ascii_whitespace().zip(numbers.split_ascii_whitespace());
    pairs.filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?))).collect()
}
