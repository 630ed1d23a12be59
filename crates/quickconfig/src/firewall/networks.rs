//! Networks of this machine, from the routing tables of the kernel.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};

use crate::Network;

/// Returns the networks that are reached without a gateway, except loopback.
pub(super) fn of_this_machine() -> Vec<Network> {
    let v4 = fs::read_to_string("/proc/thread-self/net/route").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap_or_default();
    let mut networks: Vec<Network> =
        v4.lines().filter_map(of_v4).chain(v6.lines().filter_map(of_v6)).collect();
    networks.sort_unstable();
    networks.dedup();
    networks
}

/// Parses `Iface Destination Gateway Flags RefCnt Use Metric Mask …`; numbers are in the byte order of this
/// machine.
fn of_v4(line: &str) -> Option<Network> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [destination, gateway, mask] =
        [1, 2, 7].map(|index: usize| u32::from_str_radix(fields.get(index)?, 16).ok());
    let (destination, gateway, mask) = (destination?, gateway?, mask?);
    let length = u8::try_from(mask.count_ones()).ok()?;
    if gateway != 0 || length == 0 || *fields.first()? == "lo" {
        return None;
    }
    Network::of(IpAddr::from(destination.to_ne_bytes()), length)
}

/// Parses `destination length source length next-hop metric references uses flags interface`, all
/// hexadecimal.
fn of_v6(line: &str) -> Option<Network> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [destination, next_hop] =
        [0, 4].map(|index: usize| u128::from_str_radix(fields.get(index)?, 16).ok().map(Ipv6Addr::from));
    let (destination, next_hop) = (destination?, next_hop?);
    let length = u8::from_str_radix(fields.get(1)?, 16).ok()?;
    let is_network = (1..128).contains(&length) && !destination.is_multicast();
    if !next_hop.is_unspecified() || !is_network || *fields.get(9)? == "lo" {
        return None;
    }
    Network::of(destination.into(), length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ZERO: &str = "00000000000000000000000000000000";

    /// Parses a line of the IPv4 routing table.
    fn v4(interface: &str, to: [u8; 4], gateway: [u8; 4], mask: [u8; 4]) -> Option<String> {
        let [to, gateway, mask] = [to, gateway, mask].map(u32::from_ne_bytes);
        let line = format!("{interface}\t{to:08X}\t{gateway:08X}\t0001\t0\t0\t0\t{mask:08X}\t0\t0\t0");
        of_v4(&line).map(|network| network.to_string())
    }

    /// Parses a line of the IPv6 routing table.
    fn v6(to: &str, length: &str, hop: &str, interface: &str) -> Option<String> {
        let line = format!("{to} {length} {ZERO} 00 {hop} 00000100 00000001 00000000 00000001 {interface}");
        of_v6(&line).map(|network| network.to_string())
    }

    #[test]
    fn a_route_without_a_gateway_is_a_network_of_this_machine() {
        assert_eq!(v4("eth0", [192, 0, 2, 0], [0; 4], [255, 255, 255, 0]).unwrap(), "192.0.2.0/24");
        assert_eq!(v4("eth0", [0; 4], [192, 0, 2, 1], [0; 4]), None, "default route");
        assert_eq!(v4("eth0", [10, 0, 0, 0], [192, 0, 2, 1], [255, 0, 0, 0]), None, "behind a gateway");
        assert_eq!(v4("lo", [127, 0, 0, 0], [0; 4], [255, 0, 0, 0]), None);
        assert_eq!(of_v4("Iface\tDestination\tGateway \tFlags"), None);

        let own = "20010db8000000000000000000000000";
        assert_eq!(v6(own, "40", ZERO, "eth0").unwrap(), "2001:db8::/64");
        assert_eq!(v6(own, "80", ZERO, "eth0"), None, "a single address");
        assert_eq!(v6("ff000000000000000000000000000000", "08", ZERO, "eth0"), None);
        assert_eq!(v6(own, "40", "fe800000000000000000000000000001", "eth0"), None);
        assert_eq!(v6(own, "40", ZERO, "lo"), None);
    }
}
