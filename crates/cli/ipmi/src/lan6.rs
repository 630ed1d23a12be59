//! `telarch ipmi lan6`: the IPv6 settings of a controller.

use std::net::Ipv6Addr;

use ipmi::proto::lan6::{AddressSlots, Ipv6Address, Lan6Change, RouterUse};
use ipmi::proto::{Privilege, ProtoError};
use ipmi::{Connection, IpmiError, Lan6 as Found};
use serde_json::Value;

use super::lan::changed;
use super::parallel::Operation;
use super::report::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lan6 {
    Show,
    Set(Lan6Change),
}

impl Lan6 {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        Ok(Self::Set(match words {
            [] | ["show"] => return Ok(Self::Show),
            ["set", "use", word] => {
                Lan6Change::Families(word.parse().map_err(|error| format!("lan6 set use: {error}"))?)
            }
            ["set", "address", "off", rest @ ..] => Lan6Change::Address(slot(rest)?, None),
            ["set", "address", word, rest @ ..] => {
                let network = word.parse().map_err(|error| format!("lan6 set address: {error}"))?;
                Lan6Change::Address(slot(rest)?, Some(network))
            }
            ["set", "routers", word] => {
                let known = ROUTERS.iter().find(|(name, _)| name == word).map(|(_, routers)| *routers);
                Lan6Change::RouterUse(known.ok_or_else(|| {
                    format!(
                        "lan6 set routers: invalid value \"{word}\"; expected static, dynamic, both or none"
                    )
                })?)
            }
            ["set", "router", word] => {
                let parsed: Option<Ipv6Addr> = word.parse().ok();
                let router = parsed.filter(|address| !address.is_multicast());
                Lan6Change::Router(router.ok_or_else(|| {
                    format!("lan6 set router: \"{word}\" is not the IPv6 address of a router")
                })?)
            }
            _ => {
                return Err(
                    "lan6 requires show, or set use, address, routers or router to a value".to_owned()
                );
            }
        }))
    }
}

/// Parses the optional number of an address slot.
fn slot(words: &[&str]) -> Result<u8, String> {
    match words {
        [] => Ok(0),
        [word] => word.parse().map_err(|_| format!("lan6 set address: \"{word}\" is not a slot number")),
        [_, word, ..] => Err(format!("lan6 set address: unexpected argument \"{word}\"")),
    }
}

impl Operation for Lan6 {
    fn privilege(&self) -> Privilege {
        match self {
            Self::Show => Privilege::Operator,
            Self::Set(_) => Privilege::Administrator,
        }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let channel = bmc.lan_channel().await?;
        if let Self::Set(change) = self {
            return Ok(changed(bmc.change_lan6(channel, *change).await?));
        }
        let found = bmc.lan6(channel).await?;
        let Found { families, slots, fixed, dynamic, router_use, router } =
            found.ok_or(ProtoError::Absent { what: "IPv6 of the controller" })?;
        Ok(Answer::fields([
            ("channel", "Channel", Value::from(channel.number())),
            ("use", "Addresses In Use", Value::from(families.name())),
            ("slots", "Address Slots", slots.map(shown_slots).map_or(Value::Null, Value::from)),
            ("static", "Static Addresses", Value::from(shown(&fixed))),
            ("dynamic", "Dynamic Addresses", Value::from(shown(&dynamic))),
            (
                "routers",
                "Routers In Use",
                router_use.map_or(Value::Null, |routers| Value::from(routers.to_string())),
            ),
            ("router", "Static Router", router.map_or(Value::Null, |router| Value::from(router.to_string()))),
        ]))
    }
}

fn shown_slots(slots: AddressSlots) -> String {
    let AddressSlots { fixed, dynamic, dhcp, autoconfiguration } = slots;
    let ways: Vec<&str> = [(dhcp, "dhcpv6"), (autoconfiguration, "slaac")]
        .iter()
        .filter_map(|(is, name)| is.then_some(*name))
        .collect();
    let ways = if ways.is_empty() { String::new() } else { format!(" ({})", ways.join(", ")) };
    format!("{fixed} static, {dynamic} dynamic{ways}")
}

fn shown(addresses: &[(u8, Ipv6Address)]) -> String {
    let shown = addresses.iter().map(|(slot, found)| {
        let Ipv6Address { address, prefix, status, .. } = found;
        format!("{slot}: {address}/{prefix} {} {}", found.source_name(), status.name())
    });
    shown.collect::<Vec<_>>().join(", ")
}

const ROUTERS: [(&str, RouterUse); 4] = [
    ("none", RouterUse { fixed: false, dynamic: false }),
    ("static", RouterUse { fixed: true, dynamic: false }),
    ("dynamic", RouterUse { fixed: false, dynamic: true }),
    ("both", RouterUse { fixed: true, dynamic: true }),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_ipv6_settings_are_rejected() {
        for words in [
            &["set", "address", "2001:db8::7/64"][..],
            &["set", "address", "off", "3"],
            &["set", "use", "both"],
            &["set", "routers", "none"],
            &["set", "router", "fe80::1"],
        ] {
            assert!(Lan6::parse(words).is_ok(), "{words:?}");
        }
        for words in [
            &["set", "address", "2001:db8::7"][..],
            &["set", "address", "2001:db8::7/64", "300"],
            &["set", "use", "ipx"],
            &["set", "routers", "some"],
            &["set", "router", "ff02::1"],
            &["set"],
        ] {
            assert!(Lan6::parse(words).is_err(), "{words:?}");
        }
    }
}
