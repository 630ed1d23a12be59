//! Methods of `Win32_NetworkAdapterConfiguration`.

use std::fs;
use std::io;
use std::net::IpAddr;

use cim::{Instance, Status, Value};
use linux::network::address;
use linux::network::change::{
    Keeper, configuration_code, enable_dhcp, set_addresses, set_gateways, set_longest_packet, set_resolver,
};
use linux::network::link::Link;
use linux::network::route::Route;
use wmi::{MethodCall, ProviderError, Target};

use crate::Machine;
use crate::table::integer_in;
use crate::table::returned;

/// Return values besides those of [`configuration_code`].
const NOT_SUPPORTED: u32 = 64;
const BAD_SUBNET_MASK: u32 = 66;
const BAD_INPUT: u32 = 68;
const TOO_MANY_GATEWAYS: u32 = 69;
const BAD_ADDRESS: u32 = 70;
const BAD_GATEWAY: u32 = 71;
const BAD_DOMAIN: u32 = 73;
const CANNOT_DO_DHCP: u32 = 81;
const CANNOT_RENEW: u32 = 82;
const NO_DHCP: u32 = 100;

/// Maximum number of gateways of a link.
const MOST_GATEWAYS: usize = 5;

/// Calls a method.
pub(super) fn invoke(machine: &Machine, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
    let method = call.operation.method.name.as_str();
    let code = match call.target {
        Target::Class => of_machine(machine, method, call.input),
        Target::Instance(keys) => {
            let index = keys.first().and_then(Value::as_integer).and_then(|index| u32::try_from(index).ok());
            let link = index.and_then(|index| Link::numbered(machine, index));
            let link = link.ok_or_else(|| ProviderError::failed(Status::NotFound, "adapter not found"))?;
            of_link(machine, &link, method, call.input)
        }
    };
    returned(call, code.unwrap_or_else(|code| code))
}

/// Converts the result of a change to the return value of its method.
fn done(result: io::Result<()>) -> Code {
    Ok(configuration_code(&result))
}

/// Return value of a method.
type Code = Result<u32, u32>;

fn of_link(machine: &Machine, link: &Link, method: &str, input: &Instance) -> Code {
    match method {
        "EnableStatic" => done(set_addresses(machine, link, &addresses(input)?)),
        "SetGateways" => done(set_gateways(machine, link, &gateways(input)?)),
        "SetIPConnectionMetric" => {
            let metric = input.value("IPConnectionMetric").and_then(Value::as_integer);
            let metric = metric.and_then(|metric| u32::try_from(metric).ok()).ok_or(BAD_INPUT)?;
            let own = Route::all(machine)
                .into_iter()
                .filter(|route| route.link == link.index && route.is_default());
            let gateways: Vec<_> = own.filter_map(|route| Some((route.gateway?, Some(metric)))).collect();
            done(set_gateways(machine, link, &gateways))
        }
        "SetDNSServerSearchOrder" => {
            let servers = texts(input, "DNSServerSearchOrder");
            if !servers.iter().all(|server| server.parse::<IpAddr>().is_ok()) {
                return Err(BAD_ADDRESS);
            }
            done(set_resolver(machine, Some(link), Some(&servers), None))
        }
        "SetDNSDomain" => {
            let domain: Vec<String> = texts(input, "DNSDomain");
            done(set_resolver(machine, Some(link), None, Some(&domains(domain)?)))
        }
        "EnableDHCP" => match enable_dhcp(machine, link) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Err(CANNOT_DO_DHCP),
            result => done(result),
        },
        "RenewDHCPLease" => match Keeper::of(machine, link) {
            Some(keeper) => keeper.renew(machine, link).map_or(Err(CANNOT_RENEW), |()| Ok(0)),
            None => Err(NO_DHCP),
        },
        "SetMTU" => {
            let octets = input.value("MTU").and_then(Value::as_integer);
            // The minimum is 68 for IPv4 (RFC 791), the maximum 65535 for both.
            let octets = octets
                .and_then(|octets| u32::try_from(octets).ok())
                .filter(|octets| (68..=65_535).contains(octets));
            done(set_longest_packet(link, octets.ok_or(BAD_INPUT)?))
        }
        _ => Err(NOT_SUPPORTED),
    }
}

fn of_machine(machine: &Machine, method: &str, input: &Instance) -> Code {
    match method {
        "SetDNSSuffixSearchOrder" => {
            let search = domains(texts(input, "DNSDomainSuffixSearchOrder"))?;
            Ok(configuration_code(&set_resolver(machine, None, None, Some(&search))))
        }
        "SetKeepAliveInterval" => set(machine, "tcp_keepalive_intvl", seconds(input, "KeepAliveInterval")),
        "SetKeepAliveTime" => set(machine, "tcp_keepalive_time", seconds(input, "KeepAliveTime")),
        "SetDefaultTTL" => set(machine, "ip_default_ttl", integer_in(input, "DefaultTTL")),
        _ => Err(NOT_SUPPORTED),
    }
}

/// Sets a positive parameter of IPv4.
fn set(machine: &Machine, name: &str, value: Option<i128>) -> Code {
    let path = machine.path(format!("proc/sys/net/ipv4/{name}"));
    let value = value.filter(|value| *value > 0).ok_or(BAD_INPUT)?;
    done(fs::write(path, value.to_string()))
}

/// Returns a parameter in milliseconds as seconds.
fn seconds(input: &Instance, name: &str) -> Option<i128> {
    integer_in(input, name).map(|milliseconds| milliseconds / 1_000)
}

/// Parses an address and its mask; an address of one interface.
fn address_with_prefix(address: &str, mask: &str) -> Result<(IpAddr, u8), u32> {
    let address: IpAddr = address.parse().map_err(|_| BAD_ADDRESS)?;
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return Err(BAD_ADDRESS);
    }
    let prefix = address::prefix(mask, address).filter(|prefix| *prefix > 0).ok_or(BAD_SUBNET_MASK)?;
    Ok((address, prefix))
}

fn addresses(input: &Instance) -> Result<Vec<(IpAddr, u8)>, u32> {
    let (addresses, masks) = (texts(input, "IPAddress"), texts(input, "SubnetMask"));
    if addresses.is_empty() || addresses.len() != masks.len() {
        return Err(BAD_INPUT);
    }
    addresses.iter().zip(&masks).map(|(address, mask)| address_with_prefix(address, mask)).collect()
}

fn gateways(input: &Instance) -> Result<Vec<(IpAddr, Option<u32>)>, u32> {
    let gateways = texts(input, "DefaultIPGateway");
    let metrics = input.value("GatewayCostMetric").map(Value::elements).unwrap_or_default();
    if gateways.len() > MOST_GATEWAYS {
        return Err(TOO_MANY_GATEWAYS);
    }
    gateways
        .iter()
        .enumerate()
        .map(|(at, gateway): (usize, &String)| {
            let address: IpAddr = gateway.parse().map_err(|_| BAD_GATEWAY)?;
            let metric =
                metrics.get(at).and_then(Value::as_integer).and_then(|metric| u32::try_from(metric).ok());
            Ok((address, metric))
        })
        .collect()
}

/// Checks domain names, which are written to configuration files (RFC 1123 2.1).
pub(in crate::network) fn domains(names: Vec<String>) -> Result<Vec<String>, u32> {
    let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    if names.iter().all(|name| {
        name.len() <= 253
            && name.trim_end_matches('.').split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && !label.starts_with('-')
                    && label
                        .bytes()
                        .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
            })
    }) {
        Ok(names)
    } else {
        Err(BAD_DOMAIN)
    }
}

fn texts(input: &Instance, name: &str) -> Vec<String> {
    let values = input.value(name).map(Value::elements).unwrap_or_default();
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
