//! Channel security keys (IPMI 2.0, 22.25).

use super::Command;
use super::channel::ChannelNumber;
use crate::octets::Octets;
use crate::{GroupKey, NetFn, Privilege, ProtoError, Request};

/// Set Channel Security Keys, for the key `K_g`.
#[derive(Clone, Debug)]
pub struct GroupKeyRequest {
    /// Channel.
    pub channel: ChannelNumber,
    /// Operation.
    pub operation: KeyOperation,
}

/// Operation on a key.
#[derive(Clone, Debug)]
pub enum KeyOperation {
    /// Reads the key, if it is not locked.
    Read,
    /// Sets a new key.
    Set(GroupKey),
}

/// Lock state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLock {
    /// The key cannot be locked.
    None,
    /// The key is locked: it can be neither read nor set.
    Locked,
    /// The key is not locked.
    Unlocked,
}

impl KeyLock {
    /// Returns the name of the state.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "not lockable",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
        }
    }
}

impl GroupKeyRequest {
    /// Returns the text for a completion code specific to this command, or `None`.
    #[must_use]
    pub fn refusal(code: u8) -> Option<&'static str> {
        match code {
            0x80 => Some("the key is locked"),
            0x81 => Some("the key is too short for this controller"),
            0x82 => Some("the key is too long for this controller"),
            0x83 => Some("the key does not meet the rules of this controller"),
            0x84 => Some("this controller does not use this key"),
            _ => None,
        }
    }
}

impl Command for GroupKeyRequest {
    /// Lock state, and the key if it was read and the controller returned it.
    type Reply = (KeyLock, Option<GroupKey>);
    const PRIVILEGE: Privilege = Privilege::Administrator;

    fn request(&self) -> Request {
        let (operation, key): (u8, &[u8]) = match &self.operation {
            KeyOperation::Read => (0, &[]),
            KeyOperation::Set(key) => (1, key.octets()),
        };
        let mut data = vec![self.channel.number(), operation, GROUP_KEY];
        data.extend(key);
        Request { net_fn: NetFn::APP, command: 0x56, data: data.into() }
    }

    fn reply(&self, octets: &[u8]) -> Result<(KeyLock, Option<GroupKey>), ProtoError> {
        let mut octets = Octets::new("the answer to Set Channel Security Keys", octets);
        let lock = match octets.u8()? & 3 {
            1 => KeyLock::Locked,
            2 => KeyLock::Unlocked,
            _ => KeyLock::None,
        };
        let key = match self.operation {
            KeyOperation::Read if lock != KeyLock::Locked => octets.array().ok().map(GroupKey::stored),
            _ => None,
        };
        Ok((lock, key))
    }
}

/// Key id of `K_g`; `K_r` is 0.
const GROUP_KEY: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_set_read_and_never_shown() {
        let channel = ChannelNumber::THIS;
        let key = GroupKey::new(b"hunter2").unwrap();
        let set = GroupKeyRequest { channel, operation: KeyOperation::Set(key.clone()) };
        let data = set.request().data.clone();
        assert_eq!(data, [&[14, 1, 1][..], b"hunter2", &[0; 13]].concat());
        assert!(!format!("{set:?}").contains("104"), "{set:?}");
        let read = GroupKeyRequest { channel, operation: KeyOperation::Read };
        assert_eq!(read.request().data, [14, 0, 1]);
        let (lock, reported) = read.reply(&[&[2], &data[3..]].concat()).unwrap();
        assert!(lock == KeyLock::Unlocked && reported.is_some_and(|reported| reported.is(&key)));
        let (lock, reported) = read.reply(&[1]).unwrap();
        assert!(lock == KeyLock::Locked && reported.is_none());
        assert!(
            read.reply(&[]).is_err() && read.reply(&[0; 21]).unwrap().1.is_some_and(|key| key.is_unset())
        );
    }
}
