//! Free TCP ports for servers that cannot choose a port themselves.
//!
//! A port is free only until another process uses it, and the kernel soon returns the same number again. Servers that set
//! `SO_REUSEPORT`, such as Caddy, would then share the port with the server of another test. Each port is therefore
//! reserved among all tests, also of other users, until the process of the test ends.

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Mutex;

/// Names in the abstract namespace of Unix sockets, which the kernel removes at the end of the process.
static RESERVATIONS: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// Returns a port that no socket of this machine uses, on any address, and that no other test gets.
///
/// # Panics
/// If no socket can be opened.
#[must_use]
pub fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

/// Returns different ports as [`free_port`] does.
///
/// # Panics
/// As [`free_port`].
#[must_use]
pub fn free_ports<const N: usize>() -> [u16; N] {
    let mut ports = [0; N];
    for port in &mut ports {
        *port = loop {
            let socket = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
            let port = socket.local_addr().expect("it is bound").port();
            if reserve(port) {
                break port;
            }
        };
    }
    ports
}

/// Reserves a port, unless another test has reserved it.
fn reserve(port: u16) -> bool {
    let name = SocketAddr::from_abstract_name(format!("telarch-tests-port-{port}")).expect("a short name");
    match UnixListener::bind_addr(&name) {
        Ok(reservation) => {
            RESERVATIONS.lock().expect("no thread panics with it").push(reservation);
            true
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => false,
        Err(error) => panic!("cannot reserve port {port}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ports_are_different_and_free_on_every_address() {
        let ports: [u16; 200] = free_ports();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
        assert!(TcpListener::bind((Ipv4Addr::UNSPECIFIED, free_port())).is_ok());
    }

    #[test]
    fn a_reserved_port_is_not_reserved_again() {
        assert!(!reserve(free_port()));
    }
}
