//! IP addresses of links.

use std::net::{IpAddr, Ipv4Addr};

use super::netlink::{self, Kind, dump};
use crate::Machine;

/// An IP address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Link index.
    pub link: u32,
    /// The address.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
    /// Whether the address has no lifetime; addresses from DHCP do have one.
    pub is_permanent: bool,
    /// Scope: 0 global, 253 link, 254 host (rtnetlink(7)).
    pub scope: u8,
    /// Flags (`IFA_F_*`).
    pub flags: u32,
    /// Origin (`IFAPROT_*`), if the kernel reports it.
    pub origin: Option<u8>,
    /// Preferred lifetime in seconds; [`Address::FOREVER`] for unlimited.
    pub preferred: u32,
    /// Valid lifetime in seconds.
    pub valid: u32,
}

impl Address {
    /// Unlimited lifetime (`INFINITY_LIFE_TIME`).
    pub const FOREVER: u32 = u32::MAX;

    /// Returns the addresses of all links, IPv4 first.
    pub fn all(machine: &Machine) -> Vec<Self> {
        let mut addresses = Vec::new();
        if !machine.is_this() {
            return addresses;
        }
        // If the kernel does not respond, the list stays empty.
        let _ = dump(Kind::GetAddress, |message| {
            let attributes = message.attributes(8);
            // IFA_LOCAL is the local address if IFA_ADDRESS is that of the peer; IPv6 has only the latter.
            let Some(address) = attributes.address(2).or_else(|| attributes.address(1)) else { return };
            let flags = attributes.number(8).unwrap_or_else(|| message.octet(2).into());
            // IFA_CACHEINFO (`struct ifa_cacheinfo`).
            let lifetimes = attributes.find(6).unwrap_or_default();
            addresses.push(Self {
                link: message.number(4),
                address,
                prefix: message.octet(1),
                // IFA_F_PERMANENT.
                is_permanent: flags & 0x80 != 0,
                scope: message.octet(3),
                flags,
                origin: attributes.octet(11),
                preferred: netlink::number_u32(lifetimes, 0).unwrap_or(Self::FOREVER),
                valid: netlink::number_u32(lifetimes, 4).unwrap_or(Self::FOREVER),
            });
        });
        addresses.sort_by_key(|address| address.address.is_ipv6());
        addresses
    }

    /// Returns the subnet mask as on Windows: in dotted notation for IPv4, as prefix length for IPv6.
    pub fn mask(&self) -> String {
        match self.address {
            IpAddr::V4(_) => mask(self.prefix).to_string(),
            IpAddr::V6(_) => self.prefix.to_string(),
        }
    }
}

/// Returns the mask for a prefix length.
pub fn mask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or_default())
}

/// Parses a mask, in dotted notation or as prefix length; `None` if its bits are not contiguous.
pub fn prefix(mask: &str, of: IpAddr) -> Option<u8> {
    match (mask.parse::<Ipv4Addr>(), of) {
        (Ok(mask), IpAddr::V4(_)) => {
            let bits = mask.to_bits();
            let is_whole = bits.leading_ones() + bits.trailing_zeros() >= 32;
            u8::try_from(bits.leading_ones()).ok().filter(|_| is_whole)
        }
        (Ok(_), IpAddr::V6(_)) => None,
        (Err(_), _) => mask.parse().ok().filter(|bits| *bits <= if of.is_ipv4() { 32 } else { 128 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_leading_bits() {
        let here: IpAddr = Ipv4Addr::LOCALHOST.into();
        for (bits, text) in [(0, "0.0.0.0"), (8, "255.0.0.0"), (23, "255.255.254.0"), (32, "255.255.255.255")]
        {
            assert_eq!(mask(bits).to_string(), text);
            assert_eq!(prefix(text, here), Some(bits));
        }
        assert_eq!(prefix("64", std::net::Ipv6Addr::LOCALHOST.into()), Some(64));
        for wrong in ["255.0.255.0", "33", "x", ""] {
            assert_eq!(prefix(wrong, here), None, "{wrong}");
        }
    }
}
