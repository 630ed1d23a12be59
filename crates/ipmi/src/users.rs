//! Users of a controller (IPMI 2.0, 22.26 to 22.30).

use std::fmt;

use ipmi_proto::channel::{ChannelNumber, GetChannelInfo};
use ipmi_proto::user::{
    GetUserAccess, GetUserName, PasswordOperation, PasswordSize, SetUserAccess, SetUserName, SetUserPassword,
    UserAccess, UserId,
};
use ipmi_proto::{CompletionCode, Password, UserName};

use crate::read_back::verify;
use crate::{Connection, IpmiError};

/// A user of a controller, with the access on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub id: UserId,
    /// User name; empty if the user has none.
    pub name: String,
    /// Access on the channel.
    pub access: UserAccess,
}

/// Whether a user is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserState {
    /// Enabled: the user may sign in.
    Enabled,
    /// Disabled.
    Disabled,
}

impl fmt::Display for UserState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        })
    }
}

/// Result of comparing a password with that of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordVerdict {
    /// The passwords are equal.
    Same,
    /// The passwords differ.
    Other,
    /// The controller stores the password with another size, so they cannot be equal.
    OtherSize,
}

impl Connection {
    /// Returns the LAN channel: the channel of this session, or the first one found.
    ///
    /// # Errors
    /// If the controller does not respond, or has no LAN channel.
    pub async fn lan_channel(&self) -> Result<ChannelNumber, IpmiError> {
        let others = (1..=11).filter_map(|number| ChannelNumber::new(number).ok());
        for channel in std::iter::once(ChannelNumber::THIS).chain(others) {
            match self.run(&GetChannelInfo(channel)).await {
                Ok(channel) if LAN_MEDIA.contains(&channel.medium) => return Ok(channel.number),
                Ok(_) | Err(IpmiError::Completion(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(IpmiError::Completion(CompletionCode::NOT_PRESENT))
    }

    /// Returns all user ids of a channel, including unused ones.
    ///
    /// # Errors
    /// If the controller does not respond, or rejects the request.
    pub async fn users(&self, channel: ChannelNumber) -> Result<Vec<User>, IpmiError> {
        let mut users: Vec<User> = Vec::new();
        let mut slots = 1;
        while users.len() < slots {
            let Ok(id) = UserId::new(u8::try_from(users.len() + 1).unwrap_or(u8::MAX)) else { break };
            let access = self.run(&GetUserAccess { channel, user: id }).await?;
            let name = match self.run(&GetUserName(id)).await {
                // An unused user id may be rejected.
                Err(IpmiError::Completion(_)) => String::new(),
                other => other?,
            };
            // The number of slots is known from the first user on.
            slots = users.first().map_or(access.slots, |first: &User| first.access.slots).into();
            users.push(User { id, name, access });
        }
        Ok(users)
    }

    /// Changes some of the access settings of a user on a channel.
    ///
    /// # Errors
    /// If the controller does not respond or rejects the change; [`IpmiError::Unchanged`] if the change has
    /// no effect.
    pub async fn change_access(
        &self,
        channel: ChannelNumber,
        user: UserId,
        change: impl Fn(UserAccess) -> UserAccess + Send,
    ) -> Result<(), IpmiError> {
        let wanted = change(self.run(&GetUserAccess { channel, user }).await?);
        self.run(&SetUserAccess { channel, user, access: wanted }).await?;
        let read = self.run(&GetUserAccess { channel, user }).await?;
        verify("the access of the user", &access_text(wanted), &access_text(read))
    }

    /// Sets the name of a user, and reads it back.
    ///
    /// # Errors
    /// If the controller does not respond or rejects the change; [`IpmiError::Unchanged`] if the change has
    /// no effect.
    pub async fn rename_user(&self, user: UserId, name: &UserName) -> Result<(), IpmiError> {
        self.run(&SetUserName { user, name: name.clone() }).await?;
        let read = self.run(&GetUserName(user)).await?;
        verify("the name of the user", &format!("{:?}", name.to_text()), &format!("{read:?}"))
    }

    /// Enables or disables a user, and reads the state back if the controller reports it.
    ///
    /// # Errors
    /// If the controller does not respond or rejects the change; [`IpmiError::Unchanged`] if the change has
    /// no effect.
    pub async fn switch_user(&self, user: UserId, to: UserState) -> Result<(), IpmiError> {
        let operation = match to {
            UserState::Enabled => PasswordOperation::Enable,
            UserState::Disabled => PasswordOperation::Disable,
        };
        self.run(&SetUserPassword { user, operation }).await?;
        let channel = self.lan_channel().await?;
        let read = self.run(&GetUserAccess { channel, user }).await?.is_enabled;
        let found = match read {
            None => return Ok(()),
            Some(true) => UserState::Enabled,
            Some(false) => UserState::Disabled,
        };
        verify("the state of the user", &to, &found)
    }

    /// Sets a password, and has the controller compare it if it can. Requires an encrypted session.
    ///
    /// # Errors
    /// If the session is not encrypted, or the controller does not respond or rejects the password;
    /// [`IpmiError::Unchanged`] if the controller then has another password.
    pub async fn set_password(
        &self,
        user: UserId,
        password: &Password,
        size: PasswordSize,
    ) -> Result<(), IpmiError> {
        self.demand_encryption()?;
        let operation = PasswordOperation::Set(password.clone(), size);
        self.run(&SetUserPassword { user, operation }).await?;
        match self.test_password(user, password, size).await {
            // Passwords are secret.
            Ok(PasswordVerdict::Other | PasswordVerdict::OtherSize) => {
                Err(IpmiError::unchanged("the password", "the new password", "another password"))
            }
            // The comparison is optional, or the changed password has ended the session.
            Ok(PasswordVerdict::Same) | Err(IpmiError::Completion(_)) => Ok(()),
            Err(error) if error.is_silence() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Compares a password with that of a user. Requires an encrypted session.
    ///
    /// # Errors
    /// If the session is not encrypted, or the controller does not respond or rejects the request.
    pub async fn test_password(
        &self,
        user: UserId,
        password: &Password,
        size: PasswordSize,
    ) -> Result<PasswordVerdict, IpmiError> {
        self.demand_encryption()?;
        let operation = PasswordOperation::Test(password.clone(), size);
        match self.run(&SetUserPassword { user, operation }).await {
            Ok(()) => Ok(PasswordVerdict::Same),
            Err(IpmiError::Completion(CompletionCode(0x80))) => Ok(PasswordVerdict::Other),
            Err(IpmiError::Completion(CompletionCode(0x81))) => Ok(PasswordVerdict::OtherSize),
            Err(error) => Err(error),
        }
    }

    /// Requires an encrypted session. Call it before sending a secret.
    ///
    /// # Errors
    /// [`IpmiError::InClear`] if the session is not encrypted.
    pub fn demand_encryption(&self) -> Result<(), IpmiError> {
        match self.protection() {
            Some(protection) if protection.is_in_clear() => Err(IpmiError::InClear { protection }),
            _ => Ok(()),
        }
    }
}

/// Returns the settings of a user that a change of access must have.
fn access_text(access: UserAccess) -> String {
    let messaging = if access.messaging { "on" } else { "off" };
    format!("level {}, messaging {messaging}", access.limit.name())
}

/// Channel media of networks: 802.3 and other LAN (IPMI 2.0, table 6-3).
const LAN_MEDIA: [u8; 2] = [4, 6];
