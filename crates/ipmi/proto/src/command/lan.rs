//! LAN configuration of a controller (IPMI 2.0, 23.1, 23.2 and table 23-4).

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::Command;
use super::channel::ChannelNumber;
use super::user::AccessLevel;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get LAN Configuration Parameters. Completion code 80h means that the controller does not support the
/// parameter.
#[derive(Clone, Copy, Debug)]
pub struct GetLanParameter {
    /// Channel.
    pub channel: ChannelNumber,
    /// Parameter.
    pub parameter: LanParameter,
}

/// A readable parameter (IPMI 2.0, table 23-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LanParameter {
    /// IPMI 1.5 authentication types per privilege level: [`LanValue::Levels`].
    AuthenticationEnables,
    /// IP address: [`LanValue::Address`].
    Address,
    /// IP address source: [`LanValue::Source`].
    Source,
    /// MAC address: [`LanValue::Hardware`].
    Hardware,
    /// Subnet mask: [`LanValue::Address`].
    Mask,
    /// ARP behaviour: [`LanValue::Arp`].
    Arp,
    /// The default gateway: [`LanValue::Address`].
    Gateway,
    /// MAC address of the default gateway: [`LanValue::Hardware`].
    GatewayHardware,
    /// Backup gateway: [`LanValue::Address`].
    BackupGateway,
    /// SNMP community of traps: [`LanValue::Community`].
    Community,
    /// VLAN: [`LanValue::Vlan`].
    Vlan,
    /// Number of cipher suites: [`LanValue::SuiteCount`].
    SuiteCount,
    /// Cipher suites: [`LanValue::Suites`].
    Suites,
    /// Maximum privilege level of each cipher suite: [`LanValue::SuiteLimits`].
    SuiteLimits,
}

impl LanParameter {
    fn number(self) -> u8 {
        match self {
            Self::AuthenticationEnables => 2,
            Self::Address => 3,
            Self::Source => 4,
            Self::Hardware => 5,
            Self::Mask => 6,
            Self::Arp => 10,
            Self::Gateway => 12,
            Self::GatewayHardware => 13,
            Self::BackupGateway => 14,
            Self::Community => 16,
            Self::Vlan => 20,
            Self::SuiteCount => 22,
            Self::Suites => 23,
            Self::SuiteLimits => 24,
        }
    }
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LanValue {
    /// Allowed authentication types for callback, user, operator, administrator and OEM.
    Levels([AuthenticationTypes; 5]),
    /// IPv4 address.
    Address(Ipv4Addr),
    /// IP address source.
    Source(AddressSource),
    /// MAC address.
    Hardware([u8; 6]),
    /// ARP behaviour.
    Arp {
        /// Whether the controller responds to ARP requests.
        answers: bool,
        /// Whether the controller sends gratuitous ARP packets.
        is_gratuitous: bool,
    },
    /// SNMP community; control characters are replaced.
    Community(String),
    /// VLAN id; `None` if VLAN tagging is disabled.
    Vlan(Option<u16>),
    /// Number of cipher suites, at most 16.
    SuiteCount(u8),
    /// Numbers of the cipher suites, in the order of the controller.
    Suites(Vec<u8>),
    /// Maximum privilege level of each cipher suite, in the same order.
    SuiteLimits(Vec<AccessLevel>),
}

impl LanValue {
    /// Returns the value with at most this number of cipher suites; other values are unchanged.
    #[must_use]
    pub fn with_suites(mut self, count: u8) -> Self {
        match &mut self {
            Self::Suites(suites) => suites.truncate(count.into()),
            Self::SuiteLimits(limits) => limits.truncate(count.into()),
            _ => {}
        }
        self
    }
}

impl fmt::Display for LanValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = |is_on: bool| if is_on { "on" } else { "off" };
        let text = match self {
            Self::Address(address) => return address.fmt(f),
            Self::Source(source) => return source.fmt(f),
            Self::Hardware(octets) => octets.map(|octet| format!("{octet:02x}")).join(":"),
            Self::Arp { answers, is_gratuitous } => {
                format!("answers {}, gratuitous {}", state(*answers), state(*is_gratuitous))
            }
            Self::Community(text) => text.clone(),
            Self::Vlan(None) => "off".to_owned(),
            Self::Vlan(Some(number)) => number.to_string(),
            Self::SuiteCount(count) => count.to_string(),
            Self::Suites(suites) => suites.iter().map(u8::to_string).collect::<Vec<_>>().join(","),
            Self::SuiteLimits(limits) => {
                limits.iter().map(|limit| limit.name()).collect::<Vec<_>>().join(",")
            }
            Self::Levels(levels) => levels.map(|types| types.names().collect::<Vec<_>>().join(" ")).join(","),
        };
        f.write_str(&text)
    }
}

/// IPMI 1.5 authentication types, as bits (IPMI 2.0, table 22-16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthenticationTypes(pub u8);

impl AuthenticationTypes {
    /// Returns whether access without authentication is allowed.
    #[must_use]
    pub fn allows_none(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// Returns whether clear-text passwords are allowed.
    #[must_use]
    pub fn allows_password(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// Returns the names of the allowed types.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [(0, "none"), (1, "MD2"), (2, "MD5"), (4, "password"), (5, "OEM")];
        all.into_iter().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name)
    }
}

/// Source of an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// Set manually.
    Static,
    /// DHCP.
    Dhcp,
    /// Set by the firmware of the machine.
    Firmware,
    /// Set by another protocol.
    Other,
    /// Not specified by the controller.
    Unknown,
}

impl AddressSource {
    /// Sources that can be set, with their names.
    pub const WORDS: [(&str, Self); 4] =
        [("static", Self::Static), ("dhcp", Self::Dhcp), ("bios", Self::Firmware), ("other", Self::Other)];

    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, source)| *source == self).map_or("unknown", |(word, _)| word)
    }

    fn number(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Static => 1,
            Self::Dhcp => 2,
            Self::Firmware => 3,
            Self::Other => 4,
        }
    }
}

impl fmt::Display for AddressSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AddressSource {
    type Err = ProtoError;

    fn from_str(text: &str) -> Result<Self, ProtoError> {
        let known = Self::WORDS.iter().find(|(word, _)| *word == text);
        known.map(|(_, source)| *source).ok_or_else(|| ProtoError::Word {
            what: "a source of addresses",
            word: text.to_owned(),
            known: Self::WORDS.map(|(word, _)| word).join(", "),
        })
    }
}

impl Command for GetLanParameter {
    type Reply = LanValue;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        Request::new(NetFn::TRANSPORT, 0x02, &[self.channel.number(), self.parameter.number(), 0, 0])
    }

    fn reply(&self, octets: &[u8]) -> Result<LanValue, ProtoError> {
        let mut octets = Octets::new("the answer to Get LAN Configuration Parameters", octets);
        let _revision = octets.u8()?;
        Ok(match self.parameter {
            LanParameter::AuthenticationEnables => LanValue::Levels(octets.array()?.map(AuthenticationTypes)),
            LanParameter::Address
            | LanParameter::Mask
            | LanParameter::Gateway
            | LanParameter::BackupGateway => LanValue::Address(octets.array::<4>()?.into()),
            LanParameter::Source => {
                let number = octets.u8()? & 0x0f;
                let known = AddressSource::WORDS.into_iter().find(|(_, source)| source.number() == number);
                LanValue::Source(known.map_or(AddressSource::Unknown, |(_, source)| source))
            }
            LanParameter::Hardware | LanParameter::GatewayHardware => LanValue::Hardware(octets.array()?),
            LanParameter::Arp => {
                let flags = octets.u8()?;
                LanValue::Arp { answers: flags & 2 != 0, is_gratuitous: flags & 1 != 0 }
            }
            LanParameter::Community => {
                let text: [u8; 18] = octets.array()?;
                let text: Vec<u8> = text.into_iter().take_while(|octet| *octet != 0).collect();
                let text = String::from_utf8_lossy(&text);
                LanValue::Community(text.replace(|letter: char| letter.is_control(), "\u{fffd}"))
            }
            LanParameter::Vlan => {
                let number = octets.u16()?;
                LanValue::Vlan((number & 0x8000 != 0).then_some(number & 0x0fff))
            }
            LanParameter::SuiteCount => LanValue::SuiteCount((octets.u8()? & 0x1f).min(16)),
            LanParameter::Suites => LanValue::Suites(suites(octets.rest())),
            LanParameter::SuiteLimits => {
                let _reserved = octets.u8()?;
                let nibbles = octets.rest().iter().flat_map(|octet| [octet & 0x0f, octet >> 4]);
                LanValue::SuiteLimits(nibbles.map(AccessLevel::of_number).collect())
            }
        })
    }
}

/// Decodes the list of suites. The reserved byte before it is omitted by some controllers; a list that starts
/// with suite 0 therefore needs two zero bytes.
fn suites(octets: &[u8]) -> Vec<u8> {
    let listed = match octets {
        [0, rest @ ..] => rest,
        all => all,
    };
    // At most 16 suites are listed; trailing zeros are filler.
    let last = listed.iter().rposition(|suite| *suite != 0).map_or(0, |last| last + 1);
    let mut listed: Vec<u8> =
        listed.iter().take(last.max(usize::from(!listed.is_empty()))).copied().collect();
    listed.truncate(16);
    listed
}

/// Set LAN Configuration Parameters. The change may break the connection over which it is made.
#[derive(Clone, Debug)]
pub struct SetLanParameter {
    /// Channel.
    pub channel: ChannelNumber,
    /// Change to make.
    pub change: LanChange,
}

/// A change of a parameter (IPMI 2.0, table 23-4).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LanChange {
    /// Locks the parameters against changes by others.
    Begin,
    /// Commits the changes. Controllers without rollback do not support this step.
    Commit,
    /// Unlocks the parameters.
    End,
    /// Sets the IP address.
    Address(Ipv4Addr),
    /// Sets the IP address source.
    Source(AddressSource),
    /// Sets the subnet mask.
    Mask(Ipv4Addr),
    /// Sets the default gateway.
    Gateway(Ipv4Addr),
    /// Sets the backup gateway.
    BackupGateway(Ipv4Addr),
    /// Sets the SNMP community of traps.
    Community(Community),
    /// Sets the VLAN; `None` disables VLAN tagging.
    Vlan(Option<VlanNumber>),
    /// Sets the ARP behaviour.
    Arp {
        /// Whether the controller responds to ARP requests.
        answers: bool,
        /// Whether the controller sends gratuitous ARP packets.
        is_gratuitous: bool,
    },
    /// Sets the maximum privilege level of each cipher suite, in the order of [`LanParameter::Suites`].
    SuiteLimits([AccessLevel; 16]),
}

impl LanChange {
    /// Returns the parameter and value to expect when reading back; `None` for steps that cannot be read and
    /// for limits, which controllers store only for existing suites.
    #[must_use]
    pub fn read_back(&self) -> Option<(LanParameter, LanValue)> {
        Some(match self {
            Self::Begin | Self::Commit | Self::End | Self::SuiteLimits(_) => return None,
            Self::Address(address) => (LanParameter::Address, LanValue::Address(*address)),
            Self::Source(source) => (LanParameter::Source, LanValue::Source(*source)),
            Self::Mask(mask) => (LanParameter::Mask, LanValue::Address(*mask)),
            Self::Gateway(address) => (LanParameter::Gateway, LanValue::Address(*address)),
            Self::BackupGateway(address) => (LanParameter::BackupGateway, LanValue::Address(*address)),
            Self::Community(Community(text)) => (LanParameter::Community, LanValue::Community(text.clone())),
            Self::Vlan(number) => {
                (LanParameter::Vlan, LanValue::Vlan(number.map(|VlanNumber(number)| number)))
            }
            Self::Arp { answers, is_gratuitous } => {
                let (answers, is_gratuitous) = (*answers, *is_gratuitous);
                (LanParameter::Arp, LanValue::Arp { answers, is_gratuitous })
            }
        })
    }
}

impl LanChange {
    /// Returns the name of the changed setting for messages.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        match self {
            Self::Begin | Self::Commit | Self::End => "the lock of the network settings",
            Self::Address(_) => "the IP address",
            Self::Source(_) => "the source of the IP address",
            Self::Mask(_) => "the subnet mask",
            Self::Gateway(_) => "the default gateway",
            Self::BackupGateway(_) => "the backup gateway",
            Self::Community(_) => "the SNMP community",
            Self::Vlan(_) => "the VLAN",
            Self::Arp { .. } => "the ARP behavior",
            Self::SuiteLimits(_) => "the limits of the cipher suites",
        }
    }
}

/// VLAN id, 1 to 4094 (IEEE 802.1Q).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanNumber(
    /// INVARIANT: 1 to 4094.
    u16,
);

impl VlanNumber {
    /// Returns the VLAN with this id.
    ///
    /// # Errors
    /// If the id is not 1 to 4094.
    pub fn new(number: u16) -> Result<Self, ProtoError> {
        if (1..=4_094).contains(&number) {
            Ok(Self(number))
        } else {
            Err(ProtoError::Unexpected {
                what: "the number of a virtual network, 1 to 4094,",
                value: number.into(),
            })
        }
    }
}

/// SNMP community, at most 18 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Community(String);

impl Community {
    /// Creates a community.
    ///
    /// # Errors
    /// If the text is longer or contains a NUL.
    pub fn new(text: &str) -> Result<Self, ProtoError> {
        crate::keys::check_text("the community", text.as_bytes(), 18)?;
        Ok(Self(text.to_owned()))
    }
}

impl Command for SetLanParameter {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        let (number, octets): (u8, Vec<u8>) = match &self.change {
            LanChange::Begin => (0, vec![1]),
            LanChange::Commit => (0, vec![2]),
            LanChange::End => (0, vec![0]),
            LanChange::Address(address) => (LanParameter::Address.number(), address.octets().into()),
            LanChange::Source(source) => (LanParameter::Source.number(), vec![source.number()]),
            LanChange::Mask(address) => (LanParameter::Mask.number(), address.octets().into()),
            LanChange::Gateway(address) => (LanParameter::Gateway.number(), address.octets().into()),
            LanChange::BackupGateway(address) => {
                (LanParameter::BackupGateway.number(), address.octets().into())
            }
            LanChange::Community(Community(text)) => {
                let mut octets = text.as_bytes().to_vec();
                octets.resize(18, 0);
                (LanParameter::Community.number(), octets)
            }
            LanChange::Vlan(number) => {
                let number = number.map_or(0, |VlanNumber(number)| number | 0x8000);
                (LanParameter::Vlan.number(), number.to_le_bytes().into())
            }
            LanChange::Arp { answers, is_gratuitous } => {
                let flags = if *answers { 2 } else { 0 } | u8::from(*is_gratuitous);
                (LanParameter::Arp.number(), vec![flags])
            }
            LanChange::SuiteLimits(limits) => {
                let mut octets = vec![0];
                octets.extend(
                    limits.as_chunks::<2>().0.iter().map(|[low, high]| low.number() | high.number() << 4),
                );
                (LanParameter::SuiteLimits.number(), octets)
            }
        };
        let mut data = vec![self.channel.number(), number];
        data.extend(octets);
        Request { net_fn: NetFn::TRANSPORT, command: 0x01, data: data.into() }
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> ChannelNumber {
        ChannelNumber::new(1).unwrap()
    }

    fn read(parameter: LanParameter, octets: &[u8]) -> Result<LanValue, ProtoError> {
        GetLanParameter { channel: channel(), parameter }.reply(&[&[0x11], octets].concat())
    }

    #[test]
    fn changes_are_encoded_and_decoded() {
        let address = Ipv4Addr::new(10, 0, 0, 7);
        for change in [
            LanChange::Address(address),
            LanChange::Gateway(address),
            LanChange::Mask(address),
            LanChange::BackupGateway(address),
            LanChange::Source(AddressSource::Dhcp),
            LanChange::Vlan(VlanNumber::new(7).ok()),
            LanChange::Vlan(None),
            LanChange::Community(Community::new("public").unwrap()),
            LanChange::Arp { answers: true, is_gratuitous: false },
        ] {
            let (parameter, value) = change.read_back().unwrap();
            let data = SetLanParameter { channel: channel(), change }.request().data.clone();
            assert_eq!((data[0], data[1]), (1, parameter.number()));
            assert_eq!(read(parameter, &data[2..]), Ok(value));
        }
        assert!(VlanNumber::new(0).is_err() && VlanNumber::new(4_095).is_err());
        assert!(Community::new("more than eighteen octets").is_err());
    }

    #[test]
    fn suites_are_read_with_and_without_the_reserved_octet() {
        let all = |octets: &[u8]| read(LanParameter::Suites, octets).unwrap();
        assert_eq!(all(&[0, 3, 17, 0, 0]), LanValue::Suites(vec![3, 17]));
        assert_eq!(all(&[0, 0, 1, 2, 3, 0, 0]), LanValue::Suites(vec![0, 1, 2, 3]));
        assert_eq!(all(&[3, 17]), LanValue::Suites(vec![3, 17]));
        assert_eq!(read(LanParameter::SuiteCount, &[0x2f]), Ok(LanValue::SuiteCount(15)));
        assert_eq!(all(&[3, 17]).with_suites(1), LanValue::Suites(vec![3]));
        let limits = read(LanParameter::SuiteLimits, &[0, 0x4f, 0x04]).unwrap();
        let LanValue::SuiteLimits(limits) = limits else { panic!() };
        assert_eq!(
            limits[..3],
            [AccessLevel::NoAccess, AccessLevel::Administrator, AccessLevel::Administrator]
        );
        let levels = read(LanParameter::AuthenticationEnables, &[0, 0x15, 0x15, 0x14, 0]).unwrap();
        let LanValue::Levels(levels) = levels else { panic!() };
        assert_eq!(levels[1].names().collect::<Vec<_>>(), ["none", "MD5", "password"]);
        assert!(levels[1].allows_none() && levels[3].allows_password() && !levels[3].allows_none());
    }

    #[test]
    fn truncated_values_are_rejected() {
        for parameter in [
            LanParameter::Address,
            LanParameter::Hardware,
            LanParameter::Source,
            LanParameter::Community,
            LanParameter::Vlan,
            LanParameter::Arp,
            LanParameter::SuiteCount,
            LanParameter::AuthenticationEnables,
            LanParameter::SuiteLimits,
        ] {
            assert!(read(parameter, &[]).is_err(), "{parameter:?}");
        }
    }
}
