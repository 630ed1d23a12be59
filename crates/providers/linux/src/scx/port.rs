//! `SCX_EthernetPortStatistics`, from `/sys/class/net`.

use std::sync::Arc;

use wmi::{Lookup, ProviderError};

use crate::Machine;
use crate::table::{Fill, Table, null};

/// Traffic of network interfaces.
pub(super) struct EthernetPortStatistics;

/// A network interface, by name.
pub(super) struct Row(String);

impl Row {
    fn counter(&self, machine: &Machine, name: &str) -> Option<u64> {
        machine.number(format!("sys/class/net/{}/statistics/{name}", self.0))
    }

    fn small(&self, machine: &Machine, name: &str) -> Option<u32> {
        // The property has 32 bits; larger counts are reported as the maximum.
        self.counter(machine, name).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    }
}

impl Table for EthernetPortStatistics {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_EthernetPortStatistics";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AlignmentErrors", |machine, row| row.small(machine, "rx_frame_errors").into()),
        ("BytesReceived", |machine, row| row.counter(machine, "rx_bytes").into()),
        ("BytesTotal", |machine, row| {
            let (received, sent) = (row.counter(machine, "rx_bytes"), row.counter(machine, "tx_bytes"));
            received.zip(sent).map(|(received, sent)| received.saturating_add(sent)).into()
        }),
        ("BytesTransmitted", |machine, row| row.counter(machine, "tx_bytes").into()),
        ("Caption", null),
        ("CarrierSenseErrors", |machine, row| row.small(machine, "tx_carrier_errors").into()),
        ("DeferredTransmissions", null),
        ("Description", null),
        ("ElementName", null),
        ("ExcessiveCollisions", |machine, row| row.small(machine, "tx_aborted_errors").into()),
        ("FCSErrors", |machine, row| row.small(machine, "rx_crc_errors").into()),
        ("FrameTooLongs", |machine, row| row.small(machine, "rx_length_errors").into()),
        ("InstanceID", |_, row| row.0.clone().into()),
        ("InternalMACReceiveErrors", null),
        ("InternalMACTransmitErrors", null),
        ("LateCollisions", |machine, row| row.small(machine, "tx_window_errors").into()),
        ("MultipleCollisionFrames", null),
        ("PacketsReceived", |machine, row| row.counter(machine, "rx_packets").into()),
        ("PacketsTransmitted", |machine, row| row.counter(machine, "tx_packets").into()),
        ("SampleInterval", null),
        ("SingleCollisionFrames", null),
        ("SQETestErrors", |machine, row| row.small(machine, "tx_heartbeat_errors").into()),
        ("StartStatisticTime", null),
        ("StatisticTime", |machine, _| machine.timestamp(linux::now()).into()),
        ("SymbolErrors", null),
        ("TotalCollisions", |machine, row| row.counter(machine, "collisions").into()),
        ("TotalRxErrors", |machine, row| row.counter(machine, "rx_errors").into()),
        ("TotalTxErrors", |machine, row| row.counter(machine, "tx_errors").into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let names = machine.names("sys/class/net").unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.sort_unstable();
        Ok(names.into_iter().map(Row))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let [key] = lookup.keys else { return Ok(None) };
        let wanted = key.as_str().unwrap_or_default();
        let names = machine.names("sys/class/net").unwrap_or_default();
        let found =
            names.into_iter().find(|name| name.to_str().is_some_and(|name| cim::wql::equal(name, wanted)));
        Ok(found.and_then(|name| name.into_string().ok()).map(Row))
    }
}
