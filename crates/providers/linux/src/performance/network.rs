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
        Ok(names
            .into_iter()
            .filter_map(|name| {
                let reading = Reading::of(machine, &name)?;
                Some(Instance::named(name, reading))
            })
            .collect())
    }
}

impl Reading {
    /// Reads the counters of an interface; `None` if it is not an interface, or has just been removed.
    fn of(machine: &Machine, name: &str) -> Option<Self> {
        counter(machine, name, "rx_bytes")?;
        // In Mbit/s; negative, or an error, while the link is down.
        let speed = machine.number::<u64>(format!("sys/class/net/{name}/speed"));
        Some(Self {
            bits_per_second: speed.and_then(|speed| speed.checked_mul(1_000_000)),
            bytes: both(machine, name, "bytes"),
            packets: both(machine, name, "packets"),
            errors: both(machine, name, "errors"),
            dropped: both(machine, name, "dropped"),
            multicast: counter(machine, name, "multicast"),
            unknown: counter(machine, name, "rx_nohandler"),
        })
    }
}

fn counter(machine: &Machine, name: &str, counter: &str) -> Option<u64> {
    machine.number(format!("sys/class/net/{name}/statistics/{counter}"))
}

/// Returns the counters for received and sent data.
fn both(machine: &Machine, name: &str, kind: &str) -> [Option<u64>; 2] {
    ["rx", "tx"].map(|direction| counter(machine, name, &format!("{direction}_{kind}")))
}
