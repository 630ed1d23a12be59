//! Channels of a controller, access to them, and sessions (IPMI 2.0, 22.20, 22.22 to 22.24).

use std::fmt;
use std::net::Ipv4Addr;

use super::Command;
pub use super::channel_number::ChannelNumber;
use super::user::AccessLevel;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get Channel Info (IPMI 2.0, 22.24).
#[derive(Clone, Copy, Debug)]
pub struct GetChannelInfo(
    /// Channel.
    pub ChannelNumber,
);

/// Description of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Channel number, resolved if the request was for [`ChannelNumber::THIS`].
    pub number: ChannelNumber,
    /// Channel medium (IPMI 2.0, table 6-3); 4 is LAN.
    pub medium: u8,
    /// Channel protocol (IPMI 2.0, table 6-2).
    pub protocol: u8,
    /// Session support: 0 none, 1 single, 2 multiple, 3 single or multiple.
    pub sessions: u8,
    /// Number of active sessions.
    pub active_sessions: u8,
    /// IANA enterprise number of the organisation that defined the protocol.
    pub manufacturer: u32,
}

impl Channel {
    /// Returns the name of the medium.
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

    /// Returns the name of the protocol.
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
        Request::new(NetFn::APP, 0x42, &[self.0.number()])
    }

    fn reply(&self, octets: &[u8]) -> Result<Channel, ProtoError> {
        let mut octets = Octets::new("the answer to Get Channel Info", octets);
        let [number, medium, protocol, sessions] = octets.array()?;
        Ok(Channel {
            number: ChannelNumber::of_low_bits(number),
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
    /// Channel.
    pub channel: ChannelNumber,
    /// Setting to read.
    pub setting: Setting,
}

/// Storage of a channel setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Active value, lost when the controller restarts.
    Volatile,
    /// Stored value, active after a restart.
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

/// Access settings of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelAccess {
    /// Whether alerts on this channel are disabled.
    pub alerting_is_off: bool,
    /// Whether packets need no authentication after session activation (IPMI 1.5).
    pub per_message_authentication_is_off: bool,
    /// Whether commands of level User need no authentication.
    pub user_level_authentication_is_off: bool,
    /// Times at which the channel is available.
    pub mode: AccessMode,
    /// Maximum privilege level on the channel.
    pub limit: AccessLevel,
}

/// Times at which a channel is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// Never.
    Disabled,
    /// Before the operating system runs.
    PreBoot,
    /// Always.
    Always,
    /// Always, shared with the host system.
    Shared,
    /// A number reserved by the specification; it is written back unchanged.
    Reserved(ReservedMode),
}

/// An access mode number that is not defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedMode(
    /// INVARIANT: 4 to 7.
    u8,
);

impl fmt::Display for ChannelAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = |is_off: bool| if is_off { "off" } else { "on" };
        write!(
            f,
            "mode {}, limit {}, alerting {}, per-message authentication {}, user level authentication {}",
            self.mode.name(),
            self.limit.name(),
            state(self.alerting_is_off),
            state(self.per_message_authentication_is_off),
            state(self.user_level_authentication_is_off),
        )
    }
}

impl AccessMode {
    /// Returns the name of the mode.
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
        Request::new(NetFn::APP, 0x41, &[self.channel.number(), self.setting.bits()])
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
    /// Channel.
    pub channel: ChannelNumber,
    /// Setting to change.
    pub setting: Setting,
    /// New access settings.
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
        Request::new(NetFn::APP, 0x40, &[self.channel.number(), access, self.setting.bits() | limit.number()])
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Get Session Info (IPMI 2.0, 22.20).
#[derive(Clone, Copy, Debug)]
pub enum GetSessionInfo {
    /// The session of the request itself.
    Own,
    /// The n-th active session, counted from 1.
    Active(u8),
}

/// Sessions of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Maximum number of sessions.
    pub slots: u8,
    /// Number of active sessions.
    pub active: u8,
    /// The requested session; `None` if it is not active.
    pub session: Option<ActiveSession>,
}

/// An active session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveSession {
    /// Session handle.
    pub handle: u8,
    /// User id of the session.
    pub user: u8,
    /// Current privilege level.
    pub level: AccessLevel,
    /// Channel of the session.
    pub channel: ChannelNumber,
    /// Address and port of the console, for a LAN session, if the controller reports it.
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
            // The port is sent with its lower byte first, as the specification requires; ipmi_sim and others
            // do so.
            let port = octets.u16().ok();
            ActiveSession {
                handle,
                user: user & 0x3f,
                level: AccessLevel::of_number(level),
                channel: ChannelNumber::of_low_bits(channel),
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
    fn channel_info_is_decoded() {
        let channel =
            GetChannelInfo(ChannelNumber::THIS).reply(&[1, 4, 1, 0x82, 0xf2, 0x1b, 0, 0, 0]).unwrap();
        assert_eq!((channel.number.number(), channel.medium_name()), (1, "802.3 LAN"));
        assert_eq!((channel.protocol_name(), channel.sessions, channel.active_sessions), ("IPMB-1.0", 2, 2));
        assert_eq!(channel.manufacturer, 7_154);
        assert!(ChannelNumber::new(16).is_err());
    }

    #[test]
    fn access_settings_are_encoded_as_decoded() {
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
    fn an_inactive_session_is_decoded_as_none() {
        let full = [7, 5, 1, 2, 4, 0x11, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x34, 0x12];
        let session = GetSessionInfo::Own.reply(&full).unwrap().session.unwrap();
        assert_eq!((session.user, session.channel.number()), (2, 1));
        assert_eq!(session.peer, Some((Ipv4Addr::LOCALHOST, 0x1234)));
        assert_eq!(GetSessionInfo::Active(2).reply(&[0, 5, 1]).unwrap().session, None);
        assert!(GetSessionInfo::Own.reply(&full[..6]).unwrap().session.unwrap().peer.is_none());
    }
}
