//! Time zone and settings of the network below `SYSTEM\CurrentControlSet`.

use linux::network::resolver::Resolver;

use super::key::{Data, Values, text_value};
use crate::Machine;
use crate::system::time::{Rules, current_rules};

/// Returns the time zone. A bias is the difference from local time to UTC in minutes, in two's complement
/// (`DYNAMIC_TIME_ZONE_INFORMATION`).
pub(super) fn time_zone(machine: &Machine) -> Values {
    let Some(rules) = current_rules() else { return Vec::new() };
    let active = crate::system::offset(machine).map(|offset| minutes(-i32::from(offset)));
    let Rules { name, daylight_name, standard, saved, .. } = rules;
    [
        active.map(|bias| ("ActiveTimeBias", bias)),
        Some(("Bias", minutes(-standard))),
        Some(("DaylightBias", minutes(-saved))),
        text_value("DaylightName", daylight_name.as_deref()),
        Some(("StandardBias", Data::Number(0))),
        text_value("StandardName", Some(&name)),
        text_value("TimeZoneKeyName", Some(&name)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn minutes(minutes: i32) -> Data {
    Data::Number(minutes.cast_unsigned())
}

/// Returns the names of the machine and its name servers.
pub(super) fn tcpip_parameters(machine: &Machine) -> Values {
    let resolver = Resolver::of(machine);
    let list = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
    let host = machine.host_name();
    let forwards = machine.number::<u32>("proc/sys/net/ipv4/ip_forward");
    let hops = machine.number::<u32>("proc/sys/net/ipv4/ip_default_ttl");
    [
        hops.map(|hops| ("DefaultTTL", Data::Number(hops))),
        text_value("Domain", domain(machine).as_deref()),
        text_value("Hostname", Some(&host)),
        forwards.map(|forwards| ("IPEnableRouter", Data::Number(forwards))),
        text_value("NV Domain", domain(machine).as_deref()),
        text_value("NV Hostname", Some(&host)),
        text_value("NameServer", list(&resolver.servers).as_deref()),
        text_value("SearchList", list(&resolver.search).as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the domain in the host name.
fn domain(machine: &Machine) -> Option<String> {
    let name = machine.line("proc/sys/kernel/hostname")?;
    name.split_once('.').map(|(_, domain)| domain.to_owned())
}
