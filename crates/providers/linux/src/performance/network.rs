//! `Tcpip_NetworkInterface`, from `/sys/class/net`.

use std::io;

use super::counter::{Counter, Kind};
use super::object::{Instance, Object};
use crate::Machine;

pub(super) struct NetworkInterface;

/// Traffic of a network interface; the pairs are received and sent.
#[derive(Debug)]
pub(super) struct Reading {
    bits_per_second: Option<u64>,
    bytes: [Option<u64>; 2],
    packets: [Option<u64>; 2],
    errors: [Option<u64>; 2],
    dropped: [Option<u64>; 2],
    multicast: Option<u64>,
    unknown: Option<u64>,
}

impl Reading {
    fn sum([one, other]: [Option<u64>; 2]) -> Option<u64> {
        one?.checked_add(other?)
    }
}

impl Object for NetworkInterface {
    type Reading = Reading;

    const NAME: &'static str = "Tcpip_NetworkInterface";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::rate("BytesReceivedPersec", |reading| reading.bytes[0]),
        Counter::rate("BytesSentPersec", |reading| reading.bytes[1]),
        Counter::rate("BytesTotalPersec", |reading| Reading::sum(reading.bytes)),
        Counter::number("CurrentBandwidth", |reading| reading.bits_per_second),
        Counter::unknown("OffloadedConnections", Kind::Number),
        Counter::unknown("OutputQueueLength", Kind::Number),
        Counter::number("PacketsOutboundDiscarded", |reading| reading.dropped[1]),
        Counter::number("PacketsOutboundErrors", |reading| reading.errors[1]),
        Counter::rate("PacketsPersec", |reading| Reading::sum(reading.packets)),
        Counter::number("PacketsReceivedDiscarded", |reading| reading.dropped[0]),
        Counter::number("PacketsReceivedErrors", |reading| reading.errors[0]),
        Counter::rate("PacketsReceivedNonUnicastPersec", |reading| reading.multicast),
        Counter::rate("PacketsReceivedPersec", |reading| reading.packets[0]),
        Counter::rate("PacketsReceivedUnicastPersec", |reading| {
            Some(reading.packets[0]?.saturating_sub(reading.multicast?))
        }),
        Counter::number("PacketsReceivedUnknown", |reading| reading.unknown),
        Counter::unknown("PacketsSentNonUnicastPersec", Kind::Rate),
        Counter::rate("PacketsSentPersec", |reading| reading.packets[1]),
        Counter::unknown("PacketsSentUnicastPersec", Kind::Rate),
        Counter::unknown("TCPActiveRSCConnections", Kind::Number),
        Counter::unknown("TCPRSCAveragePacketSize", Kind::Number),
        Counter::unknown("TCPRSCCoalescedPacketsPersec", Kind::Rate),
        Counter::unknown("TCPRSCExceptionsPersec", Kind::Rate),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        let mut names: Vec<String> =
            machine.names("sys/class/net")?.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.sort_unstable();
        let interface = |name: String| {
            let folder = format!("sys/class/net/{name}");
            let number = |counter: &str| machine.number::<u64>(format!("{folder}/statistics/{counter}"));
            let both = |counter: &str| [number(&format!("rx_{counter}")), number(&format!("tx_{counter}"))];
            // Without this file, the entry is not an interface, or the interface has just been removed.
            number("rx_bytes")?;
            let reading = Reading {
                // In Mbit/s; negative, or an error, while the link is down.
                bits_per_second: machine
                    .number::<u64>(format!("{folder}/speed"))
                    .and_then(|speed| speed.checked_mul(1_000_000)),
                bytes: both("bytes"),
                packets: both("packets"),
                errors: both("errors"),
                dropped: both("dropped"),
                multicast: number("multicast"),
                unknown: number("rx_nohandler"),
            };
            Some(Instance::named(name, reading))
        };
        Ok(names.into_iter().filter_map(interface).collect())
    }
}
