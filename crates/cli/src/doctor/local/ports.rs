//! Check for port conflicts (proc(5), `/proc/net/tcp`).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use config::{Listener, ListenerAddress};

use crate::doctor::finding::Outcome;
use crate::failure::Kind;

/// A listening TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListeningSocket {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    inode: u64,
}

/// Checks that no other program uses the port of a listener.
pub(super) async fn check(listeners: &[Listener]) -> (Outcome, Option<()>) {
    let sockets = all();
    let mut seen = Vec::new();
    for listener in listeners {
        let port = listener.port.number();
        let matching = sockets.iter().filter(|socket| socket.is_for(listener));
        for (program, process) in matching.filter_map(|socket| owner(socket.inode)) {
            if program == SERVICE {
                continue;
            }
            let key = listener.key();
            let seen = format!("port {port} of listener {key} is used by {program} (process {process})");
            return Outcome::fail(Kind::Connect, seen)
                .fix(format!("stop {program}, or change its port"))
                .fix(format!(
                    "or change the listener: winrm set winrm/config/listener?{key} -set:Port=NUMBER"
                ))
                .without_data();
        }
        seen.push(port.to_string());
    }
    match seen.as_slice() {
        [] => Outcome::skip("no listener is enabled").without_data(),
        ports => Outcome::pass(format!("no other program listens on {}", ports.join(", "))).without_data(),
    }
}

impl ListeningSocket {
    /// Returns whether the socket accepts connections to the port and address of a listener.
    pub(super) fn is_for(&self, listener: &Listener) -> bool {
        let same_address = match listener.address {
            ListenerAddress::Ip(address) => address == self.address || self.address.is_unspecified(),
            _ => true,
        };
        self.port == listener.port.number() && same_address
    }

    /// Returns an address of this machine at which the socket accepts connections.
    pub(super) fn connect_address(&self) -> IpAddr {
        match self.address {
            address if !address.is_unspecified() => address,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        }
    }
}

/// Returns all listening TCP sockets of the network namespace.
pub(super) fn all() -> Vec<ListeningSocket> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines()).filter_map(parse).collect()
}

/// Parses one line; returns `None` for a socket that is not listening.
fn parse(line: &str) -> Option<ListeningSocket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, "0A", _, _, _, _, _, inode, ..] = fields.as_slice() else { return None };
    let (address, port) = local.split_once(':')?;
    let words: Vec<u32> = (0..address.len())
        .step_by(8)
        .map(|at| u32::from_str_radix(address.get(at..at + 8)?, 16).ok())
        .collect::<Option<_>>()?;
    let address = match words.as_slice() {
        // Each 32-bit word is in host byte order.
        [word] => IpAddr::V4(Ipv4Addr::from(word.to_ne_bytes())),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (chunk, word) in bytes.chunks_exact_mut(4).zip([a, b, c, d]) {
                chunk.copy_from_slice(&word.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(ListeningSocket { address, port: u16::from_str_radix(port, 16).ok()?, inode: inode.parse().ok()? })
}

/// Returns name and ID of the process that owns a socket, or `None` if this user may not see it.
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

/// Returns the file name of the executable of a process, even if the file was deleted. Falls back to the name that the
/// process has set itself.
fn program(process: &Path) -> String {
    let file = fs::read_link(process.join("exe")).ok();
    match file.as_deref().and_then(Path::file_name) {
        Some(name) => name.to_string_lossy().trim_end_matches(" (deleted)").to_owned(),
        None => fs::read_to_string(process.join("comm")).unwrap_or_default().trim().to_owned(),
    }
}

/// Program name of the service.
const SERVICE: &str = "telarchd";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_found_with_their_process() {
        let own = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = own.local_addr().expect("bound").port();
        let found: Vec<_> = all().into_iter().filter(|socket| socket.port == port).collect();
        let [found] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(found.address, IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(owner(found.inode).map(|(_, id)| id), Some(std::process::id()));
    }

    #[test]
    fn ipv6_addresses_are_parsed() {
        if cfg!(target_endian = "big") {
            return;
        }
        let line = "0: 00000000000000000000000001000000:1761 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 77 1";
        let socket = parse(line).expect("a line");
        assert_eq!((socket.address, socket.port, socket.inode), (Ipv6Addr::LOCALHOST.into(), 5985, 77));
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
