//! `MSFT_NetTCPConnection` and `MSFT_NetUDPEndpoint` (proc_net(5)).

use std::cell::OnceCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use wmi::ProviderError;

use super::Names;
use crate::Machine;
use crate::table::{Fill, Table};

/// TCP connections and listening sockets.
pub(super) struct TcpConnection;

/// UDP sockets.
pub(super) struct UdpEndpoint;

/// A socket.
pub(super) struct Row {
    socket: Socket,
    name: String,
    owners: Rc<Owners>,
}

/// A line of the kernel's socket tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
    state: u8,
    /// Inode number, which also appears in the descriptors of processes; 0 if no process has the socket open.
    inode: u64,
}

impl Socket {
    fn all(machine: &Machine, protocol: &str) -> Vec<Self> {
        let tables = [format!("proc/net/{protocol}"), format!("proc/net/{protocol}6")];
        let texts = tables.iter().filter_map(|table| machine.octets_up_to(table, MOST).ok());
        let lines = texts.flat_map(|text| {
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines().skip(1).filter_map(Self::parse).collect::<Vec<_>>()
        });
        lines.collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote) = (end(words.next()?)?, end(words.next()?)?);
        let state = u8::from_str_radix(words.next()?, 16).ok()?;
        let inode = words.nth(5)?.parse().ok()?;
        Some(Self { local, remote, state, inode })
    }

    /// Returns the state of a connection in numbers of Windows (reference of `MSFT_NetTCPConnection`,
    /// `State`), from those of Linux (`TCP_*` of linux/tcp.h; 12 is a half-open request).
    fn state(&self) -> Option<u8> {
        Some(match self.state {
            1 => 5,
            2 => 3,
            3 | 12 => 4,
            4 => 6,
            5 => 7,
            6 => 11,
            7 => 1,
            8 => 8,
            9 => 10,
            10 => 2,
            11 => 9,
            _ => return None,
        })
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
struct Owners(OnceCell<HashMap<u64, u32>>);

impl Owners {
    /// Returns the process with the smallest number that has a socket open; `None` if the caller may not see
    /// it.
    fn of(&self, machine: &Machine, inode: u64) -> Option<u32> {
        // Windows assigns sockets without process to process 0.
        if inode == 0 {
            return Some(0);
        }
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

fn rows(machine: &Machine, protocol: &str, name: fn(&Socket) -> String) -> impl Iterator<Item = Row> {
    let (owners, mut names) = (Rc::<Owners>::default(), Names::default());
    Socket::all(machine, protocol).into_iter().map(move |socket| Row {
        // Several sockets may listen on one port (`SO_REUSEPORT`).
        name: names.unique(name(&socket), || socket.inode.to_string()),
        socket,
        owners: owners.clone(),
    })
}

impl Table for TcpConnection {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetTCPConnection";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("InstanceID", |_, row| row.name.clone().into()),
        ("LocalAddress", |_, row| row.socket.local.0.to_string().into()),
        ("LocalPort", |_, row| row.socket.local.1.into()),
        ("OwningProcess", |machine, row| row.owners.of(machine, row.socket.inode).into()),
        ("RemoteAddress", |_, row| row.socket.remote.0.to_string().into()),
        ("RemotePort", |_, row| row.socket.remote.1.into()),
        ("State", |_, row| row.socket.state().into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let name = |socket: &Socket| {
            let ((here, port), (there, other)) = (socket.local, socket.remote);
            format!("{here}++{port}++{there}++{other}")
        };
        Ok(rows(machine, "tcp", name))
    }
}

impl Table for UdpEndpoint {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetUDPEndpoint";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("InstanceID", |_, row| row.name.clone().into()),
        ("LocalAddress", |_, row| row.socket.local.0.to_string().into()),
        ("LocalPort", |_, row| row.socket.local.1.into()),
        ("OwningProcess", |machine, row| row.owners.of(machine, row.socket.inode).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let name = |socket: &Socket| format!("{}++{}", socket.local.0, socket.local.1);
        Ok(rows(machine, "udp", name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_numbers_that_windows_documents() {
        let nobody = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let state = |state| Socket { local: nobody, remote: nobody, state, inode: 0 }.state();
        // Established, SYN sent and received, FIN wait 1 and 2, time wait, close, close wait, last ACK, listen, closing.
        let kernel = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        assert_eq!(kernel.map(state), [5, 3, 4, 6, 7, 11, 1, 8, 10, 2, 9, 4].map(Some));
        assert_eq!([state(0), state(13)], [None, None]);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn ends_are_written_in_words_of_the_machine() {
        assert_eq!(end("0100007F:1F90"), Some((Ipv4Addr::LOCALHOST.into(), 8_080)));
        assert_eq!(end("00000000000000000000000001000000:0016"), Some((Ipv6Addr::LOCALHOST.into(), 22)));
        for wrong in ["0100007F", "0100007:16", "0100007F:12345", "x100007F:16"] {
            assert_eq!(end(wrong), None, "{wrong}");
        }
    }
}
