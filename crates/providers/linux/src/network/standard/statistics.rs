//! `MSFT_NetAdapterStatisticsSettingData`: traffic counters of adapters (kernel documentation,
//! networking/statistics).

use std::sync::Arc;

use cim::Value;
use linux::network::link::Link;
use wmi::{Lookup, ProviderError};

use crate::Machine;
use crate::table::{Fill, Table, host_name, text_key};

/// Traffic counters of adapters.
pub(super) struct Statistics;

fn count(machine: &Machine, link: &Link, name: &str) -> Value {
    link.number::<u64>(machine, &format!("statistics/{name}")).into()
}

impl Table for Statistics {
    type Row = Link;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetAdapterStatisticsSettingData";

    const COLUMNS: &'static [(&'static str, Fill<Link>)] = &[
        ("Caption", |machine, link| link.description(machine).into()),
        ("Description", |machine, link| link.description(machine).into()),
        ("ElementName", |_, link| link.name.clone().into()),
        ("InstanceID", |machine, link| link.guid(machine).into()),
        ("InterfaceDescription", |machine, link| link.description(machine).into()),
        ("Name", |_, link| link.name.clone().into()),
        ("OutboundDiscardedPackets", |machine, link| count(machine, link, "tx_dropped")),
        ("OutboundPacketErrors", |machine, link| count(machine, link, "tx_errors")),
        ("ReceivedBytes", |machine, link| count(machine, link, "rx_bytes")),
        ("ReceivedDiscardedPackets", |machine, link| count(machine, link, "rx_dropped")),
        ("ReceivedMulticastPackets", |machine, link| count(machine, link, "multicast")),
        ("ReceivedPacketErrors", |machine, link| count(machine, link, "rx_errors")),
        ("ReceivedUnicastPackets", |machine, link| {
            // The kernel does not count broadcast packets separately: they are included here, as in
            // `Tcpip_NetworkInterface`.
            let packets = link.number::<u64>(machine, "statistics/rx_packets");
            let multicast = link.number::<u64>(machine, "statistics/multicast");
            packets.zip(multicast).map(|(all, multicast)| all.saturating_sub(multicast)).into()
        }),
        ("SentBytes", |machine, link| count(machine, link, "tx_bytes")),
        // 2 is "the device".
        ("Source", |_, _| 2_u32.into()),
        ("SystemName", host_name),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Link>, ProviderError> {
        Ok(Link::all(machine).into_iter())
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Link>, ProviderError> {
        let id = text_key(lookup.keys);
        Ok(Link::all(machine).into_iter().find(|link| link.guid(machine).eq_ignore_ascii_case(id)))
    }
}
