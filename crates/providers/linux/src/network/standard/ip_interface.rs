//! `MSFT_NetIPInterface`: IPv4 and IPv6 settings of links (kernel documentation, networking/ip-sysctl).

use std::cell::OnceCell;
use std::fs;
use std::rc::Rc;
use std::sync::Arc;

use cim::{ColumnSet, Instance, KeyValue, Name, ObjectPath, Status, Value};
use linux::network::address::Address;
use linux::network::change;
use linux::network::lease::Lease;
use linux::network::link::Link;
use wmi::{Context, Lookup, ProviderError};

use super::{Family, wrong};
use crate::Machine;
use crate::table::{Fill, Table, failure};

/// IPv4 and IPv6 settings of links.
pub(super) struct IpInterface;

/// A link and an address family.
pub(super) struct Row {
    pub(super) link: Rc<Link>,
    family: Family,
    addresses: Rc<OnceCell<Vec<Address>>>,
}

impl Row {
    pub(super) fn all(machine: &Machine) -> Vec<Self> {
        let addresses = Rc::<OnceCell<Vec<Address>>>::default();
        let links = Link::all(machine).into_iter().map(Rc::new);
        let rows = links
            .flat_map(|link| Family::BOTH.map(|family| (link.clone(), family)))
            .map(|(link, family)| Self { link, family, addresses: addresses.clone() });
        rows.filter(|row| row.is_there(machine)).collect()
    }

    fn named(machine: &Machine, name: &str) -> Option<Self> {
        Self::all(machine).into_iter().find(|row| name_of(row.link.index, row.family) == name)
    }

    fn path(&self, folder: &str, file: &str) -> String {
        format!("proc/sys/net/{}/{folder}/{}/{file}", self.family.folder(), self.link.name)
    }

    /// Returns a setting of the link.
    fn setting<N: std::str::FromStr>(&self, machine: &Machine, file: &str) -> Option<N> {
        machine.number(self.path("conf", file))
    }

    fn is_there(&self, machine: &Machine) -> bool {
        match self.family {
            Family::V4 => machine.path(format!("proc/sys/net/ipv4/conf/{}", self.link.name)).exists(),
            Family::V6 => self.setting::<u8>(machine, "disable_ipv6") == Some(0),
        }
    }

    /// Returns whether neighbors have to be discovered; not with `IFF_NOARP`.
    fn has_neighbors(&self, machine: &Machine) -> bool {
        self.link.flags(machine) & 0x80 == 0 && !self.link.is_loopback(machine)
    }

    /// Returns whether router advertisements are accepted; a router accepts them only if configured to.
    fn discovers_routers(&self, machine: &Machine) -> Option<bool> {
        match self.setting::<u8>(machine, "accept_ra").filter(|_| self.family == Family::V6)? {
            0 => Some(false),
            1 => Some(self.setting::<u8>(machine, "forwarding") != Some(1)),
            _ => Some(true),
        }
    }

    fn longest_packet(&self, machine: &Machine) -> Option<u32> {
        match self.family {
            Family::V4 => self.link.number(machine, "mtu"),
            Family::V6 => self.setting(machine, "mtu"),
        }
    }

    fn hop_limit(&self, machine: &Machine) -> Option<u32> {
        match self.family {
            Family::V4 => machine.number("proc/sys/net/ipv4/ip_default_ttl"),
            Family::V6 => self.setting(machine, "hop_limit"),
        }
    }

    /// Returns whether its addresses come from DHCP; unknown for IPv6.
    fn is_lent(&self, machine: &Machine) -> Option<bool> {
        (self.family == Family::V4).then(|| {
            self.addresses
                .get_or_init(|| Address::all(machine))
                .iter()
                .any(|one| one.link == self.link.index && one.address.is_ipv4() && !one.is_permanent)
        } || Lease::of(machine, &self.link).is_some())
    }
}

fn name_of(index: u32, family: Family) -> String {
    format!("{index};{}", family.number())
}

/// Returns the path of the settings of a link and family.
pub(super) fn path_to_interface(machine: &Machine, index: u32, family: Family) -> Value {
    interface_path(machine, index, family).ok().into()
}

/// Returns the path of an interface.
fn interface_path(machine: &Machine, index: u32, family: Family) -> Result<ObjectPath, cim::Error> {
    let keys = [
        ("CreationClassName", Value::from(IpInterface::CLASS)),
        ("Name", name_of(index, family).into()),
        ("SystemCreationClassName", "Win32_ComputerSystem".into()),
        ("SystemName", machine.host_name().into()),
    ];
    let keys = keys.iter().map(|(name, value)| Ok((Name::parse(name)?, KeyValue::from(value))));
    ObjectPath::from_keys(Name::parse(IpInterface::CLASS)?, keys.collect::<Result<_, cim::Error>>()?)
}

/// Returns 1 for enabled, 0 for disabled.
fn switch(is_on: Option<bool>) -> Value {
    is_on.map(u8::from).into()
}

impl Table for IpInterface {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetIPInterface";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AddressFamily", |_, row| row.family.number().into()),
        ("BaseReachableTime", |machine, row| {
            machine.number::<u32>(row.path("neigh", "base_reachable_time_ms")).into()
        }),
        ("Caption", |_, row| row.link.name.clone().into()),
        // 0 is disconnected, 1 connected.
        ("ConnectionState", |machine, row| {
            let is_connected = row.link.is_up(machine) && row.link.has_carrier(machine) == Some(true);
            u8::from(is_connected).into()
        }),
        ("CurrentHopLimit", |machine, row| row.hop_limit(machine).into()),
        ("DadTransmits", |machine, row| row.setting::<u32>(machine, "dad_transmits").into()),
        ("Dhcp", |machine, row| switch(row.is_lent(machine))),
        ("ElementName", |_, row| row.link.name.clone().into()),
        ("Forwarding", |machine, row| switch(row.setting::<u8>(machine, "forwarding").map(|says| says == 1))),
        ("IgnoreDefaultRoutes", |machine, row| {
            switch(row.setting::<u8>(machine, "accept_ra_defrtr").map(|says| says == 0))
        }),
        ("InterfaceAlias", |_, row| row.link.name.clone().into()),
        ("InterfaceIndex", |_, row| row.link.index.into()),
        ("MACAddress", |machine, row| row.link.hardware_address(machine).into()),
        ("MaxDataSize", |machine, row| {
            row.longest_packet(machine).and_then(|octets| octets.checked_mul(8)).into()
        }),
        ("Name", |_, row| name_of(row.link.index, row.family).into()),
        ("NeighborDiscoverySupported", |machine, row| switch(Some(row.has_neighbors(machine)))),
        ("NeighborUnreachabilityDetection", |machine, row| switch(Some(row.has_neighbors(machine)))),
        ("NlMtu", |machine, row| row.longest_packet(machine).into()),
        ("ProtocolIFType", |_, row| {
            match row.family {
                Family::V4 => 4_096_u16,
                Family::V6 => 4_097,
            }
            .into()
        }),
        ("RetransmitTime", |machine, row| machine.number::<u32>(row.path("neigh", "retrans_time_ms")).into()),
        ("RouterDiscovery", |machine, row| switch(row.discovers_routers(machine))),
        ("Store", |_, _| 1_u8.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(Row::all(machine).into_iter())
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let at = lookup.class.keys().iter().position(|key| lookup.class.column("Name") == Some(*key));
        let name = at.and_then(|at| lookup.keys.get(at)).and_then(Value::as_str);
        Ok(name.and_then(|name| Row::named(machine, name)))
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let name = instance.value("Name").and_then(Value::as_str).unwrap_or_default();
        let row = Row::named(machine, name)
            .ok_or_else(|| ProviderError::failed(Status::NotFound, format!("interface {name} not found")))?;
        let names = changed.iter().filter_map(|column| instance.class().property(column));
        names.map(|property| property.name.as_str()).try_for_each(|name| {
            let number =
                instance.value(name).and_then(Value::as_integer).and_then(|value| u32::try_from(value).ok());
            row.set(machine, name, number.ok_or_else(|| wrong(format!("{name} is not a number")))?)
        })
    }
}

impl Row {
    /// Changes a setting until the next restart; DHCP is changed persistently if a service manages the link.
    fn set(&self, machine: &Machine, name: &str, value: u32) -> Result<(), ProviderError> {
        let is_v6 = self.family == Family::V6;
        let write =
            |path: String, value: u32| fs::write(machine.path(path), value.to_string()).map_err(failure);
        let inverted = u32::from(value == 0);
        match name {
            // The minimum MTU is 68 for IPv4 (RFC 791) and 1280 for IPv6 (RFC 8200).
            "NlMtu" if (if is_v6 { 1_280 } else { 68 }..=65_535).contains(&value) => match self.family {
                Family::V4 => change::set_longest_packet(&self.link, value).map_err(failure),
                Family::V6 => write(self.path("conf", "mtu"), value),
            },
            "NlMtu" => Err(wrong(format!("NlMtu {value} is not a valid packet size"))),
            "Forwarding" => write(self.path("conf", "forwarding"), u32::from(value == 1)),
            "RouterDiscovery" if is_v6 && value < 2 => write(self.path("conf", "accept_ra"), value),
            "IgnoreDefaultRoutes" if is_v6 => write(self.path("conf", "accept_ra_defrtr"), inverted),
            "DadTransmits" if is_v6 => write(self.path("conf", "dad_transmits"), value),
            "CurrentHopLimit" if is_v6 && (1..=255).contains(&value) => {
                write(self.path("conf", "hop_limit"), value)
            }
            "BaseReachableTime" => write(self.path("neigh", "base_reachable_time_ms"), value),
            "RetransmitTime" => write(self.path("neigh", "retrans_time_ms"), value),
            "Dhcp" if !is_v6 && value == 1 => {
                change::enable_dhcp(machine, &self.link).map_err(|_| unmanaged_link(self))
            }
            "Dhcp" if !is_v6 => change::disable_dhcp(machine, &self.link).map_err(|_| unmanaged_link(self)),
            _ => {
                let problem = format!("{name} of {} cannot be {value}", self.link.name);
                Err(ProviderError::failed(Status::NotSupported, problem))
            }
        }
    }
}

fn unmanaged_link(row: &Row) -> ProviderError {
    let problem = format!(
        "{} is managed neither by systemd-networkd nor by NetworkManager; DHCP cannot be changed",
        row.link.name
    );
    ProviderError::failed(Status::NotSupported, problem)
}
