//! Associations of network classes.

use wmi::ProviderError;

use super::ip_address::{IpAddress, Row as AddressRow};
use super::ip_interface::{IpInterface, Row as InterfaceRow, path_to_interface};
use super::neighbor::{NetNeighbor, Row as NeighborRow};
use super::route::{NetRoute, Row as RouteRow};
use super::{Family, adapter};
use crate::Machine;
use crate::table::{Fill, Table, path_to, reference};

/// `MSFT_NetAdapterStatisticsElementSetting`.
pub(super) struct StatisticsOfAdapter;

/// `MSFT_NetIPInterfaceAdapter`.
pub(super) struct AdapterOfInterface;

/// `MSFT_NetIPInterfaceIPAddress`.
pub(super) struct AddressOfInterface;

/// `MSFT_NetIPInterfaceNeighbor`.
pub(super) struct NeighborOfInterface;

/// `MSFT_NetIPInterfaceRoute`.
pub(super) struct RouteOfInterface;

/// Keys of devices.
const OF_DEVICE: &[&str] = &["CreationClassName", "DeviceID", "SystemCreationClassName", "SystemName"];

/// Keys of protocol endpoints.
const OF_END: &[&str] = &["CreationClassName", "Name", "SystemCreationClassName", "SystemName"];

impl Table for StatisticsOfAdapter {
    type Row = adapter::Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetAdapterStatisticsElementSetting";

    const COLUMNS: &'static [(&'static str, Fill<adapter::Row>)] = &[
        // 1 is "is current".
        ("IsCurrent", |_, _| 1_u16.into()),
        ("ManagedElement", |machine, row| path_to::<adapter::Adapter>(machine, row, OF_DEVICE)),
        ("SettingData", |machine, row| {
            reference("MSFT_NetAdapterStatisticsSettingData", "InstanceID", row.link.guid(machine))
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = adapter::Row>, ProviderError> {
        Ok(adapter::Row::all(machine))
    }
}

impl Table for AdapterOfInterface {
    type Row = (adapter::Row, InterfaceRow);

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetIPInterfaceAdapter";

    const COLUMNS: &'static [(&'static str, Fill<Self::Row>)] = &[
        ("Antecedent", |machine, (adapter, _)| path_to::<adapter::Adapter>(machine, adapter, OF_DEVICE)),
        ("Dependent", |machine, (_, interface)| path_to::<IpInterface>(machine, interface, OF_END)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Self::Row>, ProviderError> {
        let interfaces = InterfaceRow::all(machine).into_iter();
        let pair = |interface: InterfaceRow| {
            let adapter = adapter::Row::all(machine).find(|row| row.link.index == interface.link.index)?;
            Some((adapter, interface))
        };
        Ok(interfaces.filter_map(pair))
    }
}

impl Table for AddressOfInterface {
    type Row = AddressRow;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetIPInterfaceIPAddress";

    const COLUMNS: &'static [(&'static str, Fill<AddressRow>)] = &[
        ("Antecedent", |machine, row| {
            path_to_interface(machine, row.address.link, Family::of(row.address.address))
        }),
        ("Dependent", |machine, row| path_to::<IpAddress>(machine, row, OF_END)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = AddressRow>, ProviderError> {
        Ok(AddressRow::all(machine).into_iter())
    }
}

impl Table for NeighborOfInterface {
    type Row = NeighborRow;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetIPInterfaceNeighbor";

    const COLUMNS: &'static [(&'static str, Fill<NeighborRow>)] = &[
        ("Antecedent", |machine, row| {
            path_to_interface(machine, row.neighbor.link, Family::of(row.neighbor.address))
        }),
        ("Dependent", |machine, row| path_to::<NetNeighbor>(machine, row, OF_END)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = NeighborRow>, ProviderError> {
        Ok(NeighborRow::all(machine))
    }
}

impl Table for RouteOfInterface {
    type Row = RouteRow;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetIPInterfaceRoute";

    const COLUMNS: &'static [(&'static str, Fill<RouteRow>)] = &[
        ("Antecedent", |machine, row| {
            path_to_interface(machine, row.route.link, Family::of(row.route.network))
        }),
        ("Dependent", |machine, row| path_to::<NetRoute>(machine, row, &["InstanceID"])),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = RouteRow>, ProviderError> {
        Ok(RouteRow::all(machine).into_iter())
    }
}
