use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Kind, Value, malformed};
use crate::Reason;

/// Balancers that name the client of each connection in a header of the PROXY protocol.
///
/// Addresses and networks such as `192.0.2.10`, `192.0.2.0/28` or `2001:db8::/64`, separated by commas. At most 100.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedBalancers(Arc<[Network]>);

/// Network of IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    /// INVARIANT: the bits behind the prefix are zero; not an IPv4-mapped IPv6 address.
    first: IpAddr,
    /// INVARIANT: at least 1, at most the number of bits of an address.
    prefix: u8,
}

impl TrustedBalancers {
    const MAX_ENTRIES: usize = 100;

    /// Returns whether an address is that of a balancer.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// Returns whether no balancer is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value for TrustedBalancers {
    const KIND: Kind = Kind::Text {
        expected: "a list of addresses and networks separated by commas, such as 192.0.2.10,2001:db8::/64, \
                   in which the bits behind each prefix are zero",
    };

    fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut networks = Vec::new();
        for entry in text.split(',') {
            if networks.len() == Self::MAX_ENTRIES {
                return Err(malformed(text, "a list of at most 100 addresses and networks"));
            }
            let entry = entry.trim();
            networks.push(Network::parse(entry).ok_or_else(|| malformed(entry, Self::KIND.expected()))?);
        }
        Ok(Self(networks.into()))
    }

    fn show(&self) -> Cow<'_, str> {
        self.to_string().into()
    }
}

impl Network {
    fn parse(entry: &str) -> Option<Self> {
        let (address, prefix) =
            entry.split_once('/').map_or((entry, None), |(address, prefix)| (address, Some(prefix)));
        let first: IpAddr = address.parse().ok()?;
        if first != first.to_canonical() {
            return None;
        }
        let bits = bits(first);
        let prefix = match prefix {
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => prefix.parse().ok()?,
            Some(_) => return None,
            None => bits,
        };
        // A prefix of 0 bits would trust every client to name another one.
        let is_valid = (1..=bits).contains(&prefix) && masked(first, prefix) == first;
        is_valid.then_some(Self { first, prefix })
    }

    fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.prefix) == self.first
    }
}

/// Returns the number of bits of an address.
fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Returns the first address of a network.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let unused = u32::from(bits(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(unused).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(unused).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for TrustedBalancers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(number, network)| {
            let comma = if number == 0 { "" } else { "," };
            write!(formatter, "{comma}{network}")
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix == bits(self.first) {
            true => self.first.fmt(formatter),
            false => write!(formatter, "{}/{}", self.first, self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balancers(text: &str) -> TrustedBalancers {
        <TrustedBalancers as Value>::parse(text).unwrap()
    }

    fn contains(list: &TrustedBalancers, address: &str) -> bool {
        list.contains(address.parse().unwrap())
    }

    #[test]
    fn no_balancer_is_trusted_by_default() {
        assert!(TrustedBalancers::default().is_empty() && balancers(" ").is_empty());
        assert!(!contains(&TrustedBalancers::default(), "127.0.0.1"));
    }

    #[test]
    fn addresses_and_networks_are_trusted() {
        let list = balancers("192.0.2.10, 198.51.100.0/24 ,2001:db8::/64,::1");
        for balancer in
            ["192.0.2.10", "198.51.100.0", "198.51.100.255", "2001:db8::ffff", "::1", "::ffff:192.0.2.10"]
        {
            assert!(contains(&list, balancer), "{balancer}");
        }
        for other in ["192.0.2.11", "198.51.101.0", "2001:db8:0:1::1", "::2", "::c000:20a"] {
            assert!(!contains(&list, other), "{other}");
        }
        assert_eq!(list.show(), "192.0.2.10,198.51.100.0/24,2001:db8::/64,::1");
        assert_eq!(balancers(&list.show()), list);
    }

    #[test]
    fn invalid_entries_are_refused() {
        for wrong in [
            "*",
            "0.0.0.0/0",
            "::/0",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "2001:db8::/129",
            "192.0.2.0/+8",
            "192.0.2.0/",
            "::ffff:192.0.2.10",
            "balancer.example.com",
            "192.0.2.10,",
            "192.0.2.10;192.0.2.11",
        ] {
            assert!(<TrustedBalancers as Value>::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(<TrustedBalancers as Value>::parse(&vec!["::1"; 100].join(",")).is_ok());
        assert!(<TrustedBalancers as Value>::parse(&vec!["::1"; 101].join(",")).is_err());
    }
}
