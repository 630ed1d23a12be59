//! `MSFT_NetTCPConnection` and `MSFT_NetUDPEndpoint` (proc_net(5)).

use std::rc::Rc;
use std::sync::Arc;

use linux::listing::Listing;
use linux::network::socket::{Owners, Socket};
use wmi::{ProviderError, Scan};

use super::Names;
use crate::Machine;
use crate::table::{Fill, Push, Table, push_listing};

/// TCP connections and listening sockets.
pub(super) struct TcpConnection;

/// UDP sockets.
pub(super) struct UdpEndpoint;

/// A socket with a unique name.
pub(super) struct Row {
    socket: Socket,
    name: String,
    owners: Rc<Owners>,
}

/// Returns the number of a connection's state (reference of `MSFT_NetTCPConnection`, `State`). State 12 of Linux
/// is a half-open request.
fn state(socket: &Socket) -> Option<u8> {
    Some(match socket.state {
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

/// Returns the process of a socket. Windows assigns sockets without process to process 0.
fn owner(machine: &Machine, row: &Row) -> Option<u32> {
    if row.socket.inode == 0 { Some(0) } else { row.owners.of(machine, row.socket.inode) }
}

fn rows(machine: &Machine, protocol: &str, name: fn(&Socket) -> String) -> Listing<Row> {
    let (owners, mut names) = (Rc::<Owners>::default(), Names::default());
    Socket::all(machine, protocol).map(move |socket| Row {
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
        ("OwningProcess", |machine, row| owner(machine, row).into()),
        ("RemoteAddress", |_, row| row.socket.remote.0.to_string().into()),
        ("RemotePort", |_, row| row.socket.remote.1.into()),
        ("State", |_, row| state(&row.socket).into()),
    ];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        let rows = rows(machine, "tcp", |socket: &Socket| {
            let ((here, port), (there, other)) = (socket.local, socket.remote);
            format!("{here}++{port}++{there}++{other}")
        });
        push_listing(rows, push)
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
        ("OwningProcess", |machine, row| owner(machine, row).into()),
    ];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        let name = |socket: &Socket| format!("{}++{}", socket.local.0, socket.local.1);
        push_listing(rows(machine, "udp", name), push)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn states_have_documented_numbers() {
        let any = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let state = |state| super::state(&Socket { local: any, remote: any, state, inode: 0 });
        // Established, SYN sent and received, FIN wait 1 and 2, time wait, close, close wait, last ACK, listen, closing.
        let kernel = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        assert_eq!(kernel.map(state), [5, 3, 4, 6, 7, 11, 1, 8, 10, 2, 9, 4].map(Some));
        assert_eq!([state(0), state(13)], [None, None]);
    }
}
