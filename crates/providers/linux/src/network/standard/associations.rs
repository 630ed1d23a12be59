//! Associations of network classes.

use wmi::ProviderError;

use super::ip_address::{IpAddress, Row as AddressRow};
use super::ip_interface::{IpInterface, Row as InterfaceRow, path_to_interface};
use super::neighbor::{NetNeighbor, Row as NeighborRow};
use super::route::{NetRoute, Row as RouteRow};
use super::{Family, adapter};
use crate::Machine;
use crate::table::association::Association;
use crate::table::{path_to, reference};

/// Keys of devices.
const OF_DEVICE: &[&str] = &["CreationClassName", "DeviceID", "SystemCreationClassName", "SystemName"];

/// Keys of protocol endpoints.
const OF_END: &[&str] = &["CreationClassName", "Name", "SystemCreationClassName", "SystemName"];

pub(super) static STATISTICS_OF_ADAPTER: Association<adapter::Row> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_NetAdapterStatisticsElementSetting",
    columns: &[
        // 1 is "is current".
        ("IsCurrent", |_, _| 1_u16.into()),
        ("ManagedElement", |machine, row| path_to::<adapter::Adapter>(machine, row, OF_DEVICE)),
        ("SettingData", |machine, row| {
            reference("MSFT_NetAdapterStatisticsSettingData", "InstanceID", row.link.guid(machine))
        }),
    ],
    rows: |machine| Ok(adapter::Row::all(machine).collect()),
    subsystems: &[],
};

pub(super) static ADAPTER_OF_INTERFACE: Association<(adapter::Row, InterfaceRow)> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_NetIPInterfaceAdapter",
    columns: &[
        ("Antecedent", |machine, (adapter, _)| path_to::<adapter::Adapter>(machine, adapter, OF_DEVICE)),
        ("Dependent", |machine, (_, interface)| path_to::<IpInterface>(machine, interface, OF_END)),
    ],
    rows: rows_of_adapter_of_interface,
    subsystems: &[],
};

fn rows_of_adapter_of_interface(
    machine: &Machine,
) -> Result<Vec<(adapter::Row, InterfaceRow)>, ProviderError> {
    let interfaces = InterfaceRow::all(machine).into_iter();
    Ok(interfaces
        .filter_map(|interface| {
            let adapter = adapter::Row::all(machine).find(|row| row.link.index == interface.link.index)?;
            Some((adapter, interface))
        })
        .collect())
}

pub(super) static ADDRESS_OF_INTERFACE: Association<AddressRow> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_NetIPInterfaceIPAddress",
    columns: &[
        ("Antecedent", |machine, row| {
            path_to_interface(machine, row.address.link, Family::of(row.address.address))
        }),
        ("Dependent", |machine, row| path_to::<IpAddress>(machine, row, OF_END)),
    ],
    rows: |machine| Ok(AddressRow::all(machine)),
    subsystems: &[],
};

pub(super) static NEIGHBOR_OF_INTERFACE: Association<NeighborRow> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_NetIPInterfaceNeighbor",
    columns: &[
        ("Antecedent", |machine, row| {
            path_to_interface(machine, row.neighbor.link, Family::of(row.neighbor.address))
        }),
        ("Dependent", |machine, row| path_to::<NetNeighbor>(machine, row, OF_END)),
    ],
    rows: |machine| Ok(NeighborRow::all(machine).collect()),
    subsystems: &[],
};

pub(super) static ROUTE_OF_INTERFACE: Association<RouteRow> = Association {
    namespace: super::NAMESPACE,
    class: "MSFT_NetIPInterfaceRoute",
    columns: &[
        ("Antecedent", |machine, row| {
            path_to_interface(machine, row.route.link, Family::of(row.route.network))
        }),
        ("Dependent", |machine, row| path_to::<NetRoute>(machine, row, &["InstanceID"])),
    ],
    rows: |machine| Ok(RouteRow::all(machine)),
    subsystems: &[],
};
