//! `telarch ipmi user`: the users of a controller.

use ipmi::proto::user::{AccessLevel, PasswordSize, UserId};
use ipmi::proto::{Password, Privilege, UserName};
use ipmi::{Connection, IpmiError, PasswordVerdict, UserState};
use serde_json::Value;

use super::parallel::Operation;
use super::report::{Answer, Row, cell};

/// An operation on the users of a controller.
#[derive(Clone, Debug)]
pub(super) enum User {
    List,
    Name(UserId, UserName),
    Enable(UserId),
    Disable(UserId),
    Level(UserId, AccessLevel),
    /// The password is added after parsing.
    Password(UserId, Option<Password>),
    Test(UserId, Option<Password>),
}

impl User {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
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
                    "user: a password on the command line is visible to other users; write it to a file and use \
                     --new-password-file"
                        .to_owned(),
                );
            }
            _ => {
                return Err(
                    "user requires list, name ID NAME, password ID, test ID, enable ID, disable ID or level ID LEVEL"
                        .to_owned(),
                );
            }
        })
    }

    /// The user whose password must be added before the operation.
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

fn id(word: &str) -> Result<UserId, String> {
    let parsed = word.parse().ok().and_then(|number| UserId::new(number).ok());
    parsed.ok_or_else(|| format!("user: \"{word}\" is not a user number, 1 to 63"))
}

impl Operation for User {
    fn privilege(&self) -> Privilege {
        match self {
            Self::List => Privilege::Operator,
            _ => Privilege::Administrator,
        }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let message = match self {
            Self::List => return list(bmc).await,
            Self::Name(user, name) => {
                bmc.rename_user(*user, name).await?;
                format!("renamed user {user}")
            }
            Self::Enable(user) => {
                bmc.switch_user(*user, UserState::Enabled).await?;
                format!("enabled user {user}")
            }
            Self::Disable(user) => {
                bmc.switch_user(*user, UserState::Disabled).await?;
                format!("disabled user {user}")
            }
            Self::Level(user, level) => {
                let channel = bmc.lan_channel().await?;
                bmc.change_access(channel, *user, |mut access| {
                    access.limit = *level;
                    // A user with any privilege also needs IPMI messaging.
                    access.messaging = *level != AccessLevel::NoAccess;
                    access
                })
                .await?;
                format!("set the level of user {user} to {} on channel {}", level.name(), channel.number())
            }
            Self::Password(user, password) => {
                let Some(password) = password else { return Ok(Answer::message("user", "no password")) };
                bmc.set_password(*user, password, PasswordSize::of(password)).await?;
                format!("changed the password of user {user}")
            }
            Self::Test(user, password) => {
                let Some(password) = password else { return Ok(Answer::message("user", "no password")) };
                let difference = match bmc.test_password(*user, password, PasswordSize::of(password)).await? {
                    PasswordVerdict::Same => {
                        let message = format!("user {user}: the password is correct");
                        return Ok(Answer::message("user", &message));
                    }
                    PasswordVerdict::Other => "wrong",
                    PasswordVerdict::OtherSize => "stored with another size",
                };
                return Ok(Answer::failed("user", &format!("user {user}: the password is {difference}")));
            }
        };
        Ok(Answer::message("user", &message))
    }
}

async fn list(bmc: &Connection) -> Result<Answer, IpmiError> {
    let channel = bmc.lan_channel().await?;
    let users = bmc.users(channel).await?;
    // Unused slots are omitted; some controllers report the reserved level 0 for them.
    let used = users.iter().filter(|user| {
        let has_level = !matches!(user.access.limit, AccessLevel::NoAccess | AccessLevel::Unknown);
        !user.name.is_empty() || has_level
    });
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
    format!(
        "{:>2} | {:<16} | enabled {:<3} | messages {:<3} | {}\n",
        cell(row, "id"),
        cell(row, "name"),
        cell(row, "enabled"),
        cell(row, "messaging"),
        cell(row, "limit")
    )
}
