//! Unix sockets with a time limit for connecting.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// Connects to a socket. The time limit applies if the queue of the socket is full, which any local user can
/// cause.
///
/// # Errors
/// Errors of the operating system; [`io::ErrorKind::WouldBlock`] if it takes too long.
pub(crate) fn connected(place: &SocketAddrUnix, patience: Duration) -> io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
    connect(&socket, place)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn connecting_to_a_full_socket_times_out() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        rustix::net::listen(&listener, 0).expect("it listens");
        let place = SocketAddrUnix::new(&path).expect("a short path");
        let patience = Duration::from_millis(50);
        let (mut waiting, mut refused) = (Vec::new(), None);
        while refused.is_none() && waiting.len() < 5 {
            match connected(&place, patience) {
                Ok(stream) => waiting.push(stream),
                Err(error) => refused = Some(error.kind()),
            }
        }
        assert_eq!(refused, Some(io::ErrorKind::WouldBlock));
    }
}
