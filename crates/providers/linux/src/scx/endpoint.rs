//! `SCX_IPProtocolEndpoint` and `SCX_LANEndpoint`: the links of [`crate::network`].

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr};

use linux::network::address::{Address, mask};
use linux::network::link::Link;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Network links with their IP addresses.
pub(super) struct IpEndpoint;

/// Network links with their hardware addresses.
pub(super) struct LanEndpoint;

/// A link with its addresses.
pub(super) struct Row {
    link: Link,
    addresses: OnceCell<Vec<Address>>,
}

impl Row {
    fn address(&self, machine: &Machine, is_wanted: fn(IpAddr) -> bool) -> Option<Address> {
        let own =
            || Address::all(machine).into_iter().filter(|address| address.link == self.link.index).collect();
        let addresses = self.addresses.get_or_init(own);
        // Prefers global addresses to link-local ones.
        let wanted = addresses.iter().filter(|address| is_wanted(address.address));
        wanted.min_by_key(|address| address.scope).copied()
    }

    fn version_4(&self, machine: &Machine) -> Option<(Ipv4Addr, u8)> {
        let address = self.address(machine, |address| address.is_ipv4())?;
        match address.address {
            IpAddr::V4(own) => Some((own, address.prefix)),
            IpAddr::V6(_) => None,
        }
    }

    /// Returns the state: 2 is enabled, 3 disabled.
    fn state(&self, machine: &Machine) -> u16 {
        if self.link.is_up(machine) { 2 } else { 3 }
    }

    fn mac(&self, machine: &Machine) -> Option<String> {
        self.link.hardware_address(machine)
    }
}

fn rows(machine: &Machine) -> impl Iterator<Item = Row> {
    Link::all(machine).into_iter().map(|link| Row { link, addresses: OnceCell::new() })
}

impl Table for IpEndpoint {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_IPProtocolEndpoint";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, _| "IP endpoint".into()),
        ("Description", |machine, row| row.link.description(machine).into()),
        ("ElementName", |_, row| row.link.name.clone().into()),
        ("EnabledState", |machine, row| row.state(machine).into()),
        ("IPv4Address", |machine, row| row.version_4(machine).map(|(own, _)| own.to_string()).into()),
        ("IPv4BroadcastAddress", |machine, row| broadcast_address(machine, row).into()),
        ("IPv6Address", |machine, row| {
            row.address(machine, |address| address.is_ipv6()).map(|own| own.address.to_string()).into()
        }),
        ("IPv6SubnetPrefixLength", |machine, row| {
            row.address(machine, |address| address.is_ipv6()).map(|own| u16::from(own.prefix)).into()
        }),
        // 1 is IPv4, 2 IPv6, 3 both (CIM_IPProtocolEndpoint of DMTF).
        ("IPVersionSupport", |machine, row| {
            let versions = (
                row.address(machine, |address| address.is_ipv4()).is_some(),
                row.address(machine, |address| address.is_ipv6()).is_some(),
            );
            match versions {
                (true, true) => 3_u16.into(),
                (true, false) => 1_u16.into(),
                (false, true) => 2_u16.into(),
                (false, false) => cim::Value::Null,
            }
        }),
        ("Name", |_, row| row.link.name.clone().into()),
        ("PrefixLength", |machine, row| row.version_4(machine).map(|(_, prefix)| prefix).into()),
        ("SubnetMask", |machine, row| {
            row.version_4(machine).map(|(_, prefix)| mask(prefix).to_string()).into()
        }),
        ("SystemCreationClassName", |_, _| "SCX_ComputerSystem".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(rows(machine))
    }
}

/// Returns the broadcast address. Networks of one or two addresses, and the loopback interface, have none.
fn broadcast_address(machine: &Machine, row: &Row) -> Option<String> {
    let (own, prefix) = row.version_4(machine)?;
    let has_one = prefix < 31 && !row.link.is_loopback(machine);
    has_one.then(|| Ipv4Addr::from_bits(own.to_bits() | !mask(prefix).to_bits()).to_string())
}

impl Table for LanEndpoint {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_LANEndpoint";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, _| "LAN endpoint".into()),
        ("Description", |machine, row| row.link.description(machine).into()),
        ("ElementName", |_, row| row.link.name.clone().into()),
        ("EnabledState", |machine, row| row.state(machine).into()),
        ("FormattedMACAddress", |machine, row| row.mac(machine).map(|mac| mac.replace(':', "-")).into()),
        ("MACAddress", |machine, row| row.mac(machine).map(|mac| mac.replace(':', "")).into()),
        ("MaxDataSize", |machine, row| row.link.number::<u32>(machine, "mtu").into()),
        ("Name", |_, row| row.link.name.clone().into()),
        ("SystemCreationClassName", |_, _| "SCX_ComputerSystem".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(rows(machine))
    }
}
