//! Transmission state of a socket, as reported by the kernel.
//!
//! `unsafe` is allowed here because no safe function exists for `SIOCOUTQ`.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io;
use rustix::ioctl::{Getter, Opcode, ioctl};

/// Returns the number of bytes that the peer has not acknowledged (tcp(7), `SIOCOUTQ`).
///
/// For a Unix socket, zero means that the peer has read all of them; other numbers have no exact meaning.
pub(super) fn outstanding(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: the kernel writes an `int` for this request on any socket, and fails with an error on other files.
    let count = unsafe { ioctl(socket, Getter::<OUTQ, c_int>::new())? };
    Ok(u32::try_from(count).unwrap_or(0))
}

/// Returns whether the connection was reset or has timed out and the error was not yet reported: a read reports it only
/// once.
pub(super) fn has_failed(socket: BorrowedFd<'_>) -> bool {
    const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::empty())];
    match poll(&mut polled, Some(&AT_ONCE)) {
        Ok(_) => polled.iter().any(|socket| socket.revents().contains(PollFlags::ERR)),
        Err(_) => false,
    }
}

/// `SIOCOUTQ`, another name of `TIOCOUTQ` (asm-generic/ioctls.h, and those of the architectures that differ).
const OUTQ: Opcode = if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
    0x7472
} else if cfg!(any(target_arch = "powerpc", target_arch = "powerpc64", target_arch = "sparc64")) {
    0x4004_7473
} else {
    0x5411
};

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use rustix::net::sockopt::set_socket_linger;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn unread_data_is_outstanding_until_a_reset_and_then_failed() {
        let (mut near, far) = pair();
        near.set_nonblocking(true).unwrap();
        while near.write(&[0; 65_536]).is_ok() {}
        assert!(outstanding(near.as_fd()).unwrap() > 65_536);
        assert!(!has_failed(near.as_fd()));
        set_socket_linger(&far, Some(Duration::ZERO)).unwrap();
        drop(far);
        assert!(has_failed(near.as_fd()));
        assert!(outstanding(near.as_fd()).unwrap() > 65_536, "a reset acknowledges nothing");
    }

    #[test]
    fn read_data_is_not_outstanding_even_after_the_peer_closes() {
        let (mut near, mut far) = pair();
        near.write_all(b"answer").unwrap();
        far.read_exact(&mut [0; 6]).unwrap();
        drop(far);
        let start = Instant::now();
        while outstanding(near.as_fd()).unwrap() > 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "nothing is acknowledged");
            std::thread::yield_now();
        }
        assert!(!has_failed(near.as_fd()));
    }

    #[test]
    fn a_unix_socket_reports_unread_data_and_fails_if_it_is_discarded() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        near.write_all(b"answer").unwrap();
        assert!(outstanding(near.as_fd()).unwrap() > 0);
        far.read_exact(&mut [0; 6]).unwrap();
        assert_eq!(outstanding(near.as_fd()), Ok(0));
        near.write_all(b"answer").unwrap();
        drop(far);
        assert!(has_failed(near.as_fd()));
    }
}
