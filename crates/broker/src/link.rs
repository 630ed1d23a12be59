//! A Unix socket between two processes of the service that carries whole frames, with descriptors.
//!
//! A frame is the bytes `T`, `L`, 1, 0, the length of the message as a big-endian 32-bit number, and the message.
//! Descriptors are attached to the first byte of their frame (unix(7), `SCM_RIGHTS`).

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use locks::Mutex;
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt,
};
use zeroize::Zeroizing;

/// First four bytes of every frame. An incompatible message format gets another number.
pub const FRAME_MAGIC: [u8; 4] = *b"TL\x01\x00";

/// Maximum length of a message in bytes, well above the largest useful `MaxEnvelopeSizekb`.
pub const MAX_MESSAGE_LENGTH: usize = 64 << 20;

/// Maximum number of descriptors attached to a frame.
pub(crate) const MAX_DESCRIPTORS: usize = 64;

/// One end of a link. One thread receives frames; any thread sends them.
#[derive(Debug)]
pub struct Link {
    socket: UnixStream,
    writing: Mutex<()>,
}

/// A received frame.
#[derive(Debug)]
pub struct Frame {
    /// The message, which may contain a secret.
    pub message: Zeroizing<Vec<u8>>,
    /// Descriptors that were attached to the frame.
    pub descriptors: Vec<OwnedFd>,
    /// Whether the kernel dropped descriptors because this process has too many open files (recvmsg(2), `MSG_CTRUNC`).
    pub has_lost_descriptors: bool,
}

impl Link {
    /// Creates both ends of a link.
    ///
    /// # Errors
    /// I/O errors.
    pub fn pair() -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self { socket: ours, writing: Mutex::default() }, theirs))
    }

    /// Wraps a socket that the parent process has passed on.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] if the socket was created by a user other than root and the current one.
    pub fn from_inherited(socket: UnixStream) -> io::Result<Self> {
        verify_owner(&socket)?;
        Ok(Self { socket, writing: Mutex::default() })
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// I/O errors, and [`ErrorKind::InvalidInput`] if the message is too long or has too many descriptors. The link is
    /// closed if the [timeout](Self::set_send_timeout) expires, because the frame may have been sent in part.
    pub fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let (Some(head), true) = (frame_head(message.len()), descriptors.len() <= MAX_DESCRIPTORS) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let _turn = self.writing.lock();
        self.write(head, message, descriptors).inspect_err(|error| {
            if error.kind() == ErrorKind::WouldBlock {
                self.close();
            }
        })
    }

    fn write(&self, head: [u8; 8], message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let parts = [IoSlice::new(&head), IoSlice::new(message)];
        let sent = if descriptors.is_empty() {
            // The seccomp filter of a confined process does not allow sendmsg(2).
            retry_on_intr(|| rustix::io::writev(&self.socket, &parts))?
        } else {
            self.begin_with_descriptors(&parts, descriptors)?
        };
        let mut socket = &self.socket;
        if let Some(rest) = head.get(sent..) {
            socket.write_all(rest)?;
        }
        socket.write_all(message.get(sent.saturating_sub(head.len())..).unwrap_or_default())
    }

    /// Sends all descriptors and as much of the frame as fits into the socket buffer. Returns the number of bytes sent.
    fn begin_with_descriptors(
        &self,
        parts: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(ErrorKind::InvalidInput.into());
        }
        Ok(retry_on_intr(|| sendmsg(&self.socket, parts, &mut ancillary, SendFlags::NOSIGNAL))?)
    }

    /// Waits for the next frame. Returns `None` once the other end is closed.
    ///
    /// # Errors
    /// I/O errors, and [`ErrorKind::InvalidData`] if the bytes are not a frame. The link is unusable after an error.
    pub fn receive(&self) -> io::Result<Option<Frame>> {
        self.receive_limited(MAX_MESSAGE_LENGTH)
    }

    /// Like [`receive`](Self::receive), with a maximum message length in bytes.
    ///
    /// # Errors
    /// Those of `receive`; [`ErrorKind::InvalidData`] also for a longer message, before memory is allocated for it.
    pub fn receive_limited(&self, most: usize) -> io::Result<Option<Frame>> {
        self.receive_checked(0, |_, length| length <= most)
    }

    /// Like [`receive`](Self::receive), with a size limit that depends on the first `beginning` bytes of the message.
    ///
    /// # Errors
    /// Those of `receive`; [`ErrorKind::InvalidData`] also for a message above its limit.
    pub fn receive_checked(
        &self,
        beginning: usize,
        is_within_limit: impl FnOnce(&[u8], usize) -> bool,
    ) -> io::Result<Option<Frame>> {
        let mut head = [0; 8];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let (received, has_lost_descriptors) = loop {
            let mut parts = [IoSliceMut::new(&mut head)];
            match recvmsg(&self.socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                other => {
                    let received = other?;
                    break (received.bytes, received.flags.contains(ReturnFlags::CTRUNC));
                }
            }
        };
        let descriptors = ancillary
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors.collect::<Vec<_>>()),
                _ => None,
            })
            .flatten()
            .collect();
        if received == 0 {
            return Ok(None);
        }
        let mut socket = &self.socket;
        if let Some(rest) = head.get_mut(received..) {
            socket.read_exact(rest)?;
        }
        let length = message_length(head).ok_or(ErrorKind::InvalidData)?;
        let mut first = Zeroizing::new(vec![0; beginning.min(length)]);
        socket.read_exact(&mut first)?;
        if !is_within_limit(&first, length) {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "the message exceeds the size limit of its kind",
            ));
        }
        let mut message = Zeroizing::new(vec![0; length]);
        let (begun, rest) = message.split_at_mut(first.len());
        begun.copy_from_slice(&first);
        socket.read_exact(rest)?;
        Ok(Some(Frame { message, descriptors, has_lost_descriptors }))
    }

    /// Sets the timeout of [`receive`](Self::receive); `None` waits forever.
    ///
    /// # Errors
    /// I/O errors.
    pub fn set_receive_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(time)
    }

    /// Sets the timeout of [`send`](Self::send).
    ///
    /// # Errors
    /// I/O errors.
    pub fn set_send_timeout(&self, time: Duration) -> io::Result<()> {
        self.socket.set_write_timeout(Some(time))
    }

    /// Shuts down both directions; a pending receive returns `None`.
    pub fn close(&self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    /// Shuts down the direction to the other process, which receives what was sent before, and then `None`.
    pub fn close_sending(&self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    /// Duplicates the socket, to pass it to a child process.
    ///
    /// # Errors
    /// I/O errors.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }
}

/// Returns the head of a frame with a message of this length in bytes; `None` if it is too long.
#[must_use]
pub fn frame_head(length: usize) -> Option<[u8; 8]> {
    let number = u32::try_from(length).ok().filter(|_| length <= MAX_MESSAGE_LENGTH)?;
    let ([a, b, c, d], [e, f, g, h]) = (FRAME_MAGIC, number.to_be_bytes());
    Some([a, b, c, d, e, f, g, h])
}

/// Returns the message length in a frame head; `None` if the head is invalid or the message is too long.
#[must_use]
pub fn message_length(head: [u8; 8]) -> Option<usize> {
    let [first @ .., a, b, c, d] = head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    (first == FRAME_MAGIC && length <= MAX_MESSAGE_LENGTH).then_some(length)
}

/// Verifies that a socket was created by root or by the current user (unix(7), `SO_PEERCRED`).
///
/// # Errors
/// [`ErrorKind::PermissionDenied`] if another user has created it.
pub fn verify_owner(socket: &UnixStream) -> io::Result<()> {
    let maker = sockopt::socket_peercred(socket)?.uid;
    if maker.is_root() || maker == rustix::process::geteuid() {
        return Ok(());
    }
    Err(ErrorKind::PermissionDenied.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_to_a_peer_that_does_not_read_times_out_and_closes_the_link() {
        let (link, theirs) = Link::pair().expect("two sockets");
        link.set_send_timeout(Duration::from_millis(10)).expect("a time");
        let mut errors = (0..100_000).filter_map(|_| link.send(b"connect", &[theirs.as_fd()]).err());
        assert_eq!(errors.next().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
        assert_eq!(errors.next().map(|error| error.kind()), Some(ErrorKind::BrokenPipe));
    }
}
