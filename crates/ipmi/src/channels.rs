//! Channel access, cipher suites and channel keys (IPMI 2.0, 22.15, 22.22, 22.23 and 22.25).

use ipmi_proto::capabilities::{GetCipherSuites, ListedSuite, listed_suites};
use ipmi_proto::channel::{ChannelAccess, ChannelNumber, GetChannelAccess, SetChannelAccess, Setting};
use ipmi_proto::security_key::{GroupKeyRequest, KeyLock, KeyOperation};
use ipmi_proto::{CompletionCode, GroupKey};

use crate::read_back::verify;
use crate::{Connection, IpmiError};

impl Connection {
    /// Changes the access settings of a channel, both the active and the stored ones. The result is read
    /// back.
    ///
    /// # Errors
    /// If the controller does not respond or rejects the change; [`IpmiError::Unchanged`] if the change has
    /// no effect.
    pub async fn change_channel(
        &self,
        channel: ChannelNumber,
        change: impl Fn(ChannelAccess) -> ChannelAccess + Send,
    ) -> Result<(), IpmiError> {
        // The stored setting is changed first, because the active one may close the channel.
        for setting in [Setting::Lasting, Setting::Volatile] {
            let wanted = change(self.run(&GetChannelAccess { channel, setting }).await?);
            self.run(&SetChannelAccess { channel, setting, access: wanted }).await?;
            let read = self.run(&GetChannelAccess { channel, setting }).await?;
            verify("the access to the channel", &wanted, &read)?;
        }
        Ok(())
    }

    /// Returns the cipher suites that a channel lists.
    ///
    /// # Errors
    /// If the controller does not respond, or rejects the request.
    pub async fn cipher_suites(&self, channel: ChannelNumber) -> Result<Vec<ListedSuite>, IpmiError> {
        let mut list = Vec::new();
        for piece in 0..=u8::MAX {
            let ask = GetCipherSuites { channel, piece };
            let octets = self.run(&ask).await?;
            list.extend(&octets);
            if ask.is_last(&octets) {
                break;
            }
        }
        Ok(listed_suites(&list))
    }

    /// Returns the lock state of a channel's key `K_g`, and whether a key is set; `None` if the controller
    /// does not report it.
    ///
    /// # Errors
    /// If the controller does not respond, or does not support the key; [`IpmiError::InClear`] if the session
    /// is not encrypted.
    pub async fn group_key(&self, channel: ChannelNumber) -> Result<(KeyLock, Option<bool>), IpmiError> {
        // The response contains the key.
        self.demand_encryption()?;
        let (lock, key) = self.about_key(channel, KeyOperation::Read).await?;
        Ok((lock, key.map(|key| !key.is_unset())))
    }

    /// Sets the key `K_g` of a channel, and verifies it if the key is readable. Requires an encrypted
    /// session.
    ///
    /// # Errors
    /// If the session is not encrypted, or the controller does not respond or rejects the key;
    /// [`IpmiError::Unchanged`] if the change has no effect.
    pub async fn set_group_key(&self, channel: ChannelNumber, key: &GroupKey) -> Result<(), IpmiError> {
        self.demand_encryption()?;
        self.about_key(channel, KeyOperation::Set(key.clone())).await?;
        match self.about_key(channel, KeyOperation::Read).await {
            Ok((_, Some(read))) if read.is(key) => Ok(()),
            // Keys are secret.
            Ok((_, Some(_))) => Err(IpmiError::unchanged("the key", "the new key", "another key")),
            Ok((_, None)) | Err(IpmiError::Completion(_) | IpmiError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn about_key(
        &self,
        channel: ChannelNumber,
        operation: KeyOperation,
    ) -> Result<(KeyLock, Option<GroupKey>), IpmiError> {
        match self.run(&GroupKeyRequest { channel, operation }).await {
            Err(IpmiError::Completion(CompletionCode(code))) => Err(match GroupKeyRequest::refusal(code) {
                Some(reason) => IpmiError::Refused { reason, code },
                None => IpmiError::Completion(CompletionCode(code)),
            }),
            other => other,
        }
    }
}
