//! TCP and UDP sockets, with the processes that own them (proc_pid_net(5)).

use std::cell::OnceCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::listing::{Listing, if_present};
use crate::{Error, Machine};

/// A socket, as listed by the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Local address and port.
    pub local: (IpAddr, u16),
    /// Remote address and port; zero if not connected.
    pub remote: (IpAddr, u16),
    /// State of a TCP connection (`TCP_*` of linux/tcp.h).
    pub state: u8,
    /// Inode number, which also appears in the descriptors of processes; 0 if no process has the socket open.
    pub inode: u64,
}

impl Socket {
    /// Returns the sockets of a protocol: `tcp` or `udp`, of both address families. A family that the kernel does
    /// not have has no sockets.
    ///
    /// The failure is that of a table that cannot be read, or that is longer than 64 MiB.
    pub fn all(machine: &Machine, protocol: &str) -> Listing<Self> {
        let mut sockets = Listing::default();
        for table in [format!("proc/net/{protocol}"), format!("proc/net/{protocol}6")] {
            let text = match if_present(&table, machine.octets_up_to(&table, MOST + 1)) {
                Ok(octets) => octets,
                Err(error) => {
                    sockets.fail(error);
                    continue;
                }
            };
            let lines = String::from_utf8_lossy(&text);
            sockets.found.extend(lines.lines().skip(1).filter_map(Self::parse));
            if u64::try_from(text.len()).is_ok_and(|length| length > MOST) {
                sockets.fail(Error::TooLong { file: format!("/{table}"), limit: MOST });
            }
        }
        sockets
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote) = (end(words.next()?)?, end(words.next()?)?);
        let state = u8::from_str_radix(words.next()?, 16).ok()?;
        let inode = words.nth(5)?.parse().ok()?;
        Some(Self { local, remote, state, inode })
    }
}

/// Maximum length of a table in bytes: some hundred thousand sockets.
const MOST: u64 = 64 << 20;

/// Parses an address and port in hexadecimal digits; the address is in words of the machine's byte order.
fn end(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let word =
        |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?).into()
        }
        _ => return None,
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

/// Processes by socket, read on first use.
#[derive(Debug, Default)]
pub struct Owners(OnceCell<HashMap<u64, u32>>);

impl Owners {
    /// Returns the process with the smallest number that has a socket open; `None` without a process,
    /// or if the caller may not see it.
    pub fn of(&self, machine: &Machine, inode: u64) -> Option<u32> {
        self.0.get_or_init(|| owners(machine)).get(&inode).copied()
    }
}

fn owners(machine: &Machine) -> HashMap<u64, u32> {
    let mut owners = HashMap::new();
    let processes = machine.names("proc").unwrap_or_default();
    let mut processes: Vec<u32> = processes.iter().filter_map(|name| name.to_str()?.parse().ok()).collect();
    processes.sort_unstable();
    for process in processes {
        let folder = format!("proc/{process}/fd");
        // The process may have ended meanwhile or belong to another user.
        for descriptor in machine.names(&folder).unwrap_or_default() {
            let Ok(target) = std::fs::read_link(machine.path(&folder).join(descriptor)) else { continue };
            let inode = target
                .to_str()
                .and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode {
                owners.entry(inode).or_insert(process);
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn socket_addresses_are_parsed_in_native_byte_order() {
        assert_eq!(end("0100007F:1F90"), Some((Ipv4Addr::LOCALHOST.into(), 8_080)));
        assert_eq!(end("00000000000000000000000001000000:0016"), Some((Ipv6Addr::LOCALHOST.into(), 22)));
        for wrong in ["0100007F", "0100007:16", "0100007F:12345", "x100007F:16"] {
            assert_eq!(end(wrong), None, "{wrong}");
        }
    }
}
