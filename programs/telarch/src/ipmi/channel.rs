//! `telarch ipmi channel` and `telarch ipmi sessions`.

use ipmi::proto::Privilege;
use ipmi::proto::channel::{
    ActiveSession, ChannelNumber, GetChannelAccess, GetChannelInfo, GetSessionInfo, Setting,
};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::report::{Answer, Row};

/// What a channel is, and who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Channel(pub(super) Option<ChannelNumber>);

impl Question for Channel {
    fn privilege(&self) -> Privilege {
        Privilege::User
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let channel = bmc.run(&GetChannelInfo(self.0.unwrap_or(ChannelNumber::THIS))).await?;
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
            // Those without sessions have none.
            Err(IpmiError::Completion(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(Answer::fields(fields))
    }
}

/// Who has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sessions;

impl Question for Sessions {
    fn privilege(&self) -> Privilege {
        Privilege::User
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let own = bmc.run(&GetSessionInfo::Own).await?;
        let mut sessions: Vec<ActiveSession> = Vec::new();
        for number in 1..=own.active {
            match bmc.run(&GetSessionInfo::Active(number)).await {
                Ok(info) => sessions.extend(info.session),
                // It has ended meanwhile.
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
    let mark = if Some(session.handle) == own { " | this one" } else { "" };
    format!(
        "session {} | user {} | {} | channel {} | {}{mark}\n",
        session.handle,
        session.user,
        session.level.name(),
        session.channel.number(),
        peer(session).as_deref().unwrap_or("-"),
    )
}
