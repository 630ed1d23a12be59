//! `telarch ipmi channel` and `telarch ipmi sessions`.

use ipmi::proto::Privilege;
use ipmi::proto::capabilities::ListedSuite;
use ipmi::proto::channel::{
    AccessMode, ActiveSession, ChannelAccess, ChannelNumber, GetChannelAccess, GetChannelInfo,
    GetSessionInfo, Setting,
};
use ipmi::proto::user::AccessLevel;
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::lan::on_or_off;
use super::parallel::Operation;
use super::report::{Answer, Row};

/// Shows a channel, its access settings or its cipher suites, or changes the access settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Show(Option<ChannelNumber>),
    Suites(Option<ChannelNumber>),
    Set(Option<ChannelNumber>, Change),
}

/// A change of the access settings of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Mode(AccessMode),
    Limit(AccessLevel),
    Alerting(bool),
    PerMessage(bool),
    UserLevel(bool),
}

impl Channel {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        match words {
            ["ciphers", rest @ ..] => Ok(Self::Suites(number(rest)?)),
            ["set", name, value, rest @ ..] => Ok(Self::Set(number(rest)?, Change::parse(name, value)?)),
            ["set", ..] => {
                Err("channel set requires mode, limit, alerting, per-message or user-level, and a value"
                    .to_owned())
            }
            rest => Ok(Self::Show(number(rest)?)),
        }
    }
}

/// Parses the optional number of a channel.
fn number(words: &[&str]) -> Result<Option<ChannelNumber>, String> {
    match words {
        [] => Ok(None),
        [word] => {
            let number = word.parse().ok().and_then(|number| ChannelNumber::new(number).ok());
            number.map(Some).ok_or_else(|| format!("channel: \"{word}\" is not a channel number, 0 to 15"))
        }
        [_, word, ..] => Err(format!("channel: unexpected argument \"{word}\"")),
    }
}

impl Change {
    fn parse(name: &str, value: &str) -> Result<Self, String> {
        let option = format!("channel set {name}");
        Ok(match name {
            "mode" => {
                let known = MODES.iter().find(|(word, _)| *word == value).map(|(_, mode)| Self::Mode(*mode));
                known.ok_or_else(|| {
                    format!("channel set mode: invalid value \"{value}\"; expected disabled, pre-boot, always or shared")
                })?
            }
            "limit" => {
                let level = value.parse().map_err(|error| format!("channel set limit: {error}"))?;
                if level == AccessLevel::NoAccess {
                    return Err(
                        "channel set limit: none is not a valid limit; use set mode disabled to close a channel".to_owned()
                    );
                }
                Self::Limit(level)
            }
            "alerting" => Self::Alerting(on_or_off(&option, value)?),
            "per-message" => Self::PerMessage(on_or_off(&option, value)?),
            "user-level" => Self::UserLevel(on_or_off(&option, value)?),
            other => {
                return Err(format!(
                    "channel set: \"{other}\" is neither mode, limit, alerting, per-message nor user-level"
                ));
            }
        })
    }

    fn applied(self, mut access: ChannelAccess) -> ChannelAccess {
        match self {
            Self::Mode(mode) => access.mode = mode,
            Self::Limit(limit) => access.limit = limit,
            Self::Alerting(is_on) => access.alerting_is_off = !is_on,
            Self::PerMessage(is_on) => access.per_message_authentication_is_off = !is_on,
            Self::UserLevel(is_on) => access.user_level_authentication_is_off = !is_on,
        }
        access
    }
}

const MODES: [(&str, AccessMode); 4] = [
    ("disabled", AccessMode::Disabled),
    ("pre-boot", AccessMode::PreBoot),
    ("always", AccessMode::Always),
    ("shared", AccessMode::Shared),
];

impl Operation for Channel {
    fn privilege(&self) -> Privilege {
        match self {
            Self::Show(_) | Self::Suites(_) => Privilege::User,
            Self::Set(..) => Privilege::Administrator,
        }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        match *self {
            Self::Show(channel) => show(bmc, channel.unwrap_or(ChannelNumber::THIS)).await,
            Self::Suites(channel) => suites(bmc, channel.unwrap_or(ChannelNumber::THIS)).await,
            Self::Set(channel, change) => {
                let channel = match channel {
                    Some(channel) => channel,
                    None => bmc.lan_channel().await?,
                };
                bmc.change_channel(channel, |access| change.applied(access)).await?;
                show(bmc, channel).await
            }
        }
    }
}

async fn suites(bmc: &Connection, channel: ChannelNumber) -> Result<Answer, IpmiError> {
    let suites = bmc.cipher_suites(channel).await?;
    Ok(Answer::new(suites.iter().map(suite_line).collect(), suites.iter().map(suite_row).collect()))
}

fn suite_row(suite: &ListedSuite) -> Row {
    let [authentication, integrity, confidentiality] = suite.algorithms;
    vec![
        ("id", Value::from(suite.number)),
        ("manufacturer_id", suite.manufacturer.map_or(Value::Null, Value::from)),
        ("authentication", Value::from(authentication)),
        ("integrity", Value::from(integrity)),
        ("confidentiality", Value::from(confidentiality)),
    ]
}

fn suite_line(suite: &ListedSuite) -> String {
    let [authentication, integrity, confidentiality] = suite.algorithms;
    let oem = suite.manufacturer.map(|number| format!(" | manufacturer {number}")).unwrap_or_default();
    format!("{:>3} | {authentication:<11} | {integrity:<12} | {confidentiality}{oem}\n", suite.number)
}

async fn show(bmc: &Connection, channel: ChannelNumber) -> Result<Answer, IpmiError> {
    let channel = bmc.run(&GetChannelInfo(channel)).await?;
    let mut fields = vec![
        ("channel", "Channel", Value::from(channel.number.number())),
        ("medium", "Channel Medium Type", Value::from(channel.medium_name())),
        ("protocol", "Channel Protocol Type", Value::from(channel.protocol_name())),
        ("active_sessions", "Active Session Count", Value::from(channel.active_sessions)),
        ("manufacturer_id", "Protocol Vendor ID", Value::from(channel.manufacturer)),
    ];
    let get = GetChannelAccess { channel: channel.number, setting: Setting::Volatile };
    match bmc.run(&get).await {
        Ok(access) => fields.extend([
            ("access_mode", "Access Mode", Value::from(access.mode.name())),
            ("limit", "Privilege Limit", Value::from(access.limit.name())),
            ("alerting", "Alerting", Value::from(!access.alerting_is_off)),
            (
                "per_message_authentication",
                "Per-message Auth",
                Value::from(!access.per_message_authentication_is_off),
            ),
            (
                "user_level_authentication",
                "User Level Auth",
                Value::from(!access.user_level_authentication_is_off),
            ),
        ]),
        // Channels without sessions have no access settings.
        Err(IpmiError::Completion(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(Answer::fields(fields))
}

/// Lists the active sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sessions;

impl Operation for Sessions {
    fn privilege(&self) -> Privilege {
        Privilege::User
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let own = bmc.run(&GetSessionInfo::Own).await?;
        let mut sessions: Vec<ActiveSession> = Vec::new();
        for number in 1..=own.active {
            match bmc.run(&GetSessionInfo::Active(number)).await {
                Ok(info) => sessions.extend(info.session),
                // The session has ended in the meantime.
                Err(IpmiError::Completion(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let own = own.session.map(|session| session.handle);
        let rows: Vec<Row> = sessions.iter().map(|session| row(session, own)).collect();
        let text = sessions.iter().map(|session| line(session, own)).collect();
        Ok(Answer::new(text, rows))
    }
}

fn peer(session: &ActiveSession) -> Option<String> {
    session.peer.map(|(address, port)| format!("{address}:{port}"))
}

fn row(session: &ActiveSession, own: Option<u8>) -> Row {
    vec![
        ("session", Value::from(session.handle)),
        ("user_id", Value::from(session.user)),
        ("level", Value::from(session.level.name())),
        ("channel", Value::from(session.channel.number())),
        ("peer", peer(session).map_or(Value::Null, Value::from)),
        ("is_this", Value::from(Some(session.handle) == own)),
    ]
}

fn line(session: &ActiveSession, own: Option<u8>) -> String {
    let mark = if Some(session.handle) == own { " | this session" } else { "" };
    format!(
        "session {} | user {} | {} | channel {} | {}{mark}\n",
        session.handle,
        session.user,
        session.level.name(),
        session.channel.number(),
        peer(session).as_deref().unwrap_or("-"),
    )
}
