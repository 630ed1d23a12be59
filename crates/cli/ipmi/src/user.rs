//! `telarch ipmi user`.

use ipmi::proto::user::{AccessLevel, PasswordSize, UserId};
use ipmi::proto::{Password, Privilege, UserName};
use ipmi::{Connection, IpmiError, PasswordVerdict, UserState};
use serde_json::Value;

use super::many::Question;
use super::report::{Answer, Row, cell};

/// What is done with users.
#[derive(Clone, Debug)]
pub(super) enum User {
    List,
    Name(UserId, UserName),
    Enable(UserId),
    Disable(UserId),
    Level(UserId, AccessLevel),
    /// With the password, once it is known.
    Password(UserId, Option<Password>),
    Test(UserId, Option<Password>),
}

impl User {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let id = |word: &str| {
            let parsed = word.parse().ok().and_then(|number| UserId::new(number).ok());
            parsed.ok_or_else(|| format!("user: {word:?} is no number of a user, 1 to 63"))
        };
        Ok(match words {
            [] | ["list"] => Self::List,
            ["name", user, name] => {
                let name = UserName::new(name).map_err(|error| format!("user name: {error}"))?;
                Self::Name(id(user)?, name)
            }
            ["enable", user] => Self::Enable(id(user)?),
            ["disable", user] => Self::Disable(id(user)?),
            ["level", user, level] => {
                Self::Level(id(user)?, level.parse().map_err(|error| format!("user level: {error}"))?)
            }
            ["password", user] => Self::Password(id(user)?, None),
            ["test", user] => Self::Test(id(user)?, None),
            ["password" | "test", _, _, ..] => {
                return Err(
                    "user: a password does not belong on a command line, where others can read it; put it \
                            into a file for --new-password-file"
                        .to_owned(),
                );
            }
            _ => {
                return Err(
                    "user: list, name ID NAME, password ID, test ID, enable ID, disable ID or level ID LEVEL"
                        .to_owned(),
                );
            }
        })
    }

    /// Whose password is needed, if one is.
    pub(super) fn needs_password(&self) -> Option<UserId> {
        match self {
            Self::Password(user, None) | Self::Test(user, None) => Some(*user),
            _ => None,
        }
    }

    pub(super) fn with_password(self, password: Password) -> Self {
        match self {
            Self::Password(user, _) => Self::Password(user, Some(password)),
            Self::Test(user, _) => Self::Test(user, Some(password)),
            other => other,
        }
    }
}

impl Question for User {
    fn privilege(&self) -> Privilege {
        match self {
            Self::List => Privilege::Operator,
            _ => Privilege::Administrator,
        }
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let said = match self {
            Self::List => return list(bmc).await,
            Self::Name(user, name) => {
                bmc.rename_user(*user, name).await?;
                format!("user {user} has a new name")
            }
            Self::Enable(user) => {
                bmc.switch_user(*user, UserState::Enabled).await?;
                format!("user {user} is enabled")
            }
            Self::Disable(user) => {
                bmc.switch_user(*user, UserState::Disabled).await?;
                format!("user {user} is disabled")
            }
            Self::Level(user, level) => {
                let channel = bmc.lan_channel().await?;
                let change = |mut access: ipmi::proto::user::UserAccess| {
                    access.limit = *level;
                    // Who may do something must be listened to.
                    access.messaging = *level != AccessLevel::NoAccess;
                    access
                };
                bmc.change_access(channel, *user, change).await?;
                format!("user {user} has the level {} on channel {}", level.name(), channel.number())
            }
            Self::Password(user, password) => {
                let Some(password) = password else { return Ok(Answer::said("user", "no password")) };
                bmc.set_password(*user, password, PasswordSize::of(password)).await?;
                format!("user {user} has a new password")
            }
            Self::Test(user, password) => {
                let Some(password) = password else { return Ok(Answer::said("user", "no password")) };
                let wrong = match bmc.test_password(*user, password, PasswordSize::of(password)).await? {
                    PasswordVerdict::Same => {
                        return Ok(Answer::said("user", &format!("user {user}: the password is right")));
                    }
                    PasswordVerdict::Other => "wrong",
                    PasswordVerdict::OtherSize => "of another size than the one that is stored",
                };
                return Ok(Answer::failed("user", &format!("user {user}: the password is {wrong}")));
            }
        };
        Ok(Answer::said("user", &said))
    }
}

async fn list(bmc: &Connection) -> Result<Answer, IpmiError> {
    let channel = bmc.lan_channel().await?;
    let users = bmc.users(channel).await?;
    // Slots that nobody has ever used are not worth a line; some controllers give those the reserved level 0.
    let is_unused = |level: AccessLevel| matches!(level, AccessLevel::NoAccess | AccessLevel::Unknown);
    let used = users.iter().filter(|user| !user.name.is_empty() || !is_unused(user.access.limit));
    let rows: Vec<Row> = used.map(row).collect();
    let text = rows.iter().map(line).collect();
    Ok(Answer::new(text, rows))
}

fn row(user: &ipmi::User) -> Row {
    let access = &user.access;
    vec![
        ("id", Value::from(user.id.number())),
        ("name", Value::from(user.name.clone())),
        ("enabled", access.is_enabled.map_or(Value::Null, Value::from)),
        ("callin", Value::from(!access.callback_only)),
        ("link_auth", Value::from(access.link_authentication)),
        ("messaging", Value::from(access.messaging)),
        ("limit", Value::from(access.limit.name())),
    ]
}

fn line(row: &Row) -> String {
    let cell = |wanted: &str| cell(row, wanted);
    format!(
        "{:>2} | {:<16} | enabled {:<3} | messages {:<3} | {}\n",
        cell("id"),
        cell("name"),
        cell("enabled"),
        cell("messaging"),
        cell("limit")
    )
}
