//! Process connector: the kernel reports each fork, exec and exit (`linux/cn_proc.h`).
//!
//! Requires `CAP_NET_ADMIN`.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{CONNECTOR, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{bind, recv, send, socket_with, sockopt};

/// A process event; threads are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// A process was created as a copy of its parent.
    Forked {
        /// Number of the parent.
        parent: u32,
        /// Number of the new process.
        process: u32,
    },
    /// The process with this number runs another program.
    Executed(u32),
    /// A process ended.
    Ended {
        /// Process ID.
        process: u32,
        /// Exit status, as returned by `wait`.
        status: u32,
    },
    /// Events were lost because the receive buffer was full.
    Lost,
}

/// A thread event, also of the first thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadEvent {
    /// A thread was created.
    Started {
        /// Process ID.
        process: u32,
        /// Number of the thread; that of its first thread is the process ID.
        thread: u32,
    },
    /// A thread ended.
    Ended {
        /// Process ID.
        process: u32,
        /// Number of the thread.
        thread: u32,
    },
    /// Events were lost because the receive buffer was full.
    Lost,
}

/// Opens a non-blocking socket for process events.
///
/// # Errors
/// Errors of the operating system: `PermissionDenied` for most users; `Unsupported` if the kernel does not
/// respond, as in containers.
pub fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(CONNECTOR))?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUP))?;
    // A larger buffer for bursts; optional.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, 1 << 20);
    send(&socket, &request(LISTEN), SendFlags::empty())?;
    // The kernel responds before `send` returns, if at all.
    let mut message = [0; LONGEST];
    match recv(&socket, &mut message[..], RecvFlags::empty()) {
        Ok(_) => Ok(socket),
        Err(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Receives a message; returns its event, or `None` if the message is not of interest.
///
/// # Errors
/// Errors of the operating system; [`io::ErrorKind::WouldBlock`] if there is no message.
pub fn receive(socket: &OwnedFd) -> io::Result<Option<ProcessEvent>> {
    receive_as(socket, parse, ProcessEvent::Lost)
}

/// Receives a message; returns its thread event, or `None` if the message is not of interest.
///
/// # Errors
/// As for [`receive`].
pub fn receive_thread(socket: &OwnedFd) -> io::Result<Option<ThreadEvent>> {
    receive_as(socket, parse_thread, ThreadEvent::Lost)
}

fn receive_as<T>(socket: &OwnedFd, parse: fn(&[u8]) -> Option<T>, lost: T) -> io::Result<Option<T>> {
    let mut message = [0; LONGEST];
    match recv(socket, &mut message[..], RecvFlags::empty()) {
        Ok((length, _)) => Ok(message.get(..length).and_then(parse)),
        Err(Errno::INTR) => Ok(None),
        Err(Errno::NOBUFS) => Ok(Some(lost)),
        Err(error) => Err(error.into()),
    }
}

/// Requests no more events. Older kernels keep generating them otherwise after the socket is closed.
pub fn ignore(socket: &OwnedFd) {
    let _ = send(socket, &request(IGNORE), SendFlags::empty());
}

/// `CN_IDX_PROC`, which is also the multicast group.
const GROUP: u32 = 1;
/// `PROC_CN_MCAST_LISTEN`.
const LISTEN: u32 = 1;
/// `PROC_CN_MCAST_IGNORE`.
const IGNORE: u32 = 2;
/// Buffer size in bytes; a message has 76 bytes.
const LONGEST: usize = 1_024;

/// Returns a message with an operation, preceded by the netlink header (16 bytes) and the connector header
/// (20 bytes).
fn request(operation: u32) -> Vec<u8> {
    const NLMSG_DONE: u16 = 3;
    let mut message = Vec::with_capacity(40);
    message.extend(40_u32.to_ne_bytes());
    message.extend(NLMSG_DONE.to_ne_bytes());
    message.extend([0; 10]);
    message.extend(GROUP.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(4_u16.to_ne_bytes());
    message.extend([0; 2]);
    message.extend(operation.to_ne_bytes());
    message
}

/// Parses a message; `None` if it is not of interest.
pub fn parse(message: &[u8]) -> Option<ProcessEvent> {
    let event = message.get(36..)?;
    // Layout: event type, processor, time stamp (8 bytes), then data that depends on the type.
    match word_at(event, 0)? {
        0x1 if word_at(event, 24)? == word_at(event, 28)? => {
            Some(ProcessEvent::Forked { parent: word_at(event, 20)?, process: word_at(event, 28)? })
        }
        0x2 => Some(ProcessEvent::Executed(word_at(event, 20)?)),
        0x8000_0000 if word_at(event, 16)? == word_at(event, 20)? => {
            Some(ProcessEvent::Ended { process: word_at(event, 20)?, status: word_at(event, 24)? })
        }
        _ => None,
    }
}

/// Parses a message as a thread event; `None` if it is not of interest.
pub fn parse_thread(message: &[u8]) -> Option<ThreadEvent> {
    let event = message.get(36..)?;
    match word_at(event, 0)? {
        0x1 => Some(ThreadEvent::Started { thread: word_at(event, 24)?, process: word_at(event, 28)? }),
        0x8000_0000 => Some(ThreadEvent::Ended { thread: word_at(event, 16)?, process: word_at(event, 20)? }),
        _ => None,
    }
}

fn word_at(event: &[u8], at: usize) -> Option<u32> {
    let octets = event.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes a message as the kernel sends it.
    fn message(what: u32, words: &[u32]) -> Vec<u8> {
        let mut message = vec![0; 36];
        for word in [what, 0, 1, 2].iter().chain(words) {
            message.extend(word.to_ne_bytes());
        }
        message.resize(76, 0);
        message
    }

    #[test]
    fn process_events_ignore_threads() {
        let forked = ProcessEvent::Forked { parent: 7, process: 9 };
        assert_eq!(parse(&message(1, &[8, 7, 9, 9])), Some(forked));
        assert_eq!(parse(&message(1, &[8, 7, 10, 9])), None);
        assert_eq!(parse(&message(2, &[9, 9])), Some(ProcessEvent::Executed(9)));
        let ended = ProcessEvent::Ended { process: 9, status: 0x300 };
        assert_eq!(parse(&message(0x8000_0000, &[9, 9, 0x300, 17, 7, 7])), Some(ended));
        assert_eq!(parse(&message(0x8000_0000, &[10, 9, 0, 17, 7, 7])), None);
        assert_eq!(parse(&message(0x40, &[9, 9])), None);
    }

    #[test]
    fn threads_have_the_number_of_their_process() {
        let started = ThreadEvent::Started { process: 9, thread: 10 };
        assert_eq!(parse_thread(&message(1, &[8, 7, 10, 9])), Some(started));
        let ended = ThreadEvent::Ended { process: 9, thread: 10 };
        assert_eq!(parse_thread(&message(0x8000_0000, &[10, 9, 0, 17, 7, 7])), Some(ended));
        assert_eq!(parse_thread(&message(2, &[9, 9])), None);
        assert_eq!(parse_thread(&[0; 40]), None);
    }

    #[test]
    fn truncated_messages_are_ignored() {
        let whole = message(1, &[8, 7, 9, 9]);
        for length in 0..whole.len() {
            let read = whole.get(..length).and_then(parse);
            assert_eq!(read.is_some(), length >= 68, "{length}");
        }
    }
}
