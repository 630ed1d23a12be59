//! `Tcpip_ICMP` and `Tcpip_ICMPv6`, from `/proc/net/snmp` and `/proc/net/snmp6` (RFC 2011, RFC 2466).

use std::io;

use super::counter::Counter;
use super::object::{Instance, Object};
use super::protocol::{Reading, numbers, of, single_numbers, sum};
use crate::Machine;

/// Control messages over IPv4.
pub(super) struct Icmp;

impl Object for Icmp {
    type Reading = Reading;

    const NAME: &'static str = "Tcpip_ICMP";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::number("MessagesOutboundErrors", |reading| of(reading, "OutErrors")),
        Counter::rate("MessagesPersec", |reading| sum(reading, "InMsgs", "OutMsgs")),
        Counter::number("MessagesReceivedErrors", |reading| of(reading, "InErrors")),
        Counter::rate("MessagesReceivedPersec", |reading| of(reading, "InMsgs")),
        Counter::rate("MessagesSentPersec", |reading| of(reading, "OutMsgs")),
        Counter::number("ReceivedAddressMask", |reading| of(reading, "InAddrMasks")),
        Counter::number("ReceivedAddressMaskReply", |reading| of(reading, "InAddrMaskReps")),
        Counter::number("ReceivedDestUnreachable", |reading| of(reading, "InDestUnreachs")),
        Counter::rate("ReceivedEchoPersec", |reading| of(reading, "InEchos")),
        Counter::rate("ReceivedEchoReplyPersec", |reading| of(reading, "InEchoReps")),
        Counter::number("ReceivedParameterProblem", |reading| of(reading, "InParmProbs")),
        Counter::rate("ReceivedRedirectPersec", |reading| of(reading, "InRedirects")),
        Counter::number("ReceivedSourceQuench", |reading| of(reading, "InSrcQuenchs")),
        Counter::number("ReceivedTimeExceeded", |reading| of(reading, "InTimeExcds")),
        Counter::rate("ReceivedTimestampPersec", |reading| of(reading, "InTimestamps")),
        Counter::rate("ReceivedTimestampReplyPersec", |reading| of(reading, "InTimestampReps")),
        Counter::number("SentAddressMask", |reading| of(reading, "OutAddrMasks")),
        Counter::number("SentAddressMaskReply", |reading| of(reading, "OutAddrMaskReps")),
        Counter::number("SentDestinationUnreachable", |reading| of(reading, "OutDestUnreachs")),
        Counter::rate("SentEchoPersec", |reading| of(reading, "OutEchos")),
        Counter::rate("SentEchoReplyPersec", |reading| of(reading, "OutEchoReps")),
        Counter::number("SentParameterProblem", |reading| of(reading, "OutParmProbs")),
        Counter::rate("SentRedirectPersec", |reading| of(reading, "OutRedirects")),
        Counter::number("SentSourceQuench", |reading| of(reading, "OutSrcQuenchs")),
        Counter::number("SentTimeExceeded", |reading| of(reading, "OutTimeExcds")),
        Counter::rate("SentTimestampPersec", |reading| of(reading, "OutTimestamps")),
        Counter::rate("SentTimestampReplyPersec", |reading| of(reading, "OutTimestampReps")),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        Ok(Instance::only(numbers(&machine.text("proc/net/snmp")?, "Icmp")))
    }
}

/// Control messages over IPv6; without counters if the kernel has no IPv6.
pub(super) struct IcmpV6;

impl Object for IcmpV6 {
    type Reading = Reading;

    const NAME: &'static str = "Tcpip_ICMPv6";

    const COUNTERS: &'static [Counter<Reading>] = &[
        Counter::number("MessagesOutboundErrors", |reading| of(reading, "Icmp6OutErrors")),
        Counter::rate("MessagesPersec", |reading| sum(reading, "Icmp6InMsgs", "Icmp6OutMsgs")),
        Counter::number("MessagesReceivedErrors", |reading| of(reading, "Icmp6InErrors")),
        Counter::rate("MessagesReceivedPersec", |reading| of(reading, "Icmp6InMsgs")),
        Counter::rate("MessagesSentPersec", |reading| of(reading, "Icmp6OutMsgs")),
        Counter::number("ReceivedDestUnreachable", |reading| of(reading, "Icmp6InDestUnreachs")),
        Counter::rate("ReceivedEchoPersec", |reading| of(reading, "Icmp6InEchos")),
        Counter::rate("ReceivedEchoReplyPersec", |reading| of(reading, "Icmp6InEchoReplies")),
        Counter::number("ReceivedMembershipQuery", |reading| of(reading, "Icmp6InGroupMembQueries")),
        Counter::number("ReceivedMembershipReduction", |reading| of(reading, "Icmp6InGroupMembReductions")),
        Counter::number("ReceivedMembershipReport", |reading| of(reading, "Icmp6InGroupMembResponses")),
        Counter::number("ReceivedNeighborAdvert", |reading| of(reading, "Icmp6InNeighborAdvertisements")),
        Counter::number("ReceivedNeighborSolicit", |reading| of(reading, "Icmp6InNeighborSolicits")),
        Counter::number("ReceivedPacketTooBig", |reading| of(reading, "Icmp6InPktTooBigs")),
        Counter::number("ReceivedParameterProblem", |reading| of(reading, "Icmp6InParmProblems")),
        Counter::rate("ReceivedRedirectPersec", |reading| of(reading, "Icmp6InRedirects")),
        Counter::number("ReceivedRouterAdvert", |reading| of(reading, "Icmp6InRouterAdvertisements")),
        Counter::number("ReceivedRouterSolicit", |reading| of(reading, "Icmp6InRouterSolicits")),
        Counter::number("ReceivedTimeExceeded", |reading| of(reading, "Icmp6InTimeExcds")),
        Counter::number("SentDestinationUnreachable", |reading| of(reading, "Icmp6OutDestUnreachs")),
        Counter::rate("SentEchoPersec", |reading| of(reading, "Icmp6OutEchos")),
        Counter::rate("SentEchoReplyPersec", |reading| of(reading, "Icmp6OutEchoReplies")),
        Counter::number("SentMembershipQuery", |reading| of(reading, "Icmp6OutGroupMembQueries")),
        Counter::number("SentMembershipReduction", |reading| of(reading, "Icmp6OutGroupMembReductions")),
        Counter::number("SentMembershipReport", |reading| of(reading, "Icmp6OutGroupMembResponses")),
        Counter::number("SentNeighborAdvert", |reading| of(reading, "Icmp6OutNeighborAdvertisements")),
        Counter::number("SentNeighborSolicit", |reading| of(reading, "Icmp6OutNeighborSolicits")),
        Counter::number("SentPacketTooBig", |reading| of(reading, "Icmp6OutPktTooBigs")),
        Counter::number("SentParameterProblem", |reading| of(reading, "Icmp6OutParmProblems")),
        Counter::rate("SentRedirectPersec", |reading| of(reading, "Icmp6OutRedirects")),
        Counter::number("SentRouterAdvert", |reading| of(reading, "Icmp6OutRouterAdvertisements")),
        Counter::number("SentRouterSolicit", |reading| of(reading, "Icmp6OutRouterSolicits")),
        Counter::number("SentTimeExceeded", |reading| of(reading, "Icmp6OutTimeExcds")),
    ];

    fn read(machine: &Machine) -> io::Result<Vec<Instance<Reading>>> {
        Ok(Instance::only(single_numbers(&machine.text("proc/net/snmp6").unwrap_or_default())))
    }
}
