//! `Tcpip_IPv4` and `Tcpip_IPv6`, from `/proc/net/snmp` and `/proc/net/snmp6` (RFC 4293).

use std::io;

use super::counter::Counter;
use super::object::{Instance, Object};
use super::protocol::{Reading, numbers, of, single_numbers, sum};
use crate::Machine;

/// Datagrams over IPv4.
pub(super) struct IpV4;

impl Object for IpV4 {
    type Reading = Reading;

    const NAME: &'static str = "Tcpip_IPv4";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::rate("DatagramsForwardedPersec", |reading| of(reading, "ForwDatagrams")),
        Counter::number("DatagramsOutboundDiscarded", |reading| of(reading, "OutDiscards")),
        Counter::number("DatagramsOutboundNoRoute", |reading| of(reading, "OutNoRoutes")),
        Counter::rate("DatagramsPersec", |reading| sum(reading, "InReceives", "OutRequests")),
        Counter::number("DatagramsReceivedAddressErrors", |reading| of(reading, "InAddrErrors")),
        Counter::rate("DatagramsReceivedDeliveredPersec", |reading| of(reading, "InDelivers")),
        Counter::number("DatagramsReceivedDiscarded", |reading| of(reading, "InDiscards")),
        Counter::number("DatagramsReceivedHeaderErrors", |reading| of(reading, "InHdrErrors")),
        Counter::rate("DatagramsReceivedPersec", |reading| of(reading, "InReceives")),
        Counter::number("DatagramsReceivedUnknownProtocol", |reading| of(reading, "InUnknownProtos")),
        Counter::rate("DatagramsSentPersec", |reading| of(reading, "OutRequests")),
        Counter::number("FragmentationFailures", |reading| of(reading, "FragFails")),
        Counter::rate("FragmentedDatagramsPersec", |reading| of(reading, "FragOKs")),
        Counter::number("FragmentReassemblyFailures", |reading| of(reading, "ReasmFails")),
        Counter::rate("FragmentsCreatedPersec", |reading| of(reading, "FragCreates")),
        Counter::rate("FragmentsReassembledPersec", |reading| of(reading, "ReasmOKs")),
        Counter::rate("FragmentsReceivedPersec", |reading| of(reading, "ReasmReqds")),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        Ok(Instance::only(numbers(&machine.text("proc/net/snmp")?, "Ip")))
    }
}

/// Datagrams over IPv6; without counters if the kernel has no IPv6.
pub(super) struct IpV6;

impl Object for IpV6 {
    type Reading = Reading;

    const NAME: &'static str = "Tcpip_IPv6";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::rate("DatagramsForwardedPersec", |reading| of(reading, "Ip6OutForwDatagrams")),
        Counter::number("DatagramsOutboundDiscarded", |reading| of(reading, "Ip6OutDiscards")),
        Counter::number("DatagramsOutboundNoRoute", |reading| of(reading, "Ip6OutNoRoutes")),
        Counter::rate("DatagramsPersec", |reading| sum(reading, "Ip6InReceives", "Ip6OutRequests")),
        Counter::number("DatagramsReceivedAddressErrors", |reading| of(reading, "Ip6InAddrErrors")),
        Counter::rate("DatagramsReceivedDeliveredPersec", |reading| of(reading, "Ip6InDelivers")),
        Counter::number("DatagramsReceivedDiscarded", |reading| of(reading, "Ip6InDiscards")),
        Counter::number("DatagramsReceivedHeaderErrors", |reading| of(reading, "Ip6InHdrErrors")),
        Counter::rate("DatagramsReceivedPersec", |reading| of(reading, "Ip6InReceives")),
        Counter::number("DatagramsReceivedUnknownProtocol", |reading| of(reading, "Ip6InUnknownProtos")),
        Counter::rate("DatagramsSentPersec", |reading| of(reading, "Ip6OutRequests")),
        Counter::number("FragmentationFailures", |reading| of(reading, "Ip6FragFails")),
        Counter::rate("FragmentedDatagramsPersec", |reading| of(reading, "Ip6FragOKs")),
        Counter::number("FragmentReassemblyFailures", |reading| of(reading, "Ip6ReasmFails")),
        Counter::rate("FragmentsCreatedPersec", |reading| of(reading, "Ip6FragCreates")),
        Counter::rate("FragmentsReassembledPersec", |reading| of(reading, "Ip6ReasmOKs")),
        Counter::rate("FragmentsReceivedPersec", |reading| of(reading, "Ip6ReasmReqds")),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        Ok(Instance::only(single_numbers(&machine.text("proc/net/snmp6").unwrap_or_default())))
    }
}
