//! Who listens at the ports of the listeners (proc(5), `/proc/net/tcp`).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use config::{Listener, ListenerAddress};

use crate::doctor::finding::Outcome;
use crate::failure::Kind;

/// Somebody who listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    inode: u64,
}

/// Whether another program has a port.
pub(super) async fn look(listeners: &[Listener]) -> (Outcome, Option<()>) {
    let listening = all();
    let mut seen = Vec::new();
    for listener in listeners {
        let port = listener.port.number();
        let taken = listening.iter().filter(|listening| listening.is_for(listener));
        for (program, process) in taken.filter_map(|listening| owner(listening.inode)) {
            if program == SERVICE {
                continue;
            }
            let key = listener.key();
            let seen = format!("port {port} of listener {key} belongs to {program} (process {process})");
            return Outcome::fail(Kind::Connect, seen)
                .fix(format!("end {program}, or give it another port"))
                .fix(format!("or the listener: winrm set winrm/config/listener?{key} -set:Port=NUMBER"))
                .alone();
        }
        seen.push(port.to_string());
    }
    match seen.as_slice() {
        [] => Outcome::skip("no listener is enabled").alone(),
        ports => Outcome::pass(format!("nobody else listens at {}", ports.join(", "))).alone(),
    }
}

impl Listening {
    /// Whether a listener would get the same connections.
    pub(super) fn is_for(&self, listener: &Listener) -> bool {
        let is_there = match listener.address {
            ListenerAddress::Ip(address) => address == self.address || self.address.is_unspecified(),
            _ => true,
        };
        self.port == listener.port.number() && is_there
    }

    /// Where a connection gets to it.
    pub(super) fn reached_at(&self) -> IpAddr {
        match self.address {
            address if !address.is_unspecified() => address,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        }
    }
}

/// Everybody who listens.
pub(super) fn all() -> Vec<Listening> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let texts = [read("/proc/net/tcp"), read("/proc/net/tcp6")];
    texts.iter().flat_map(|text| text.lines()).filter_map(parse).collect()
}

/// One line; none for what does not listen.
fn parse(line: &str) -> Option<Listening> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, "0A", _, _, _, _, _, inode, ..] = fields.as_slice() else { return None };
    let (address, port) = local.split_once(':')?;
    let words: Vec<u32> = (0..address.len())
        .step_by(8)
        .map(|at| u32::from_str_radix(address.get(at..at + 8)?, 16).ok())
        .collect::<Option<_>>()?;
    let address = match words.as_slice() {
        // Each word stands in the order of the machine.
        [word] => IpAddr::V4(Ipv4Addr::from(word.to_ne_bytes())),
        [a, b, c, d] => {
            let mut octets = [0; 16];
            let all = [a, b, c, d].into_iter().flat_map(|word| word.to_ne_bytes());
            octets.iter_mut().zip(all).for_each(|(octet, own)| *octet = own);
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(Listening { address, port: u16::from_str_radix(port, 16).ok()?, inode: inode.parse().ok()? })
}

/// The program and the process that hold a socket, as far as this user may see them.
fn owner(inode: u64) -> Option<(String, u32)> {
    let wanted = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.filter_map(Result::ok) {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let mut links = files.filter_map(Result::ok).filter_map(|file| fs::read_link(file.path()).ok());
        if links.any(|link| link.as_os_str() == wanted.as_str()) {
            return Some((program(&process.path()), id));
        }
    }
    None
}

/// The name of the program that a process is, also where it was replaced since; what it calls itself may be another.
fn program(process: &Path) -> String {
    let file = fs::read_link(process.join("exe")).ok();
    let name = file.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let own = || fs::read_to_string(process.join("comm")).unwrap_or_default().trim().to_owned();
    name.map_or_else(own, |name| name.trim_end_matches(" (deleted)").to_owned())
}

/// The name of the program that the service is.
const SERVICE: &str = "telarchd";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_read_from_the_kernel() {
        let own = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = own.local_addr().expect("bound").port();
        let found: Vec<_> = all().into_iter().filter(|listening| listening.port == port).collect();
        let [found] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(found.address, IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(owner(found.inode).map(|(_, id)| id), Some(std::process::id()));
    }

    #[test]
    fn addresses_of_the_sixth_version_are_read() {
        if cfg!(target_endian = "big") {
            return;
        }
        let line = "0: 00000000000000000000000001000000:1761 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 77 1";
        let listening = parse(line).expect("a line");
        assert_eq!(
            (listening.address, listening.port, listening.inode),
            (Ipv6Addr::LOCALHOST.into(), 5985, 77)
        );
        for other in [
            "",
            "sl local_address",
            "0: 0100007F:1761 0:0 01 0:0 0:0 0 0 0 77 1",
            "0: xyz:1 0:0 0A 0 0 0 0 0 1",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
