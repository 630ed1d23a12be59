//! `telarch ipmi kg`: the key that a login needs besides the password.

use ipmi::proto::{GroupKey as Key, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::report::Answer;

#[derive(Clone, Debug)]
pub(super) enum GroupKey {
    Show,
    /// With the key, once it is known.
    Set(Option<Key>),
}

impl GroupKey {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        match words {
            [] => Ok(Self::Show),
            ["set"] => Ok(Self::Set(None)),
            ["set", ..] => {
                Err("kg: a key does not belong on a command line, where others can read it; put it into \
                                a file for --new-kg-file"
                    .to_owned())
            }
            [other, ..] => Err(format!("kg: {other:?} is not set")),
        }
    }
}

impl Question for GroupKey {
    fn privilege(&self) -> Privilege {
        Privilege::Administrator
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let channel = bmc.lan_channel().await?;
        match self {
            Self::Set(Some(key)) => {
                bmc.set_group_key(channel, key).await?;
                let said =
                    if key.is_unset() { "there is no key any more" } else { "logins need the new key now" };
                Ok(Answer::said("kg", said))
            }
            Self::Set(None) => Ok(Answer::said("kg", "no key")),
            Self::Show => {
                let (lock, is_set) = bmc.group_key(channel).await?;
                Ok(Answer::fields([
                    ("channel", "Channel", Value::from(channel.number())),
                    ("kg_set", "K_g Is Set", is_set.map_or(Value::Null, Value::from)),
                    ("kg_lock", "K_g Lock", Value::from(lock.name())),
                ]))
            }
        }
    }
}
