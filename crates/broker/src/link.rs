//! A socket between two of our processes: whole frames, perhaps with a descriptor.
//!
//! A frame is `T` `L` version 0, the length of the message in four octets, and the message. A descriptor comes with
//! the first octet of its frame (unix(7), `SCM_RIGHTS`).

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt,
};
use zeroize::Zeroizing;

/// What every frame begins with; another form of the messages gets another number.
pub const HEAD: [u8; 4] = *b"TL\x01\x00";

/// The longest message, in octets: far more than the largest envelope of a service that is set up with sense.
pub const LONGEST: usize = 64 << 20;

/// How many descriptors a frame may bring.
pub(crate) const MOST_DESCRIPTORS: usize = 64;

/// One end. Frames are read by one thread and written by any.
#[derive(Debug)]
pub struct Link {
    socket: UnixStream,
    writing: Mutex<()>,
}

/// One frame that came.
#[derive(Debug)]
pub struct Frame {
    /// The message; it may hold a secret.
    pub message: Zeroizing<Vec<u8>>,
    /// The descriptors that came with it.
    pub descriptors: Vec<OwnedFd>,
    /// Whether descriptors were lost on the way, because this process has too many files open (recvmsg(2),
    /// `MSG_CTRUNC`).
    pub has_lost_descriptors: bool,
}

impl Link {
    /// Both ends of a new one.
    ///
    /// # Errors
    /// The system's.
    pub fn pair() -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self { socket: ours, writing: Mutex::default() }, theirs))
    }

    /// Takes an end that this process was given by the one that started it, which must be root's or of the own user.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] if somebody else has made it.
    pub fn given(socket: UnixStream) -> io::Result<Self> {
        is_of_root_or_own(&socket)?;
        Ok(Self { socket, writing: Mutex::default() })
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// The system's, and [`ErrorKind::InvalidInput`] for what no frame can carry. If the other end has not taken it in
    /// [time](Self::speak_at_most), perhaps a part of it only, the link is closed.
    pub fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let (Some(head), true) = (frame_head(message.len()), descriptors.len() <= MOST_DESCRIPTORS) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(head, message, descriptors).inspect_err(|error| {
            if error.kind() == ErrorKind::WouldBlock {
                self.close();
            }
        })
    }

    fn write(&self, head: [u8; 8], message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let parts = [IoSlice::new(&head), IoSlice::new(message)];
        let sent = if descriptors.is_empty() {
            // A process that is confined may use neither names of sockets nor descriptors, and so not sendmsg(2).
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

    /// Sends as much of a frame as the socket takes, and all descriptors.
    fn begin_with_descriptors(
        &self,
        parts: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(ErrorKind::InvalidInput.into());
        }
        Ok(retry_on_intr(|| sendmsg(&self.socket, parts, &mut ancillary, SendFlags::NOSIGNAL))?)
    }

    /// Waits for the next frame; none when the other end is gone.
    ///
    /// # Errors
    /// The system's, and [`ErrorKind::InvalidData`] for what is no frame. The link is of no further use then.
    pub fn receive(&self) -> io::Result<Option<Frame>> {
        self.receive_at_most(LONGEST)
    }

    /// Like [`receive`](Self::receive), with a bound on the length of the message in octets.
    ///
    /// # Errors
    /// As there; [`ErrorKind::InvalidData`] also for a longer message, before there is memory for it.
    pub fn receive_at_most(&self, most: usize) -> io::Result<Option<Frame>> {
        self.receive_judged(0, |_, length| length <= most)
    }

    /// Like [`receive`](Self::receive), with a bound that depends on the first octets of the message.
    pub(crate) fn receive_judged(
        &self,
        beginning: usize,
        may_be_so_long: impl FnOnce(&[u8], usize) -> bool,
    ) -> io::Result<Option<Frame>> {
        let mut head = [0; 8];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
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
        if !may_be_so_long(&first, length) {
            return Err(io::Error::new(ErrorKind::InvalidData, "the message is longer than any of its kind"));
        }
        let mut message = Zeroizing::new(vec![0; length]);
        let (begun, rest) = message.split_at_mut(first.len());
        begun.copy_from_slice(&first);
        socket.read_exact(rest)?;
        Ok(Some(Frame { message, descriptors, has_lost_descriptors }))
    }

    /// Bounds how long [`receive`](Self::receive) waits.
    ///
    /// # Errors
    /// The system's.
    pub fn wait_at_most(&self, time: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(time)
    }

    /// Bounds how long [`send`](Self::send) waits for the other end to take a frame.
    ///
    /// # Errors
    /// The system's.
    pub fn speak_at_most(&self, time: Duration) -> io::Result<()> {
        self.socket.set_write_timeout(Some(time))
    }

    /// Ends both directions; whoever waits for a frame gets none.
    pub fn close(&self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    /// The socket, to be handed to a process that is started.
    ///
    /// # Errors
    /// The system's.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }
}

/// What stands before a message of this length; none if it is too long.
#[must_use]
pub fn frame_head(length: usize) -> Option<[u8; 8]> {
    let number = u32::try_from(length).ok().filter(|_| length <= LONGEST)?;
    let ([a, b, c, d], [e, f, g, h]) = (HEAD, number.to_be_bytes());
    Some([a, b, c, d, e, f, g, h])
}

/// The length of the message that a head announces; none if it is no head or the message is too long.
#[must_use]
pub fn message_length(head: [u8; 8]) -> Option<usize> {
    let [first @ .., a, b, c, d] = head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    (first == HEAD && length <= LONGEST).then_some(length)
}

/// Whether a socket was made by root or by the user of this process (unix(7), `SO_PEERCRED`).
///
/// # Errors
/// [`ErrorKind::PermissionDenied`] if it was not.
pub fn is_of_root_or_own(socket: &UnixStream) -> io::Result<()> {
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
    fn who_takes_no_frames_holds_up_nobody_and_is_not_told_again() {
        let (link, theirs) = Link::pair().expect("two sockets");
        link.speak_at_most(Duration::from_millis(10)).expect("a time");
        let mut errors = (0..100_000).filter_map(|_| link.send(b"connect", &[theirs.as_fd()]).err());
        assert_eq!(errors.next().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
        assert_eq!(errors.next().map(|error| error.kind()), Some(ErrorKind::BrokenPipe));
    }
}
