//! The names of this machine, for the certificate it makes for itself.

use std::fs;
use std::net::IpAddr;

/// What clients may call this machine by: its full name first, then its short one, then its addresses.
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
        if !names.contains(&name) && names.len() < MOST_NAMES {
            names.push(name);
        }
    }
    names
}

/// A machine with more addresses is called by a name.
const MOST_NAMES: usize = 100;

/// The first name of the line that has the short one among its names (hosts(5)).
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

/// Names of machines can be set to anything; certificates take only what DNS takes.
pub(crate) fn is_host_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    !name.is_empty() && name.len() <= 253 && name.chars().all(fits)
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
    fn names_are_there_once_and_addresses_only_if_they_reach_beyond_the_link() {
        let addresses =
            ["192.0.2.7", "fe80::1", "192.0.2.7", "2001:db8::1"].map(|ip| ip.parse().expect("one"));
        let names = of_this_machine(addresses);
        let count = |name: &str| names.iter().filter(|own| *own == name).count();
        assert_eq!(
            [count("localhost"), count("192.0.2.7"), count("2001:db8::1"), count("fe80::1")],
            [1, 1, 1, 0]
        );
    }
}
