//! Asynchronous frames over a Unix socket, in the format of the broker but without file descriptors.
//!
//! A message is written by the task that sends it, so that no other task needs to be woken. Only the part that does not
//! fit into the socket buffer is left to a background task. The runtime watches the socket for input only: a Unix
//! socket also becomes writable whenever its peer has read something, which would wake both processes once more for
//! each message.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use broker::{MAX_MESSAGE_LENGTH, frame_head, message_length};
use locks::Mutex;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use readiness::watch;

/// Opens both directions of a socket, which is closed when the incoming direction is dropped.
///
/// # Errors
/// The error of the system call.
pub(crate) fn open(socket: UnixStream) -> io::Result<(Incoming, Arc<Outgoing>)> {
    socket.set_nonblocking(true)?;
    let socket = Arc::new(watch(socket, Interest::READABLE)?);
    let outgoing = Outgoing {
        socket: Arc::clone(&socket),
        unsent: Mutex::default(),
        drained: Notify::new(),
        runtime: Handle::current(),
    };
    Ok((Incoming { socket, received: Vec::new() }, Arc::new(outgoing)))
}

/// The incoming direction of a socket.
pub(crate) struct Incoming {
    socket: Arc<AsyncFd<UnixStream>>,
    /// Received bytes, from the beginning of a frame; without allocation while no bytes arrive.
    received: Vec<u8>,
}

/// A received message.
pub(crate) struct Message {
    /// INVARIANT: one complete frame.
    frame: Vec<u8>,
}

impl Incoming {
    /// Waits for the next message; `None` at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The error of the system call, and [`ErrorKind::InvalidData`] for a malformed frame.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            let missing = match self.received.first_chunk() {
                None => HEAD.saturating_sub(self.received.len()),
                Some(head) => {
                    let length = message_length(*head).ok_or(ErrorKind::InvalidData)?;
                    match HEAD.saturating_add(length).checked_sub(self.received.len()) {
                        None | Some(0) => return Ok(Some(self.take(HEAD.saturating_add(length)))),
                        Some(missing) => missing,
                    }
                }
            };
            let mut ready = self.socket.readable().await?;
            // The buffer grows with the received bytes, not with the announced length.
            self.received.reserve(missing.min(self.received.len()).max(READ_SIZE));
            let space = self.received.capacity().saturating_sub(self.received.len());
            match rustix::io::read(ready.get_inner(), spare_capacity(&mut self.received)) {
                Ok(0) if self.received.is_empty() => return Ok(None),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                // A short read means that the buffer of the socket is empty (epoll(7), question 9).
                Ok(count) if count < space => ready.clear_ready(),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    ready.clear_ready();
                    if self.received.is_empty() {
                        self.received = Vec::new();
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self, length: usize) -> Message {
        let rest = self.received.split_off(length.min(self.received.len()));
        Message { frame: std::mem::replace(&mut self.received, rest) }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
    }
}

impl Message {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.frame.get(HEAD..).unwrap_or_default()
    }
}

/// A message to send: encoded fields, and a text after them that is not copied.
pub struct Frame<'a> {
    head: [u8; HEAD],
    written: Zeroizing<Vec<u8>>,
    text: &'a str,
}

impl<'a> Frame<'a> {
    /// Creates a frame. Returns `None` if the message exceeds the maximum size.
    pub(crate) fn new(written: Zeroizing<Vec<u8>>, text: &'a str) -> Option<Self> {
        let head = frame_head(written.len().saturating_add(text.len()))?;
        Some(Self { head, written, text })
    }

    /// Returns the head of the frame, the encoded fields and the text.
    pub fn parts(&self) -> [&[u8]; 3] {
        [&self.head, &self.written, self.text.as_bytes()]
    }
}

/// The outgoing direction of a socket.
pub(crate) struct Outgoing {
    socket: Arc<AsyncFd<UnixStream>>,
    unsent: Mutex<Unsent>,
    /// Notified when buffered bytes were written.
    drained: Notify,
    runtime: Handle,
}

/// Bytes that did not fit into the socket buffer.
#[derive(Default)]
struct Unsent {
    /// INVARIANT: while this is not empty, a background task writes it.
    bytes: VecDeque<u8>,
    /// The socket is closed.
    is_closed: bool,
}

impl Outgoing {
    /// Sends messages without other messages between them. On an error the socket is closed, which its reader notices.
    pub(crate) fn send(self: &Arc<Self>, frames: &[Option<Frame<'_>>]) {
        let Some(parts) = parts(frames) else { return self.close() };
        let mut parts: Vec<IoSlice<'_>> = parts.into_iter().map(IoSlice::new).collect();
        let mut parts = parts.as_mut_slice();
        let mut unsent = self.unsent.lock();
        while !parts.is_empty() && unsent.bytes.is_empty() && !unsent.is_closed {
            match self.socket.get_ref().write_vectored(parts) {
                Ok(count) => IoSlice::advance_slices(&mut parts, count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    drop(unsent);
                    return self.close();
                }
            }
        }
        if parts.is_empty() || unsent.is_closed {
            return;
        }
        if unsent.bytes.is_empty() {
            self.runtime.spawn(Arc::clone(self).send_rest());
        }
        for part in parts.iter() {
            unsent.bytes.extend(&**part);
        }
    }

    /// Waits until fewer than [`MAX_UNSENT`] bytes are buffered.
    pub(crate) async fn wait_for_room(&self) {
        loop {
            let taken = self.drained.notified();
            if self.unsent.lock().bytes.len() < MAX_UNSENT {
                return;
            }
            taken.await;
        }
    }

    async fn send_rest(self: Arc<Self>) {
        if let Err(error) = self.try_send_rest().await {
            tracing::debug!(%error, "Peer closed the connection");
            self.close();
        }
    }

    async fn try_send_rest(&self) -> io::Result<()> {
        // A separate registration for writing, since the other one is for reading only.
        let socket = watch(self.socket.get_ref().try_clone()?, Interest::WRITABLE)?;
        loop {
            let mut ready = socket.writable().await?;
            let mut unsent = self.unsent.lock();
            let (front, back) = unsent.bytes.as_slices();
            match self.socket.get_ref().write_vectored(&[IoSlice::new(front), IoSlice::new(back)]) {
                Ok(count) => _ = unsent.bytes.drain(..count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.drained.notify_waiters();
            if unsent.bytes.is_empty() {
                unsent.bytes = VecDeque::new();
                return Ok(());
            }
        }
    }

    fn close(&self) {
        *self.unsent.lock() = Unsent { bytes: VecDeque::new(), is_closed: true };
        self.drained.notify_waiters();
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
    }
}

/// Returns the parts of all frames; `None` if a message exceeded the maximum size.
fn parts<'a>(frames: &'a [Option<Frame<'_>>]) -> Option<Vec<&'a [u8]>> {
    frames
        .iter()
        .map(|frame| frame.as_ref().map(Frame::parts))
        .collect::<Option<Vec<_>>>()
        .map(|all| all.concat())
}

/// Size of the header of a frame, in bytes.
const HEAD: usize = 8;
/// Size of one read in bytes, larger than most messages.
const READ_SIZE: usize = 8_192;
/// Maximum number of buffered bytes before senders wait.
const MAX_UNSENT: usize = 1 << 20;

const _: () = assert!(MAX_UNSENT < MAX_MESSAGE_LENGTH);

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::Duration;

    use super::*;

    fn frame(octets: &[u8], text: &'static str) -> Frame<'static> {
        Frame::new(Zeroizing::new(octets.to_vec()), text).unwrap()
    }

    /// Returns an open connection and its peer.
    fn pair() -> (Incoming, Arc<Outgoing>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (incoming, outgoing) = open(ours).unwrap();
        (incoming, outgoing, theirs)
    }

    #[tokio::test]
    async fn messages_are_reassembled_even_if_the_future_is_dropped() {
        let (mut incoming, _outgoing, mut theirs) = pair();
        let all = [frame(b"one", "").parts().concat(), frame(b"", "").parts().concat()].concat();
        let rest = frame(&[7; 3 * READ_SIZE], "three").parts().concat();
        let mut come = Vec::new();
        for octet in all.iter().chain(&rest) {
            theirs.write_all(&[*octet]).unwrap();
            // Dropped as soon as it has read the available bytes.
            tokio::select! {
                biased;
                message = incoming.next() => come.push(message.unwrap().unwrap().bytes().to_vec()),
                () = tokio::task::yield_now() => {}
            }
        }
        theirs.shutdown(Shutdown::Write).unwrap();
        while let Some(message) = incoming.next().await.unwrap() {
            come.push(message.bytes().to_vec());
        }
        assert_eq!(come, [b"one".to_vec(), Vec::new(), [&[7; 3 * READ_SIZE][..], b"three"].concat()]);
    }

    #[tokio::test]
    async fn malformed_and_truncated_frames_are_errors() {
        for (octets, kind) in [
            (&b"HTTP/1.1 200 OK"[..], ErrorKind::InvalidData),
            (b"TL\x01\x00\xFF\xFF\xFF\xFF", ErrorKind::InvalidData),
            (b"TL\x01\x00\x00\x00\x00\x02x", ErrorKind::UnexpectedEof),
            (b"TL", ErrorKind::UnexpectedEof),
        ] {
            let (mut incoming, _outgoing, mut theirs) = pair();
            theirs.write_all(octets).unwrap();
            drop(theirs);
            assert_eq!(incoming.next().await.err().map(|error| error.kind()), Some(kind), "{octets:?}");
        }
    }

    #[tokio::test]
    async fn an_announced_length_allocates_no_memory() {
        let (mut incoming, _outgoing, mut theirs) = pair();
        theirs.write_all(&frame_head(MAX_MESSAGE_LENGTH).unwrap()).unwrap();
        theirs.write_all(&[0; 1_000]).unwrap();
        while incoming.received.len() < HEAD + 1_000 {
            tokio::select! {
                biased;
                _ = incoming.next() => panic!("it is not there"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert!(incoming.received.capacity() <= 4 * READ_SIZE, "{}", incoming.received.capacity());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn unread_messages_keep_their_order_and_make_senders_wait() {
        const PART: usize = 100_000;
        let (_incoming, outgoing, mut theirs) = pair();
        let mut count: usize = 0;
        while outgoing.unsent.lock().bytes.len() < MAX_UNSENT {
            outgoing.wait_for_room().await;
            outgoing.send(&[Some(frame(&[u8::try_from(count % 251).unwrap(); PART], ""))]);
            count += 1;
            assert!(count < 1_000, "the socket takes everything");
        }
        let waiting = outgoing.wait_for_room();
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            () = &mut waiting => panic!("there is no room"),
            () = tokio::task::yield_now() => {}
        }
        let reading = tokio::task::spawn_blocking(move || {
            let mut part = vec![0; HEAD + PART];
            for number in 0..count {
                theirs.read_exact(&mut part).unwrap();
                assert!(part.iter().skip(HEAD).all(|octet| usize::from(*octet) == number % 251), "{number}");
            }
            theirs
        });
        waiting.await;
        let mut theirs = reading.await.unwrap();
        outgoing.send(&[Some(frame(b"and more", ""))]);
        let mut last = [0; HEAD + 8];
        theirs.read_exact(&mut last).unwrap();
        assert_eq!(last.last_chunk(), Some(b"and more"));
        assert_eq!(outgoing.unsent.lock().bytes.capacity(), 0, "nothing is kept for later");
    }

    #[tokio::test]
    async fn waiting_senders_continue_when_the_peer_closes() {
        let (mut incoming, outgoing, theirs) = pair();
        while outgoing.unsent.lock().bytes.len() < MAX_UNSENT {
            outgoing.send(&[Some(frame(&[0; 100_000], ""))]);
        }
        drop(theirs);
        outgoing.wait_for_room().await;
        assert!(!matches!(incoming.next().await, Ok(Some(_))));
    }

    #[tokio::test]
    async fn an_oversized_message_closes_the_connection() {
        assert!(Frame::new(Zeroizing::new(vec![0; MAX_MESSAGE_LENGTH]), "x").is_none());
        let (mut incoming, outgoing, mut theirs) = pair();
        outgoing.send(&[Some(frame(b"one", "")), None]);
        assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
        assert!(incoming.next().await.unwrap().is_none());
    }
}
