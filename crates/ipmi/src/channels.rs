//! Who may use a channel, with which suites, and its key (IPMI 2.0, 22.15, 22.22, 22.23 and 22.25).

use ipmi_proto::capabilities::{GetCipherSuites, ListedSuite, listed_suites};
use ipmi_proto::channel::{ChannelAccess, ChannelNumber, GetChannelAccess, SetChannelAccess, Setting};
use ipmi_proto::security_key::{GroupKeyRequest, KeyLock, KeyOperation};
use ipmi_proto::{CompletionCode, GroupKey};

use crate::thresholds::unless_unchanged;
use crate::{Connection, IpmiError};

impl Connection {
    /// Changes who may use a channel, now and from the next start of the controller on; the rest stays. It is read
    /// back.
    ///
    /// # Errors
    /// When the controller does not answer, or refuses; and [`IpmiError::Unchanged`].
    pub async fn change_channel(
        &self,
        channel: ChannelNumber,
        change: impl Fn(ChannelAccess) -> ChannelAccess + Send,
    ) -> Result<(), IpmiError> {
        // The lasting one first: the other may close the channel.
        for setting in [Setting::Lasting, Setting::Volatile] {
            let wanted = change(self.run(&GetChannelAccess { channel, setting }).await?);
            self.run(&SetChannelAccess { channel, setting, access: wanted }).await?;
            let read = self.run(&GetChannelAccess { channel, setting }).await?;
            unless_unchanged(read == wanted, "who may use the channel")?;
        }
        Ok(())
    }

    /// The cipher suites that a channel lists.
    ///
    /// # Errors
    /// When the controller does not answer, or refuses.
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

    /// Whether the key of a channel may be set, and whether it is; none where the controller does not say.
    ///
    /// # Errors
    /// When the controller does not answer, or has no such key; and [`IpmiError::InClear`].
    pub async fn group_key(&self, channel: ChannelNumber) -> Result<(KeyLock, Option<bool>), IpmiError> {
        // It comes over the network.
        self.demand_encryption()?;
        let (lock, key) = self.about_key(channel, KeyOperation::Read).await?;
        Ok((lock, key.map(|key| !key.is_unset())))
    }

    /// Sets the key of a channel, unless others could read it on its way, and compares it with what is read back,
    /// where that can be read.
    ///
    /// # Errors
    /// When the session is not encrypted, or the controller does not answer or refuses; and [`IpmiError::Unchanged`].
    pub async fn set_group_key(&self, channel: ChannelNumber, key: &GroupKey) -> Result<(), IpmiError> {
        self.demand_encryption()?;
        self.about_key(channel, KeyOperation::Set(key.clone())).await?;
        match self.about_key(channel, KeyOperation::Read).await {
            Ok((_, Some(read))) => unless_unchanged(read.is(key), "the key"),
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
