//! `telarch ipmi sol`: serial over LAN.

mod escape;
pub(super) mod terminal;

use ipmi::proto::payload::{BitRate, GetSerialParameter, SerialChange, SerialParameter, SerialValue};
use ipmi::proto::{CompletionCode, Privilege, ProtoError};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::lan::{CHANGED, on_or_off};
use super::parallel::Operation;
use super::report::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sol {
    /// Opens the console.
    Open,
    Info,
    Deactivate,
    Set(SerialChange),
}

impl Sol {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        match words {
            [] => Ok(Self::Open),
            ["info"] => Ok(Self::Info),
            ["deactivate"] => Ok(Self::Deactivate),
            ["set", "enabled", text] => {
                Ok(Self::Set(SerialChange::Enabled(on_or_off("sol set enabled", text)?)))
            }
            ["set", "rate", text] => {
                let known = BitRate::WORDS.iter().find(|(word, _)| word == text);
                let known = known.ok_or_else(|| {
                    let words = BitRate::WORDS.map(|(word, _)| word).join(", ");
                    format!("sol set rate: invalid rate \"{text}\"; expected one of {words}")
                })?;
                Ok(Self::Set(SerialChange::LastingRate(known.1)))
            }
            _ => Err("sol requires info, deactivate, set enabled on|off or set rate RATE, or no word to open the console"
                .to_owned()),
        }
    }
}

impl Operation for Sol {
    fn privilege(&self) -> Privilege {
        match self {
            Self::Set(_) => Privilege::Administrator,
            _ => Privilege::User,
        }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        match self {
            Self::Open | Self::Deactivate => {
                bmc.deactivate_console().await?;
                Ok(Answer::message("sol", "deactivated the console"))
            }
            Self::Set(change) => {
                let channel = bmc.lan_channel().await?;
                bmc.change_console(channel, *change).await?;
                if let SerialChange::LastingRate(rate) = change {
                    bmc.change_console(channel, SerialChange::VolatileRate(*rate)).await?;
                }
                Ok(Answer::message("set", CHANGED))
            }
            Self::Info => info(bmc).await,
        }
    }
}

async fn info(bmc: &Connection) -> Result<Answer, IpmiError> {
    let channel = bmc.lan_channel().await?;
    let mut fields = Vec::new();
    for (parameter, name, title) in [
        (SerialParameter::Enabled, "enabled", "Enabled"),
        (SerialParameter::Authentication, "protection", "Protection"),
        (SerialParameter::Accumulation, "accumulation", "Accumulation"),
        (SerialParameter::Retry, "retry", "Retry"),
        (SerialParameter::VolatileRate, "volatile_rate", "Volatile Bit Rate (kbps)"),
        (SerialParameter::LastingRate, "rate", "Non-Volatile Bit Rate (kbps)"),
        (SerialParameter::Port, "port", "Payload Port"),
    ] {
        let value = match bmc.run(&GetSerialParameter { channel, parameter }).await {
            Ok(value) => shown(value),
            // Insufficient privilege is an error; an unsupported parameter is not.
            Err(IpmiError::Completion(code)) if code != CompletionCode::PRIVILEGE => Value::Null,
            Err(IpmiError::Proto(error)) if error.is_about_octets() => Value::Null,
            Err(error) => return Err(error),
        };
        fields.push((name, title, value));
    }
    if fields.iter().all(|(.., value)| value.is_null()) {
        return Err(ProtoError::Absent { what: "serial over LAN of the controller" }.into());
    }
    Ok(Answer::fields(fields))
}

fn shown(value: SerialValue) -> Value {
    match value {
        SerialValue::Enabled(is_on) => Value::from(is_on),
        SerialValue::Port(port) => Value::from(port),
        other => Value::from(other.to_string()),
    }
}
