//! Source addresses, grouped as one attacker can own them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Source of a connection: an IPv4 address, or a /64 network of IPv6.
///
/// One machine can use any address of its /64, so single IPv6 addresses are never counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(
    /// INVARIANT: no IPv4-mapped address; an IPv6 address other than loopback has only its first 64 bits set.
    IpAddr,
);

/// A network that contains an [`Origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// INVARIANT: bits beyond `length` are zero.
    network: IpAddr,
    length: u8,
}

impl Origin {
    /// Returns the source that an address belongs to.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => Self(IpAddr::V6(masked(address, 64))),
            address => Self(address),
        }
    }

    /// Returns the networks to schedule this source by, the widest first.
    ///
    /// For IPv6 these are /48, /56 and /64: a site, a customer and a network. For IPv4, and for `::1`, all three are
    /// the single address, because IPv4 addresses beside each other usually belong to different customers.
    #[must_use]
    pub fn prefixes(self) -> [Prefix; 3] {
        match self.0 {
            IpAddr::V6(address) if !address.is_loopback() => {
                [48, 56, 64].map(|length| Prefix { network: IpAddr::V6(masked(address, length)), length })
            }
            IpAddr::V6(address) => [Prefix { network: IpAddr::V6(address), length: 128 }; 3],
            IpAddr::V4(address) => [Prefix { network: IpAddr::V4(address), length: 32 }; 3],
        }
    }
}

fn masked(address: Ipv6Addr, length: u8) -> Ipv6Addr {
    let unused = u32::from(128_u8.saturating_sub(length));
    let mask = u128::MAX.checked_shl(unused).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

/// Writes the address, or the network address without its length.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Writes `192.0.2.1/32` or `2001:db8::/48`.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::of(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_origin() {
        assert_eq!(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff::9"));
        assert_ne!(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!(origin("::1").to_string(), "::1");
    }

    #[test]
    fn prefixes_go_from_the_site_to_the_network() {
        let shown = origin("2001:db8:1:23ff::1").prefixes().map(|prefix| prefix.to_string());
        assert_eq!(shown, ["2001:db8:1::/48", "2001:db8:1:2300::/56", "2001:db8:1:23ff::/64"]);
        assert_eq!(origin("192.0.2.1").prefixes().map(|prefix| prefix.to_string()), ["192.0.2.1/32"; 3]);
        assert_eq!(origin("::1").prefixes().map(|prefix| prefix.to_string()), ["::1/128"; 3]);
    }
}
