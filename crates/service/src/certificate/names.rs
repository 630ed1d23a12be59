//! Names of this machine, for its self-signed certificate.

use std::fs;
use std::net::IpAddr;

/// Returns the names by which clients may address this machine: full name, short name, `localhost`, addresses.
pub(crate) fn of_this_machine(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<String> {
    let host = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let full = full_name(&host, &hosts).map(str::to_ascii_lowercase);
    let mut names: Vec<String> = Vec::new();
    let addresses = addresses.into_iter().filter(|address| !is_link_local(*address));
    let all = full
        .into_iter()
        .chain([host, "localhost".to_owned()])
        .filter(|name| is_host_name(name))
        .chain(addresses.map(|address| address.to_string()));
    for name in all {
        if !names.contains(&name) && names.len() < MAX_NAMES {
            names.push(name);
        }
    }
    names
}

/// Maximum number of names. Clients of a machine with more addresses use one of its names.
const MAX_NAMES: usize = 100;

/// Returns the first name of the line of `/etc/hosts` that contains the short name (hosts(5)).
fn full_name<'h>(host: &str, hosts: &'h str) -> Option<&'h str> {
    hosts.lines().find_map(|line| {
        let mut names = line.split('#').next()?.split_whitespace().skip(1).peekable();
        let first = *names.peek()?;
        let is_full = first.len() > host.len() && first.starts_with(host) && first.contains('.');
        (is_full && names.any(|name| name == host)).then_some(first)
    })
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Returns whether a name is valid in DNS. The host name of a machine can be any string.
#[must_use]
pub fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_name_is_the_first_of_its_line() {
        let hosts = "127.0.0.1 localhost # node.wrong.example\n192.0.2.7 node.example.com node\n";
        assert_eq!(full_name("node", hosts), Some("node.example.com"));
        assert_eq!(full_name("localhost", hosts), None);
        assert_eq!(full_name("nod", hosts), None);
    }

    #[test]
    fn names_are_unique_and_link_local_addresses_are_omitted() {
        let addresses =
            ["192.0.2.7", "fe80::1", "192.0.2.7", "2001:db8::1"].map(|ip| ip.parse().expect("an address"));
        let names = of_this_machine(addresses);
        let count = |name: &str| names.iter().filter(|own| *own == name).count();
        assert_eq!(
            [count("localhost"), count("192.0.2.7"), count("2001:db8::1"), count("fe80::1")],
            [1, 1, 1, 0]
        );
    }
}
