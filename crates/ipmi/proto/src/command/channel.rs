//! The ways into a controller, who may use them, and who does (IPMI 2.0, 22.20, 22.22 to 22.24).

use std::net::Ipv4Addr;

use super::Command;
use super::user::AccessLevel;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// The number of a channel, 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelNumber(
    /// INVARIANT: below 16.
    u8,
);

impl ChannelNumber {
    /// The one that the question comes by.
    pub const THIS: Self = Self(14);

    /// The channel with this number.
    ///
    /// # Errors
    /// When it is above 15.
    pub fn new(number: u8) -> Result<Self, ProtoError> {
        if number < 16 {
            Ok(Self(number))
        } else {
            Err(ProtoError::Unexpected { what: "the number of a channel, 0 to 15,", value: number.into() })
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// Get Channel Info (IPMI 2.0, 22.24).
#[derive(Clone, Copy, Debug)]
pub struct GetChannelInfo(
    /// Of which channel.
    pub ChannelNumber,
);

/// What a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its own number, also if it was asked for as [`ChannelNumber::THIS`].
    pub number: ChannelNumber,
    /// Of what it is made (IPMI 2.0, table 6-3); 4 is a network.
    pub medium: u8,
    /// What is spoken on it (IPMI 2.0, table 6-2).
    pub protocol: u8,
    /// Whether it has sessions: 0 none, 1 one, 2 several, 3 one or several.
    pub sessions: u8,
    /// How many of those are active now.
    pub active_sessions: u8,
    /// Whose protocol it is (IANA).
    pub manufacturer: u32,
}

impl Channel {
    /// The name of its medium.
    #[must_use]
    pub fn medium_name(&self) -> &'static str {
        let all = [
            "reserved",
            "IPMB (I2C)",
            "ICMB v1.0",
            "ICMB v0.9",
            "802.3 LAN",
            "Serial/Modem",
            "Other LAN",
            "PCI SMBus",
            "SMBus v1.0/v1.1",
            "SMBus v2.0",
            "USB 1.x",
            "USB 2.x",
            "System Interface",
        ];
        all.get(usize::from(self.medium)).copied().unwrap_or("OEM")
    }

    /// The name of its protocol.
    #[must_use]
    pub fn protocol_name(&self) -> &'static str {
        let all = [
            "reserved",
            "IPMB-1.0",
            "ICMB-1.0",
            "reserved",
            "IPMI-SMBus",
            "KCS",
            "SMIC",
            "BT-10",
            "BT-15",
            "TMode",
        ];
        all.get(usize::from(self.protocol)).copied().unwrap_or("OEM")
    }
}

impl Command for GetChannelInfo {
    type Reply = Channel;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x42, &[self.0.0])
    }

    fn reply(&self, octets: &[u8]) -> Result<Channel, ProtoError> {
        let mut octets = Octets::new("the answer to Get Channel Info", octets);
        let [number, medium, protocol, sessions] = octets.array()?;
        Ok(Channel {
            number: ChannelNumber(number & 0x0f),
            medium: medium & 0x7f,
            protocol: protocol & 0x1f,
            sessions: sessions >> 6,
            active_sessions: sessions & 0x3f,
            manufacturer: octets.u24()?,
        })
    }
}

/// Get Channel Access (IPMI 2.0, 22.23).
#[derive(Clone, Copy, Debug)]
pub struct GetChannelAccess {
    /// Of which channel.
    pub channel: ChannelNumber,
    /// What is asked for.
    pub setting: Setting,
}

/// Where a setting of a channel is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// What counts until the controller starts again.
    Volatile,
    /// What counts from then on.
    Lasting,
}

impl Setting {
    fn bits(self) -> u8 {
        match self {
            Self::Lasting => 0x40,
            Self::Volatile => 0x80,
        }
    }
}

/// Who may use a channel, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelAccess {
    /// Whether events of it are kept from being reported.
    pub alerting_is_off: bool,
    /// Whether packets need no proof once the session is open (IPMI 1.5).
    pub per_message_authentication_is_off: bool,
    /// Whether commands of the level of a user need none.
    pub user_level_authentication_is_off: bool,
    /// When it is open.
    pub mode: AccessMode,
    /// The most that anybody may do on it.
    pub limit: AccessLevel,
}

/// When a channel is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// Never.
    Disabled,
    /// Before the operating system runs.
    PreBoot,
    /// Always.
    Always,
    /// Always, and shared with the machine.
    Shared,
    /// A number that the specification reserves, which is written back as it was read.
    Reserved(ReservedMode),
}

/// A number of a mode that nobody has defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedMode(
    /// INVARIANT: 4 to 7.
    u8,
);

impl AccessMode {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::PreBoot => "pre-boot only",
            Self::Always => "always available",
            Self::Shared => "shared",
            Self::Reserved(_) => "reserved",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::PreBoot => 1,
            Self::Always => 2,
            Self::Shared => 3,
            Self::Reserved(ReservedMode(number)) => number,
        }
    }
}

impl Command for GetChannelAccess {
    type Reply = ChannelAccess;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x41, &[self.channel.0, self.setting.bits()])
    }

    fn reply(&self, octets: &[u8]) -> Result<ChannelAccess, ProtoError> {
        let [access, limit] = Octets::new("the answer to Get Channel Access", octets).array()?;
        Ok(ChannelAccess {
            alerting_is_off: access & 0x20 != 0,
            per_message_authentication_is_off: access & 0x10 != 0,
            user_level_authentication_is_off: access & 0x08 != 0,
            mode: match access & 7 {
                0 => AccessMode::Disabled,
                1 => AccessMode::PreBoot,
                2 => AccessMode::Always,
                3 => AccessMode::Shared,
                other => AccessMode::Reserved(ReservedMode(other)),
            },
            limit: AccessLevel::of_number(limit),
        })
    }
}

/// Set Channel Access (IPMI 2.0, 22.22).
#[derive(Clone, Copy, Debug)]
pub struct SetChannelAccess {
    /// Of which channel.
    pub channel: ChannelNumber,
    /// Where it is kept.
    pub setting: Setting,
    /// From then on.
    pub access: ChannelAccess,
}

impl Command for SetChannelAccess {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        let ChannelAccess { mode, limit, .. } = self.access;
        let mut access = self.setting.bits() | mode.number();
        access |= if self.access.alerting_is_off { 0x20 } else { 0 };
        access |= if self.access.per_message_authentication_is_off { 0x10 } else { 0 };
        access |= if self.access.user_level_authentication_is_off { 0x08 } else { 0 };
        Request::new(NetFn::APP, 0x40, &[self.channel.0, access, self.setting.bits() | limit.number()])
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Get Session Info (IPMI 2.0, 22.20).
#[derive(Clone, Copy, Debug)]
pub enum GetSessionInfo {
    /// Of the session that asks.
    Own,
    /// Of the nth that is active, from 1 on.
    Active(u8),
}

/// A session of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// How many there can be.
    pub slots: u8,
    /// How many there are.
    pub active: u8,
    /// The session; none if the one that was asked for is not active.
    pub session: Option<ActiveSession>,
}

/// A session that is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveSession {
    /// A number that tells it from others.
    pub handle: u8,
    /// The number of its user.
    pub user: u8,
    /// What it may do now.
    pub level: AccessLevel,
    /// Its channel.
    pub channel: ChannelNumber,
    /// Who is at the other end, if it is on a network and the controller says so.
    pub peer: Option<(Ipv4Addr, u16)>,
}

impl Command for GetSessionInfo {
    type Reply = SessionInfo;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        let index = match self {
            Self::Own => 0,
            Self::Active(number) => *number,
        };
        Request::new(NetFn::APP, 0x3d, &[index])
    }

    fn reply(&self, octets: &[u8]) -> Result<SessionInfo, ProtoError> {
        let mut octets = Octets::new("the answer to Get Session Info", octets);
        let [handle, slots, active] = octets.array()?;
        let (slots, active) = (slots & 0x3f, active & 0x3f);
        let session = octets.array().ok().filter(|_| handle != 0).map(|[user, level, channel]: [u8; 3]| {
            let peer = octets.array().ok().map(|address: [u8; 4]| Ipv4Addr::from(address));
            let _hardware_address: Option<[u8; 6]> = octets.array().ok();
            // ipmi_sim and others send the port with its lower octet first, as the specification has it.
            let port = octets.u16().ok();
            ActiveSession {
                handle,
                user: user & 0x3f,
                level: AccessLevel::of_number(level),
                channel: ChannelNumber(channel & 0x0f),
                peer: peer.zip(port),
            }
        });
        Ok(SessionInfo { slots, active, session })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_says_what_it_is() {
        let channel =
            GetChannelInfo(ChannelNumber::THIS).reply(&[1, 4, 1, 0x82, 0xf2, 0x1b, 0, 0, 0]).unwrap();
        assert_eq!((channel.number.number(), channel.medium_name()), (1, "802.3 LAN"));
        assert_eq!((channel.protocol_name(), channel.sessions, channel.active_sessions), ("IPMB-1.0", 2, 2));
        assert_eq!(channel.manufacturer, 7_154);
        assert!(ChannelNumber::new(16).is_err());
    }

    #[test]
    fn access_is_set_as_it_was_read() {
        let (channel, setting) = (ChannelNumber::new(1).unwrap(), Setting::Lasting);
        let access = GetChannelAccess { channel, setting }.reply(&[0x3a, 4]).unwrap();
        assert_eq!((access.mode, access.limit), (AccessMode::Always, AccessLevel::Administrator));
        assert!(access.user_level_authentication_is_off && access.alerting_is_off);
        assert_eq!(SetChannelAccess { channel, setting, access }.request().data, [1, 0x7a, 0x44]);
        let odd = GetChannelAccess { channel, setting }.reply(&[0x05, 4]).unwrap();
        assert_eq!(odd.mode.name(), "reserved");
        assert_eq!(SetChannelAccess { channel, setting, access: odd }.request().data, [1, 0x45, 0x44]);
    }

    #[test]
    fn a_session_that_is_not_active_is_none() {
        let full = [7, 5, 1, 2, 4, 0x11, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x34, 0x12];
        let session = GetSessionInfo::Own.reply(&full).unwrap().session.unwrap();
        assert_eq!((session.user, session.channel.number()), (2, 1));
        assert_eq!(session.peer, Some((Ipv4Addr::LOCALHOST, 0x1234)));
        assert_eq!(GetSessionInfo::Active(2).reply(&[0, 5, 1]).unwrap().session, None);
        assert!(GetSessionInfo::Own.reply(&full[..6]).unwrap().session.unwrap().peer.is_none());
    }
}
