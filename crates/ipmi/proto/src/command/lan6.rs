//! How a controller is reached by IPv6 (IPMI 2.0 revision 1.1 with errata 7, table 23-4, parameters 50 to 77).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::Command;
use super::channel::ChannelNumber;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Which families of addresses a controller uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFamilies {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both.
    Both,
}

impl AddressFamilies {
    /// All of them, with the words for them.
    pub const WORDS: [(&str, Self); 3] = [("ipv4", Self::Ipv4), ("ipv6", Self::Ipv6), ("both", Self::Both)];

    /// Its word.
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

/// Which families of addresses are used: Get LAN Configuration Parameters, 51.
#[derive(Clone, Copy, Debug)]
pub struct GetAddressFamilies(
    /// Of which channel.
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

/// How many addresses there can be: Get LAN Configuration Parameters, 55.
#[derive(Clone, Copy, Debug)]
pub struct GetAddressSlots(
    /// Of which channel.
    pub ChannelNumber,
);

/// How many addresses a controller can have, and where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSlots {
    /// Those that somebody sets.
    pub fixed: u8,
    /// Those that come by themselves.
    pub dynamic: u8,
    /// It knows DHCPv6.
    pub dhcp: bool,
    /// It knows stateless autoconfiguration.
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

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody has set it.
    Fixed,
    /// DHCPv6 or autoconfiguration.
    Dynamic,
}

/// One of the addresses: Get LAN Configuration Parameters, 56 and 59.
#[derive(Clone, Copy, Debug)]
pub struct GetAddress {
    /// Of which channel.
    pub channel: ChannelNumber,
    /// Which of the two lists.
    pub origin: Origin,
    /// Its place there, from 0 on.
    pub slot: u8,
}

/// An address with its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Address {
    /// Whether it is used; those that come by themselves always are.
    pub is_enabled: bool,
    /// The address; the unspecified one where there is none.
    pub address: Ipv6Addr,
    /// How many of its bits are those of the network.
    pub prefix: u8,
    /// What has become of it.
    pub status: AddressStatus,
    /// The number of where it comes from: 0 somebody, 1 autoconfiguration, 2 DHCPv6.
    source: u8,
}

impl Ipv6Address {
    /// Where it comes from.
    #[must_use]
    pub fn source_name(&self) -> &'static str {
        ["static", "slaac", "dhcpv6"].get(usize::from(self.source)).copied().unwrap_or("other")
    }
}

/// What has become of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressStatus(u8);

impl AddressStatus {
    /// Its name.
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

/// Which routers are used: Get LAN Configuration Parameters, 64.
#[derive(Clone, Copy, Debug)]
pub struct GetRouterUse(
    /// Of which channel.
    pub ChannelNumber,
);

/// Which routers are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterUse {
    /// Those that somebody has set.
    pub fixed: bool,
    /// Those that say themselves that they are there.
    pub dynamic: bool,
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

/// The first router that somebody has set: Get LAN Configuration Parameters, 65.
#[derive(Clone, Copy, Debug)]
pub struct GetRouter(
    /// Of which channel.
    pub ChannelNumber,
);

impl Command for GetRouter {
    /// The unspecified address where there is none.
    type Reply = Ipv6Addr;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        get(self.0, ROUTER, 0)
    }

    fn reply(&self, octets: &[u8]) -> Result<Ipv6Addr, ProtoError> {
        Ok(parameter(octets).array::<16>()?.into())
    }
}

/// Set LAN Configuration Parameters, of those of IPv6.
#[derive(Clone, Copy, Debug)]
pub struct SetLan6Parameter {
    /// Of which channel.
    pub channel: ChannelNumber,
    /// What is changed.
    pub change: Lan6Change,
}

/// A change of how a controller is reached by IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lan6Change {
    /// Which families of addresses are used.
    Families(AddressFamilies),
    /// An address, in a slot of those that somebody sets; none switches the slot off.
    Address(u8, Option<Ipv6Network>),
    /// Which routers are used.
    RouterUse(RouterUse),
    /// The first router that somebody sets.
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
                // The last octet is for reading only.
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

/// An address of a host with the length of its network's prefix, such as `2001:db8::7/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Network {
    /// INVARIANT: neither unspecified nor multicast.
    address: Ipv6Addr,
    /// INVARIANT: at most 128.
    prefix: u8,
}

impl Ipv6Network {
    /// The address.
    #[must_use]
    pub fn address(&self) -> Ipv6Addr {
        self.address
    }

    /// How many of its bits are those of the network.
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

/// What follows the revision of the parameter.
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
    fn an_address_reads_back_as_it_was_set() {
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
    fn what_is_no_address_of_a_host_is_refused() {
        for text in ["2001:db8::7", "::/0", "ff02::1/64", "2001:db8::7/129", "10.0.0.7/24", ""] {
            assert!(text.parse::<Ipv6Network>().is_err(), "{text}");
        }
        assert_eq!("fe80::1/64".parse::<Ipv6Network>().unwrap().to_string(), "fe80::1/64");
    }

    #[test]
    fn what_the_controller_uses_is_read() {
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
