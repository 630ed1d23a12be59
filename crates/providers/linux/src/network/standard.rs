//! `root/StandardCimv2`: network classes for the PowerShell modules NetAdapter, NetTCPIP, NetConnection and
//! DnsClient.
//!
//! States and types are the numbers that these modules translate to names.

mod adapter;
mod associations;
mod connection_profile;
mod dns;
mod dns_cache;
mod firewall;
mod hardware_info;
mod ip_address;
mod ip_interface;
mod neighbor;
mod route;
mod statistics;
mod transport;

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use cim::{DateTime, Instance, Interval, Status, Value};
use linux::network::address::Address;
use linux::network::link::Link;
use wmi::{MethodCall, ProviderError};

use crate::Machine;
use crate::table::association::relate;
use crate::table::{Binding, Table, bind, object, returned};

/// Namespace of these classes.
const NAMESPACE: &str = "root/standardcimv2";

/// Returns the tables of these classes.
pub(super) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, adapter::Adapter),
        bind(machine, statistics::Statistics),
        bind(machine, hardware_info::HardwareInfo),
        bind(machine, ip_address::IpAddress),
        bind(machine, ip_interface::IpInterface),
        bind(machine, route::NetRoute),
        bind(machine, neighbor::NetNeighbor),
        bind(machine, transport::TcpConnection),
        bind(machine, transport::UdpEndpoint),
        bind(machine, connection_profile::ConnectionProfile),
        bind(machine, dns::ServerAddress),
        bind(machine, dns::Client),
        bind(machine, dns::GlobalSetting),
        bind(machine, dns_cache::Cache),
        bind(machine, firewall::Profile),
        bind(machine, firewall::Rule),
        relate(machine, &associations::STATISTICS_OF_ADAPTER),
        relate(machine, &associations::ADAPTER_OF_INTERFACE),
        relate(machine, &associations::ADDRESS_OF_INTERFACE),
        relate(machine, &associations::NEIGHBOR_OF_INTERFACE),
        relate(machine, &associations::ROUTE_OF_INTERFACE),
    ]
}

/// Address family, with the numbers of Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Family {
    V4 = 2,
    V6 = 23,
}

impl Family {
    const BOTH: [Self; 2] = [Self::V4, Self::V6];

    fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn number(self) -> u16 {
        self as u16
    }

    /// Returns its directory in `/proc/sys/net`.
    fn folder(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }
}

/// Names of links, read once for all rows.
#[derive(Debug, Default)]
struct Aliases(OnceCell<HashMap<u32, String>>);

impl Aliases {
    fn of(&self, machine: &Machine, index: u32) -> Option<String> {
        self.0
            .get_or_init(|| Link::all(machine).into_iter().map(|link| (link.index, link.name)).collect())
            .get(&index)
            .cloned()
    }
}

/// Returns an interval in seconds, or the maximum interval for unlimited.
fn lifetime(seconds: u32) -> Value {
    let micros = match seconds {
        Address::FOREVER => Some(Interval::MAX),
        seconds => u64::from(seconds).checked_mul(1_000_000),
    };
    micros.and_then(Interval::from_micros).map(DateTime::Interval).into()
}

/// Returns the seconds of an interval from a client.
fn seconds(value: &Value) -> Option<u32> {
    let Value::DateTime(DateTime::Interval(interval)) = value else { return None };
    Some(u32::try_from(interval.micros() / 1_000_000).unwrap_or(Address::FOREVER))
}

/// Formats a hardware address as on Windows.
fn dashed(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join("-")
}

/// Parses a hardware address in any common notation.
fn hardware_address(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|octet| !matches!(octet, b'-' | b':' | b'.')).collect();
    (digits.len() == 12).then(|| {
        digits
            .chunks(2)
            .map(|pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect()
    })?
}

/// Returns the link that a client identifies by index or name.
fn link_of(machine: &Machine, input: &Instance) -> Result<Link, ProviderError> {
    let index = input.value("InterfaceIndex").and_then(Value::as_integer);
    let alias = input.value("InterfaceAlias").and_then(Value::as_str).filter(|alias| !alias.is_empty());
    let link = match (index.filter(|index| *index > 0), alias) {
        (Some(index), _) => u32::try_from(index).ok().and_then(|index| Link::numbered(machine, index)),
        (None, Some(alias)) => Link::named(machine, alias),
        (None, None) => return Err(wrong("InterfaceIndex or InterfaceAlias is required")),
    };
    link.ok_or_else(|| ProviderError::failed(Status::NotFound, "interface not found"))
}

/// Returns the error for an invalid parameter.
fn wrong(problem: impl Into<String>) -> ProviderError {
    ProviderError::failed(Status::InvalidParameter, problem)
}

/// Returns the output of a method that has created or changed rows, in `cmdletOutput`.
fn made<T: Table>(
    machine: &Machine,
    call: &MethodCall<'_>,
    rows: &[T::Row],
) -> Result<Instance, ProviderError> {
    let objects: Vec<Value> =
        rows.iter().map(|row| object::<T>(machine, call.class, row)).collect::<Result<_, _>>()?;
    Ok(returned(call, 0_u32)?.with("cmdletOutput", Value::Array(objects.into()))?)
}

/// Unique names: a suffix is added to repeated ones.
#[derive(Debug, Default)]
struct Names(HashSet<String>);

impl Names {
    fn unique(&mut self, name: String, more: impl FnOnce() -> String) -> String {
        if self.0.insert(name.clone()) {
            return name;
        }
        let longer = format!("{name};{}", more());
        self.0.insert(longer.clone());
        longer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_parsed() {
        let octets = vec![0x3C, 0x52, 0x82, 0xAA, 0xBB, 0xCC];
        for text in ["3C-52-82-AA-BB-CC", "3c:52:82:aa:bb:cc", "3c5282aabbcc", "3c52.82aa.bbcc"] {
            assert_eq!(hardware_address(text), Some(octets.clone()), "{text}");
        }
        assert_eq!(dashed(&octets), "3C-52-82-AA-BB-CC");
        for wrong in ["", "3C-52-82-AA-BB", "3C-52-82-AA-BB-CG", "3C-52-82-AA-BB-é"] {
            assert_eq!(hardware_address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn unlimited_lifetimes_are_the_maximum_interval() {
        assert_eq!(seconds(&lifetime(Address::FOREVER)), Some(Address::FOREVER));
        assert_eq!(seconds(&lifetime(7_200)), Some(7_200));
        assert_eq!(seconds(&Value::Null), None);
    }
}
