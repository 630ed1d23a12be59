//! `telarch ipmi lan`: the network settings of a controller.

use std::net::Ipv4Addr;

use ipmi::proto::Privilege;
use ipmi::proto::lan::{Community, LanChange, LanParameter, VlanNumber};
use ipmi::proto::user::AccessLevel;
use ipmi::{ChangeOutcome, Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lan {
    Show,
    Set(LanChange),
    /// Highest privilege level of a cipher suite.
    Suite(u8, AccessLevel),
}

impl Lan {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let change = match words {
            [] | ["show"] => return Ok(Self::Show),
            ["set", "address", text] => LanChange::Address(address(text)?),
            ["set", "mask", text] => LanChange::Mask(mask(text)?),
            ["set", "gateway", text] => LanChange::Gateway(address(text)?),
            ["set", "backup-gateway", text] => LanChange::BackupGateway(address(text)?),
            ["set", "source", text] => {
                LanChange::Source(text.parse().map_err(|error| format!("lan set source: {error}"))?)
            }
            ["set", "vlan", "off"] => LanChange::Vlan(None),
            ["set", "vlan", text] => {
                let number = text.parse().ok().and_then(|number| VlanNumber::new(number).ok());
                let number = number.ok_or_else(|| {
                    format!("lan set vlan: \"{text}\" is not a number from 1 to 4094, or off")
                })?;
                LanChange::Vlan(Some(number))
            }
            ["set", "community", text] => LanChange::Community(
                Community::new(text).map_err(|error| format!("lan set community: {error}"))?,
            ),
            ["set", "suite", number, level] => {
                let number =
                    number.parse().map_err(|_| format!("lan set suite: \"{number}\" is not a number"))?;
                let level = if *level == "off" { "none" } else { level };
                let level = level.parse().map_err(|error| format!("lan set suite: {error}"))?;
                return Ok(Self::Suite(number, level));
            }
            ["set", "arp", text] => {
                LanChange::Arp { answers: on_or_off("lan set arp", text)?, is_gratuitous: false }
            }
            _ => {
                return Err(
                    "lan requires show, or set address, mask, gateway, backup-gateway, source, vlan, community or \
                            arp to a value, or set suite NUMBER LEVEL|off"
                        .to_owned(),
                );
            }
        };
        Ok(Self::Set(change))
    }
}

/// Returns the result of a change of network settings.
pub(super) fn changed(stored: ChangeOutcome) -> Answer {
    Answer::message(
        "set",
        match stored {
            ChangeOutcome::Confirmed => CHANGED,
            ChangeOutcome::Unverified => "the controller confirmed the change, which cannot be read back",
            ChangeOutcome::Unreachable => {
                "the controller no longer responds at this address; it may have changed its address"
            }
        },
    )
}

/// The message after a change that was confirmed.
pub(super) const CHANGED: &str = "changed the settings of the controller";

/// Parses `on` or `off`.
pub(super) fn on_or_off(name: &str, text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("{name}: invalid value \"{other}\"; expected on or off")),
    }
}

fn address(text: &str) -> Result<Ipv4Addr, String> {
    let parsed: Option<Ipv4Addr> = text.parse().ok();
    let usable = parsed.filter(|address| !address.is_multicast() && !address.is_broadcast());
    usable.ok_or_else(|| format!("lan set: \"{text}\" is not the address of a host, such as 10.0.0.7"))
}

/// Parses a subnet mask: binary ones followed by zeros.
fn mask(text: &str) -> Result<Ipv4Addr, String> {
    let parsed: Option<Ipv4Addr> = text.parse().ok();
    let mask = parsed.filter(|mask| {
        let bits = u32::from(*mask);
        bits.leading_ones() + bits.trailing_zeros() == 32
    });
    mask.ok_or_else(|| format!("lan set mask: \"{text}\" is not a subnet mask, such as 255.255.255.0"))
}

impl Operation for Lan {
    fn privilege(&self) -> Privilege {
        match self {
            Self::Show => Privilege::Operator,
            Self::Set(_) | Self::Suite(..) => Privilege::Administrator,
        }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let channel = bmc.lan_channel().await?;
        if let Self::Set(change) = self {
            return Ok(changed(bmc.change_lan(channel, std::slice::from_ref(change)).await?));
        }
        if let Self::Suite(suite, level) = self {
            bmc.limit_suite(channel, *suite, *level).await?;
            return Ok(Answer::message("set", CHANGED));
        }
        let parameters = SHOWN.map(|(parameter, ..)| parameter);
        let values = bmc.lan_parameters(channel, &parameters).await?;
        let number = ("channel", "Channel", Value::from(channel.number()));
        let fields = SHOWN.iter().map(|(parameter, name, title)| {
            let found = values.iter().find(|(found, _)| found == parameter);
            (*name, *title, found.map_or(Value::Null, |(_, value)| Value::from(value.to_string())))
        });
        Ok(Answer::fields(std::iter::once(number).chain(fields)))
    }
}

const SHOWN: [(LanParameter, &str, &str); 12] = [
    (LanParameter::Source, "source", "IP Address Source"),
    (LanParameter::Address, "address", "IP Address"),
    (LanParameter::Mask, "mask", "Subnet Mask"),
    (LanParameter::Hardware, "hardware_address", "MAC Address"),
    (LanParameter::Community, "community", "SNMP Community String"),
    (LanParameter::Arp, "arp", "BMC ARP Control"),
    (LanParameter::Gateway, "gateway", "Default Gateway IP"),
    (LanParameter::GatewayHardware, "gateway_hardware_address", "Default Gateway MAC"),
    (LanParameter::BackupGateway, "backup_gateway", "Backup Gateway IP"),
    (LanParameter::Vlan, "vlan", "802.1q VLAN ID"),
    (LanParameter::Suites, "suites", "RMCP+ Cipher Suites"),
    (LanParameter::SuiteLimits, "suite_limits", "Cipher Suite Limits"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_addresses_and_masks_are_rejected() {
        assert!(Lan::parse(&["set", "address", "10.0.0.7"]).is_ok());
        assert_eq!(Lan::parse(&["set", "vlan", "off"]), Ok(Lan::Set(LanChange::Vlan(None))));
        for words in [
            ["set", "address", "10.0.0"],
            ["set", "address", "255.255.255.255"],
            ["set", "mask", "255.0.255.0"],
            ["set", "vlan", "4095"],
            ["set", "source", "unknown"],
            ["set", "arp", "perhaps"],
            ["set", "colour", "red"],
        ] {
            assert!(Lan::parse(&words).is_err(), "{words:?}");
        }
    }
}
