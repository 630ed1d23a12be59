//! IPv6 LAN configuration (IPMI 2.0 revision 1.1 with errata 7, table 23-4, parameters 50 to 77).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::Command;
use super::channel::ChannelNumber;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Address families used by a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFamilies {
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
    /// IPv4 and IPv6.
    Both,
}

impl AddressFamilies {
    /// All values, with their names.
    pub const WORDS: [(&str, Self); 3] = [("ipv4", Self::Ipv4), ("ipv6", Self::Ipv6), ("both", Self::Both)];

    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, families)| *families == self).map_or("ipv4", |(word, _)| word)
    }

    fn number(self) -> u8 {
        match self {
            Self::Ipv4 => 0,
            Self::Ipv6 => 1,
            Self::Both => 2,
        }
    }
}

impl fmt::Display for AddressFamilies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AddressFamilies {
    type Err = ProtoError;

    fn from_str(text: &str) -> Result<Self, ProtoError> {
        let known = Self::WORDS.iter().find(|(word, _)| *word == text);
        known.map(|(_, families)| *families).ok_or_else(|| ProtoError::Word {
            what: "which addresses are used",
            word: text.to_owned(),
            known: Self::WORDS.map(|(word, _)| word).join(", "),
        })
    }
}

/// Get LAN Configuration Parameters, parameter 51: address families in use.
#[derive(Clone, Copy, Debug)]
pub struct GetAddressFamilies(
    /// Channel.
    pub ChannelNumber,
);

impl Command for GetAddressFamilies {
    type Reply = AddressFamilies;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        get(self.0, FAMILIES, 0)
    }

    fn reply(&self, octets: &[u8]) -> Result<AddressFamilies, ProtoError> {
        let number = parameter(octets).u8()?;
        let known = AddressFamilies::WORDS.into_iter().find(|(_, families)| families.number() == number);
        known.map(|(_, families)| families).ok_or(ProtoError::Unexpected {
            what: "which families of addresses a controller uses",
            value: number.into(),
        })
    }
}

/// Get LAN Configuration Parameters, parameter 55: number of addresses.
#[derive(Clone, Copy, Debug)]
pub struct GetAddressSlots(
    /// Channel.
    pub ChannelNumber,
);

/// Number of IPv6 addresses and supported configuration protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSlots {
    /// Maximum number of static addresses.
    pub fixed: u8,
    /// Maximum number of dynamic addresses.
    pub dynamic: u8,
    /// Whether DHCPv6 is supported.
    pub dhcp: bool,
    /// Whether stateless address autoconfiguration is supported.
    pub autoconfiguration: bool,
}

impl Command for GetAddressSlots {
    type Reply = AddressSlots;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        get(self.0, SLOTS, 0)
    }

    fn reply(&self, octets: &[u8]) -> Result<AddressSlots, ProtoError> {
        let [fixed, dynamic, support] = parameter(octets).array()?;
        Ok(AddressSlots { fixed, dynamic, dhcp: support & 1 != 0, autoconfiguration: support & 2 != 0 })
    }
}

/// Address list: static or dynamic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Addresses set manually.
    Fixed,
    /// Addresses from DHCPv6 or autoconfiguration.
    Dynamic,
}

/// Get LAN Configuration Parameters, parameters 56 and 59: an address.
#[derive(Clone, Copy, Debug)]
pub struct GetAddress {
    /// Channel.
    pub channel: ChannelNumber,
    /// Address list: static or dynamic.
    pub origin: Origin,
    /// Index in the list, from 0.
    pub slot: u8,
}

/// An IPv6 address of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Address {
    /// Whether the address is enabled; dynamic addresses always are.
    pub is_enabled: bool,
    /// Address; `::` if the slot is empty.
    pub address: Ipv6Addr,
    /// Prefix length in bits.
    pub prefix: u8,
    /// Status of the address.
    pub status: AddressStatus,
    /// Source number: 0 static, 1 autoconfiguration, 2 DHCPv6.
    source: u8,
}

impl Ipv6Address {
    /// Returns address and prefix length, or `off` if the address is disabled.
    #[must_use]
    pub fn setting(&self) -> String {
        let Self { is_enabled, address, prefix, .. } = self;
        if *is_enabled { format!("{address}/{prefix}") } else { "off".to_owned() }
    }

    /// Returns the name of the source.
    #[must_use]
    pub fn source_name(&self) -> &'static str {
        ["static", "slaac", "dhcpv6"].get(usize::from(self.source)).copied().unwrap_or("other")
    }
}

/// Status of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressStatus(u8);

impl AddressStatus {
    /// Returns the name of the status.
    #[must_use]
    pub fn name(self) -> &'static str {
        let all = ["active", "disabled", "pending", "failed", "deprecated", "invalid"];
        all.get(usize::from(self.0)).copied().unwrap_or("reserved")
    }
}

impl Command for GetAddress {
    type Reply = Ipv6Address;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let number = match self.origin {
            Origin::Fixed => FIXED,
            Origin::Dynamic => DYNAMIC,
        };
        get(self.channel, number, self.slot)
    }

    fn reply(&self, octets: &[u8]) -> Result<Ipv6Address, ProtoError> {
        let mut octets = parameter(octets);
        let [_slot, source] = octets.array()?;
        let address: [u8; 16] = octets.array()?;
        let [prefix, status] = octets.array()?;
        Ok(Ipv6Address {
            is_enabled: self.origin == Origin::Dynamic || source & 0x80 != 0,
            address: address.into(),
            prefix,
            status: AddressStatus(status & 0x0f),
            source: source & 0x0f,
        })
    }
}

/// Get LAN Configuration Parameters, parameter 64: router configuration in use.
#[derive(Clone, Copy, Debug)]
pub struct GetRouterUse(
    /// Channel.
    pub ChannelNumber,
);

/// Router configuration in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterUse {
    /// Whether static routers are used.
    pub fixed: bool,
    /// Whether routers from router advertisements are used.
    pub dynamic: bool,
}

impl fmt::Display for RouterUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.fixed, self.dynamic) {
            (false, false) => "none",
            (true, false) => "static",
            (false, true) => "dynamic",
            (true, true) => "both",
        })
    }
}

impl Command for GetRouterUse {
    type Reply = RouterUse;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        get(self.0, ROUTER_USE, 0)
    }

    fn reply(&self, octets: &[u8]) -> Result<RouterUse, ProtoError> {
        let bits = parameter(octets).u8()?;
        Ok(RouterUse { fixed: bits & 1 != 0, dynamic: bits & 2 != 0 })
    }
}

/// Get LAN Configuration Parameters, parameter 65: the first static router.
#[derive(Clone, Copy, Debug)]
pub struct GetRouter(
    /// Channel.
    pub ChannelNumber,
);

impl Command for GetRouter {
    /// Router address; `::` without a router.
    type Reply = Ipv6Addr;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        get(self.0, ROUTER, 0)
    }

    fn reply(&self, octets: &[u8]) -> Result<Ipv6Addr, ProtoError> {
        Ok(parameter(octets).array::<16>()?.into())
    }
}

/// Set LAN Configuration Parameters, for IPv6 parameters.
#[derive(Clone, Copy, Debug)]
pub struct SetLan6Parameter {
    /// Channel.
    pub channel: ChannelNumber,
    /// Change to make.
    pub change: Lan6Change,
}

/// A change of the IPv6 configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lan6Change {
    /// Sets the address families in use.
    Families(AddressFamilies),
    /// Sets the static address in a slot; `None` disables the slot.
    Address(u8, Option<Ipv6Network>),
    /// Sets the router configuration in use.
    RouterUse(RouterUse),
    /// Sets the first static router.
    Router(Ipv6Addr),
}

impl Command for SetLan6Parameter {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        let (number, octets) = match self.change {
            Lan6Change::Families(families) => (FAMILIES, vec![families.number()]),
            Lan6Change::Address(slot, network) => {
                let mut octets = vec![slot, if network.is_some() { 0x80 } else { 0 }];
                let (address, prefix) =
                    network.map_or((Ipv6Addr::UNSPECIFIED, 0), |network| (network.address, network.prefix));
                octets.extend(address.octets());
                // The last byte, the status, is read-only.
                octets.extend([prefix, 0]);
                (FIXED, octets)
            }
            Lan6Change::RouterUse(RouterUse { fixed, dynamic }) => {
                (ROUTER_USE, vec![u8::from(fixed) | u8::from(dynamic) << 1])
            }
            Lan6Change::Router(address) => (ROUTER, address.octets().into()),
        };
        let mut data = vec![self.channel.number(), number];
        data.extend(octets);
        Request { net_fn: NetFn::TRANSPORT, command: 0x01, data: data.into() }
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// A host address with a prefix length, such as `2001:db8::7/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Network {
    /// INVARIANT: neither unspecified nor multicast.
    address: Ipv6Addr,
    /// INVARIANT: at most 128.
    prefix: u8,
}

impl Ipv6Network {
    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> Ipv6Addr {
        self.address
    }

    /// Returns the prefix length in bits.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Ipv6Network {
    type Err = ProtoError;

    fn from_str(text: &str) -> Result<Self, ProtoError> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let (address, prefix): (Ipv6Addr, u8) = (address.parse().ok()?, prefix.parse().ok()?);
            let is_host = !address.is_unspecified() && !address.is_multicast();
            (is_host && prefix <= 128).then_some(Self { address, prefix })
        });
        parsed.ok_or_else(|| ProtoError::Word {
            what: "an address of IPv6 with the length of its prefix",
            word: text.to_owned(),
            known: "such as 2001:db8::7/64".to_owned(),
        })
    }
}

impl fmt::Display for Ipv6Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn get(channel: ChannelNumber, number: u8, slot: u8) -> Request {
    Request::new(NetFn::TRANSPORT, 0x02, &[channel.number(), number, slot, 0])
}

/// Returns a reader over the data after the parameter revision.
fn parameter(octets: &[u8]) -> Octets<'_> {
    let rest = octets.split_first().map_or(octets, |(_revision, rest)| rest);
    Octets::new("the answer to Get LAN Configuration Parameters", rest)
}

const FAMILIES: u8 = 51;
const SLOTS: u8 = 55;
const FIXED: u8 = 56;
const DYNAMIC: u8 = 59;
const ROUTER_USE: u8 = 64;
const ROUTER: u8 = 65;

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> ChannelNumber {
        ChannelNumber::new(1).unwrap()
    }

    #[test]
    fn addresses_are_encoded_and_decoded() {
        let network: Ipv6Network = "2001:db8::7/64".parse().unwrap();
        let set = SetLan6Parameter { channel: channel(), change: Lan6Change::Address(2, Some(network)) };
        let data = set.request().data.clone();
        assert_eq!((data[..4].to_vec(), data.len()), (vec![1, FIXED, 2, 0x80], 22));
        let get = GetAddress { channel: channel(), origin: Origin::Fixed, slot: 2 };
        assert_eq!(get.request().data, [1, 56, 2, 0]);
        let read = get.reply(&[&[0x11], &data[2..]].concat()).unwrap();
        assert_eq!((read.is_enabled, read.address, read.prefix), (true, network.address(), network.prefix()));
        assert_eq!((read.status.name(), read.source_name()), ("active", "static"));
        let off = SetLan6Parameter { channel: channel(), change: Lan6Change::Address(0, None) };
        assert!(!get.reply(&[&[0x11], &off.request().data[2..]].concat()).unwrap().is_enabled);
        assert!(get.reply(&[0x11, 0, 0x80]).is_err() && get.reply(&[]).is_err());
    }

    #[test]
    fn addresses_that_no_host_can_have_are_rejected() {
        for text in ["2001:db8::7", "::/0", "ff02::1/64", "2001:db8::7/129", "10.0.0.7/24", ""] {
            assert!(text.parse::<Ipv6Network>().is_err(), "{text}");
        }
        assert_eq!("fe80::1/64".parse::<Ipv6Network>().unwrap().to_string(), "fe80::1/64");
    }

    #[test]
    fn addresses_and_routers_in_use_are_decoded() {
        assert_eq!(GetAddressFamilies(channel()).reply(&[0x11, 2]), Ok(AddressFamilies::Both));
        assert!(GetAddressFamilies(channel()).reply(&[0x11, 3]).is_err());
        let slots = GetAddressSlots(channel()).reply(&[0x11, 2, 4, 3]).unwrap();
        assert_eq!(slots, AddressSlots { fixed: 2, dynamic: 4, dhcp: true, autoconfiguration: true });
        let both = RouterUse { fixed: true, dynamic: true };
        assert_eq!(GetRouterUse(channel()).reply(&[0x11, 3]), Ok(both));
        let set = SetLan6Parameter { channel: channel(), change: Lan6Change::RouterUse(both) };
        assert_eq!(set.request().data, [1, 64, 3]);
        let router: Ipv6Addr = "fe80::1".parse().unwrap();
        assert_eq!(GetRouter(channel()).reply(&[&[0x11], &router.octets()[..]].concat()), Ok(router));
    }
}
