//! Routes of the kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{Attributes, Kind, dump, number_u32};
use crate::Machine;

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination network.
    pub network: IpAddr,
    /// Prefix length of the destination in bits.
    pub prefix: u8,
    /// Gateway; `None` for a directly connected network.
    pub gateway: Option<IpAddr>,
    /// Link index.
    pub link: u32,
    /// Priority; the lowest is used.
    pub metric: u32,
    /// Origin (`RTPROT_*`).
    pub protocol: u8,
    /// Remaining lifetime in seconds; `None` for unlimited.
    pub valid: Option<u32>,
}

impl Route {
    /// Returns the unicast routes of the main table.
    pub fn all(machine: &Machine) -> Vec<Self> {
        let mut routes = Vec::new();
        if !machine.is_this() {
            return routes;
        }
        // If the kernel does not respond, the list stays empty.
        let _ = dump(Kind::GetRoute, |message| {
            let attributes = message.attributes(12);
            let table = attributes.number(15).unwrap_or_else(|| message.octet(4).into());
            // RT_TABLE_MAIN, RTN_UNICAST.
            if table != 254 || message.octet(7) != 1 {
                return;
            }
            let any: IpAddr = match message.octet(0) {
                2 => Ipv4Addr::UNSPECIFIED.into(),
                10 => Ipv6Addr::UNSPECIFIED.into(),
                _ => return,
            };
            let route = Self {
                network: attributes.address(1).unwrap_or(any),
                prefix: message.octet(1),
                gateway: attributes.address(5),
                link: attributes.number(4).unwrap_or_default(),
                metric: attributes.number(6).unwrap_or_default(),
                protocol: message.octet(5),
                valid: expires(attributes),
            };
            match attributes.find(9) {
                // A multipath route.
                Some(hops) => {
                    routes.extend(hops_of(hops).map(|(link, gateway)| Self { link, gateway, ..route }));
                }
                None => routes.push(route),
            }
        });
        routes
    }

    /// Returns whether it is a default route.
    pub fn is_default(&self) -> bool {
        self.prefix == 0
    }
}

/// Returns the remaining lifetime in seconds of an IPv6 route with expiry (`RTA_CACHEINFO`, `rta_expires` in
/// hundredths of seconds).
fn expires(attributes: Attributes<'_>) -> Option<u32> {
    let left = number_u32(attributes.find(12)?, 8)?;
    (left > 0).then_some(left / 100)
}

/// Returns link and gateway of each hop in `RTA_MULTIPATH` (`struct rtnexthop`).
fn hops_of(mut octets: &[u8]) -> impl Iterator<Item = (u32, Option<IpAddr>)> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*octets.first_chunk()?));
        let hop = octets.get(..length).filter(|hop| hop.len() >= 8)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        let link = hop.get(4..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))?;
        Some((link, Attributes::new(hop.get(8..)?).address(5)))
    })
}
