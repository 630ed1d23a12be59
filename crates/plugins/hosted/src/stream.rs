//! Frames over a socket that the runtime waits for: the same as the broker's, without descriptors.
//!
//! Whoever has a message writes it, so that no other task has to run first; only what the socket does not take waits
//! for one. And the runtime watches the socket for octets to read and for nothing else: a Unix socket reports as well
//! that its other end has read something, which would wake both processes once more for every message.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker::{MAX_MESSAGE_LENGTH, frame_head, message_length};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use readiness::watch;

/// Both directions of a socket; it ends when what comes is dropped.
///
/// # Errors
/// The system's.
pub(crate) fn open(socket: UnixStream) -> io::Result<(Incoming, Arc<Outgoing>)> {
    socket.set_nonblocking(true)?;
    let socket = Arc::new(watch(socket, Interest::READABLE)?);
    let outgoing = Outgoing {
        socket: Arc::clone(&socket),
        unsent: Mutex::default(),
        taken: Notify::new(),
        runtime: Handle::current(),
    };
    Ok((Incoming { socket, received: Vec::new() }, Arc::new(outgoing)))
}

/// What comes.
pub(crate) struct Incoming {
    socket: Arc<AsyncFd<UnixStream>>,
    /// From the beginning of a frame; without memory while nothing comes.
    received: Vec<u8>,
}

/// One message that came.
pub(crate) struct Message {
    /// INVARIANT: one whole frame.
    frame: Vec<u8>,
}

impl Incoming {
    /// Waits for the next message; none at the end. Whoever stops waiting loses nothing.
    ///
    /// # Errors
    /// The system's, and [`ErrorKind::InvalidData`] for what is no frame.
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
            // What is held grows with what has come, not with what was announced.
            self.received.reserve(missing.min(self.received.len()).max(AT_ONCE));
            let space = self.received.capacity().saturating_sub(self.received.len());
            match rustix::io::read(ready.get_inner(), spare_capacity(&mut self.received)) {
                Ok(0) if self.received.is_empty() => return Ok(None),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                // There was no more (epoll(7), question 9), and nobody has to ask.
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
    pub(crate) fn octets(&self) -> &[u8] {
        self.frame.get(HEAD..).unwrap_or_default()
    }
}

/// A message as it is sent: what was written for it, and a text after that, which stays where it is.
pub(crate) struct Frame<'a> {
    head: [u8; HEAD],
    written: Zeroizing<Vec<u8>>,
    text: &'a str,
}

impl<'a> Frame<'a> {
    /// None of a message that is longer than any may be.
    pub(crate) fn new(written: Zeroizing<Vec<u8>>, text: &'a str) -> Option<Self> {
        let head = frame_head(written.len().saturating_add(text.len()))?;
        Some(Self { head, written, text })
    }

    fn parts(&self) -> [&[u8]; 3] {
        [&self.head, &self.written, self.text.as_bytes()]
    }

    /// As it comes.
    pub(crate) fn received(&self) -> Message {
        Message { frame: self.parts().concat() }
    }
}

/// What goes.
pub(crate) struct Outgoing {
    socket: Arc<AsyncFd<UnixStream>>,
    unsent: Mutex<Unsent>,
    /// Somebody may have room.
    taken: Notify,
    runtime: Handle,
}

/// What the socket has not taken.
#[derive(Default)]
struct Unsent {
    /// INVARIANT: while there are any, a task sends them.
    octets: VecDeque<u8>,
    /// Nothing goes any more.
    is_over: bool,
}

impl Outgoing {
    /// Sends messages, all in one piece. If that cannot be done the socket is of no further use, which whoever reads
    /// from it notices.
    pub(crate) fn say(self: &Arc<Self>, frames: &[Option<Frame<'_>>]) {
        let Some(parts) = parts(frames) else { return self.close() };
        let mut parts: Vec<IoSlice<'_>> = parts.into_iter().map(IoSlice::new).collect();
        let mut parts = parts.as_mut_slice();
        let mut unsent = self.unsent();
        while !parts.is_empty() && unsent.octets.is_empty() && !unsent.is_over {
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
        if parts.is_empty() || unsent.is_over {
            return;
        }
        if unsent.octets.is_empty() {
            self.runtime.spawn(Arc::clone(self).send_rest());
        }
        for part in parts.iter() {
            unsent.octets.extend(&**part);
        }
    }

    /// Waits until the other end has taken so much that more may be said.
    pub(crate) async fn room(&self) {
        loop {
            let taken = self.taken.notified();
            if self.unsent().octets.len() < MOST_UNSENT {
                return;
            }
            taken.await;
        }
    }

    async fn send_rest(self: Arc<Self>) {
        if let Err(error) = self.try_send_rest().await {
            tracing::debug!(%error, "The other end is gone");
            self.close();
        }
    }

    async fn try_send_rest(&self) -> io::Result<()> {
        // A descriptor of its own, for this is about writing alone.
        let socket = watch(self.socket.get_ref().try_clone()?, Interest::WRITABLE)?;
        loop {
            let mut ready = socket.writable().await?;
            let mut unsent = self.unsent();
            let (front, back) = unsent.octets.as_slices();
            match self.socket.get_ref().write_vectored(&[IoSlice::new(front), IoSlice::new(back)]) {
                Ok(count) => _ = unsent.octets.drain(..count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.taken.notify_waiters();
            if unsent.octets.is_empty() {
                unsent.octets = VecDeque::new();
                return Ok(());
            }
        }
    }

    fn close(&self) {
        *self.unsent() = Unsent { octets: VecDeque::new(), is_over: true };
        self.taken.notify_waiters();
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
    }

    fn unsent(&self) -> MutexGuard<'_, Unsent> {
        // It is whole at any moment.
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// None if a message among them cannot be sent.
fn parts<'a>(frames: &'a [Option<Frame<'_>>]) -> Option<Vec<&'a [u8]>> {
    frames
        .iter()
        .map(|frame| frame.as_ref().map(Frame::parts))
        .collect::<Option<Vec<_>>>()
        .map(|all| all.concat())
}

/// The octets before a message.
const HEAD: usize = 8;
/// How much is asked of the system at a time, more than most messages have.
const AT_ONCE: usize = 8_192;
/// How much may wait for the other end before whoever has more to say waits as well.
const MOST_UNSENT: usize = 1 << 20;

const _: () = assert!(MOST_UNSENT < MAX_MESSAGE_LENGTH);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read as _;
    use std::time::Duration;

    use super::*;

    fn frame(octets: &[u8], text: &'static str) -> Frame<'static> {
        Frame::new(Zeroizing::new(octets.to_vec()), text).unwrap()
    }

    /// Both ends of a socket of which one is ours.
    fn pair() -> (Incoming, Arc<Outgoing>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let (incoming, outgoing) = open(ours).unwrap();
        (incoming, outgoing, theirs)
    }

    #[tokio::test]
    async fn a_message_comes_whole_whatever_pieces_it_comes_in_and_whoever_stops_waiting() {
        let (mut incoming, _outgoing, mut theirs) = pair();
        let all = [frame(b"one", "").received().frame, frame(b"", "").received().frame].concat();
        let rest = frame(&[7; 3 * AT_ONCE], "three").received().frame;
        let mut come = Vec::new();
        for octet in all.iter().chain(&rest) {
            theirs.write_all(&[*octet]).unwrap();
            // Given up as soon as it has taken what there is.
            tokio::select! {
                biased;
                message = incoming.next() => come.push(message.unwrap().unwrap().octets().to_vec()),
                () = tokio::task::yield_now() => {}
            }
        }
        theirs.shutdown(Shutdown::Write).unwrap();
        while let Some(message) = incoming.next().await.unwrap() {
            come.push(message.octets().to_vec());
        }
        assert_eq!(come, [b"one".to_vec(), Vec::new(), [&[7; 3 * AT_ONCE][..], b"three"].concat()]);
    }

    #[tokio::test]
    async fn what_is_no_frame_or_only_half_of_one_is_an_error() {
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
    async fn an_announced_length_takes_no_memory_before_it_comes() {
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
        assert!(incoming.received.capacity() <= 4 * AT_ONCE, "{}", incoming.received.capacity());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_the_other_end_does_not_read_waits_in_its_order_and_so_does_whoever_has_more_to_say() {
        const PART: usize = 100_000;
        let (_incoming, outgoing, mut theirs) = pair();
        let mut count: usize = 0;
        while outgoing.unsent().octets.len() < MOST_UNSENT {
            outgoing.room().await;
            outgoing.say(&[Some(frame(&[u8::try_from(count % 251).unwrap(); PART], ""))]);
            count += 1;
            assert!(count < 1_000, "the socket takes everything");
        }
        let waiting = outgoing.room();
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
        outgoing.say(&[Some(frame(b"and more", ""))]);
        let mut last = [0; HEAD + 8];
        theirs.read_exact(&mut last).unwrap();
        assert_eq!(last.last_chunk(), Some(b"and more"));
        assert_eq!(outgoing.unsent().octets.capacity(), 0, "nothing is kept for later");
    }

    #[tokio::test]
    async fn whoever_waits_for_room_goes_on_when_the_other_end_is_gone() {
        let (mut incoming, outgoing, theirs) = pair();
        while outgoing.unsent().octets.len() < MOST_UNSENT {
            outgoing.say(&[Some(frame(&[0; 100_000], ""))]);
        }
        drop(theirs);
        outgoing.room().await;
        assert!(!matches!(incoming.next().await, Ok(Some(_))));
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_ends_it_for_both() {
        assert!(Frame::new(Zeroizing::new(vec![0; MAX_MESSAGE_LENGTH]), "x").is_none());
        let (mut incoming, outgoing, mut theirs) = pair();
        outgoing.say(&[Some(frame(b"one", "")), None]);
        assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
        assert!(incoming.next().await.unwrap().is_none());
    }
}
