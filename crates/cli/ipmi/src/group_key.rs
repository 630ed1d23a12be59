//! `telarch ipmi kg`: the second key (K_g) of a login.

use ipmi::proto::{GroupKey as Key, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;

#[derive(Clone, Debug)]
pub(super) enum GroupKey {
    Show,
    /// The key is added after parsing.
    Set(Option<Key>),
}

impl GroupKey {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        match words {
            [] => Ok(Self::Show),
            ["set"] => Ok(Self::Set(None)),
            ["set", ..] => {
                Err("kg: a key on the command line is visible to other users; write it to a file and use \
                     --new-kg-file"
                    .to_owned())
            }
            [other, ..] => Err(format!("kg: unknown word \"{other}\"; expected set")),
        }
    }
}

impl Operation for GroupKey {
    fn privilege(&self) -> Privilege {
        Privilege::Administrator
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let channel = bmc.lan_channel().await?;
        match self {
            Self::Set(Some(key)) => {
                bmc.set_group_key(channel, key).await?;
                let message = if key.is_unset() { "removed the key" } else { "set the key" };
                Ok(Answer::message("kg", message))
            }
            Self::Set(None) => Ok(Answer::message("kg", "no key")),
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
