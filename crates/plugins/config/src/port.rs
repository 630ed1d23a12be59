//! Check whether the kernel would assign a port to a listener.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use config::{AddressFilter, Listener, ListenerAddress, Service};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use service::ListenError;

/// Checks whether a listener could bind its port on all addresses that are known without querying interfaces. No
/// socket remains open.
///
/// Sockets of this process are no conflict: listeners can share a socket, and a socket passed by a service manager
/// waits for its listener. An address that the machine does not have may be added later.
///
/// # Errors
/// [`ListenError`] if another program uses the port, or only root may bind it.
pub(crate) fn check_available(listener: &Listener, service: &Service) -> Result<(), ListenError> {
    for ip in addresses(listener, service) {
        let address = SocketAddr::new(ip, listener.port.number());
        match try_to_bind(address) {
            Err(source) if is_conflict(source.kind()) && !owns_sockets(address).unwrap_or_default() => {
                return Err(ListenError { address, source });
            }
            _ => {}
        }
    }
    Ok(())
}

fn addresses(listener: &Listener, service: &Service) -> Vec<IpAddr> {
    match listener.address {
        ListenerAddress::Ip(ip) => vec![ip],
        ListenerAddress::Mac(_) => Vec::new(),
        ListenerAddress::Any => {
            let v4 = admitted(&service.ipv4_filter, Ipv4Addr::UNSPECIFIED);
            let v6 = admitted(&service.ipv6_filter, Ipv6Addr::UNSPECIFIED);
            v4.into_iter().chain(v6).collect()
        }
    }
}

/// Returns the unspecified address for all addresses, or the single addresses of the filter.
fn admitted<A: Copy + PartialEq + Into<IpAddr>>(filter: &AddressFilter<A>, all: A) -> Vec<IpAddr> {
    match filter {
        AddressFilter::Any => vec![all.into()],
        AddressFilter::None => Vec::new(),
        AddressFilter::Ranges(ranges) => {
            let single = ranges.iter().filter(|range| range.start() == range.end());
            single.map(|range| (*range.start()).into()).collect()
        }
    }
}

/// Binds a socket without listening. No client can connect by mistake, and concurrent checks do not conflict.
fn try_to_bind(address: SocketAddr) -> io::Result<()> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    sockopt::set_socket_reuseaddr(&socket, true)?;
    Ok(bind(&socket, &address)?)
}

fn is_conflict(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

/// Returns whether there are listening sockets on an address and all of them belong to this process.
fn owns_sockets(address: SocketAddr) -> io::Result<bool> {
    let mut sockets = listening_sockets("/proc/self/net/tcp", address.port())?;
    // A kernel without IPv6 has no such table.
    sockets.extend(listening_sockets("/proc/self/net/tcp6", address.port()).unwrap_or_default());
    let (mut overlapping, others): (Vec<_>, Vec<_>) =
        sockets.into_iter().partition(|(ip, _)| overlaps(*ip, address.ip()));
    if overlapping.is_empty() {
        // A socket on all IPv6 addresses may also accept IPv4; the table does not say.
        overlapping = others.into_iter().filter(|(ip, _)| *ip == Ipv6Addr::UNSPECIFIED).collect();
    }
    let own = inodes_of_this_process()?;
    Ok(!overlapping.is_empty() && overlapping.iter().all(|(_, inode)| own.contains(inode)))
}

fn overlaps(left: IpAddr, right: IpAddr) -> bool {
    left.is_ipv4() == right.is_ipv4() && (left == right || left.is_unspecified() || right.is_unspecified())
}

/// Returns addresses and inodes of the sockets that listen on a port (proc_net_tcp in the kernel's documentation).
fn listening_sockets(table: &str, port: u16) -> io::Result<Vec<(IpAddr, u64)>> {
    const LISTENING: &str = "0A";
    let text = fs::read_to_string(table)?;
    let sockets = text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (ip, own_port) = fields.next()?.split_once(':')?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?.parse().ok()?;
        let matches = state == LISTENING && u16::from_str_radix(own_port, 16) == Ok(port);
        Some((parse_address(ip)?, inode)).filter(|_| matches)
    });
    Ok(sockets.collect())
}

/// Parses an address: 32-bit words in hexadecimal, each in the byte order of the machine.
fn parse_address(hexadecimal: &str) -> Option<IpAddr> {
    if hexadecimal.len() == 8 {
        return parse_word(hexadecimal).map(IpAddr::from);
    }
    let words: Option<Vec<_>> = (0..4).map(|at| parse_word(hexadecimal.get(at * 8..at * 8 + 8)?)).collect();
    <[u8; 16]>::try_from(words?.concat()).ok().map(IpAddr::from)
}

fn parse_word(digits: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
}

fn inodes_of_this_process() -> io::Result<BTreeSet<u64>> {
    let open = fs::read_dir("/proc/self/fd")?.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let sockets =
        open.filter_map(|target| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
    Ok(sockets.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use config::{ListenerKey, Port};

    use super::*;

    fn listener(address: &str, port: u16) -> Listener {
        let key = ListenerKey::parse(address, "HTTP").unwrap();
        let mut listener = Listener::new(key, &Service::default());
        listener.port = Port::new(port.into()).unwrap();
        listener
    }

    #[test]
    fn own_sockets_are_no_conflict_for_any_address() {
        for bound in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
            let Ok(own) = TcpListener::bind(bound) else { continue };
            let port = own.local_addr().unwrap().port();
            for address in ["IP:127.0.0.1", "*", "IP:127.0.0.2", "IP:::1", "MAC:02-00-00-00-00-01"] {
                let available = check_available(&listener(address, port), &Service::default());
                assert!(available.is_ok(), "{address} with {bound}: {}", available.unwrap_err());
            }
        }
    }

    #[test]
    fn a_bound_port_without_listener_is_a_conflict() {
        let family = AddressFamily::INET;
        let held = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = SocketAddr::try_from(rustix::net::getsockname(&held).unwrap()).unwrap();
        let error =
            check_available(&listener("IP:127.0.0.1", address.port()), &Service::default()).unwrap_err();
        assert_eq!((error.address, error.source.kind()), (address, ErrorKind::AddrInUse));
        assert!(check_available(&listener("IP:127.0.0.2", address.port()), &Service::default()).is_ok());
    }

    #[test]
    fn an_address_that_the_machine_does_not_have_is_accepted() {
        // Reserved for documentation (RFC 5737).
        assert!(check_available(&listener("IP:192.0.2.1", 5_985), &Service::default()).is_ok());
    }

    #[test]
    fn only_addresses_that_the_filters_admit_are_checked() {
        let mut config = config::Config::default();
        config.set("Service/IPv4Filter", "127.0.0.2,127.0.0.5-127.0.0.9").unwrap();
        config.set("Service/IPv6Filter", "").unwrap();
        let tried = addresses(&listener("*", 5_985), &config.service);
        assert_eq!(tried, [IpAddr::from([127, 0, 0, 2])]);
        let all = addresses(&listener("*", 5_985), &Service::default());
        assert_eq!(all, [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)]);
    }

    #[test]
    fn addresses_of_the_kernel_are_parsed() {
        for ip in ["127.0.0.1", "0.0.0.0", "::", "::1", "fe80::1"] {
            let ip: IpAddr = ip.parse().unwrap();
            let words =
                octets(ip).chunks(4).map(|w| u32::from_ne_bytes(w.try_into().unwrap())).collect::<Vec<_>>();
            let written: String = words.iter().map(|word| format!("{word:08X}")).collect();
            assert_eq!(parse_address(&written), Some(ip), "{written}");
        }
        for wrong in ["", "7F", "7F0000010", "G0000000"] {
            assert_eq!(parse_address(wrong), None, "{wrong}");
        }
    }

    fn octets(ip: IpAddr) -> Vec<u8> {
        match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        }
    }
}
