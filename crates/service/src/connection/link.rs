//! Byte streams below HTTP.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// Bidirectional byte stream.
pub(crate) trait Link: AsyncRead + AsyncWrite + Unpin + Send {
    /// Returns the underlying socket; `None` if the peer is in this process.
    fn socket(&self) -> Option<BorrowedFd<'_>>;
}

impl Link for TcpStream {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Link for TlsStream<TcpStream> {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.get_ref().0.as_fd())
    }
}

impl Link for UnixStream {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Link for DuplexStream {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Waits for bytes and appends them to `received`. No memory is allocated before they arrive.
///
/// Dropping the future loses no bytes.
pub(super) async fn receive(io: &mut impl Link, received: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|context| {
        let mut piece = [const { MaybeUninit::uninit() }; READ_SIZE];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut *io).poll_read(context, &mut piece))?;
        received.extend_from_slice(piece.filled());
        Poll::Ready(Ok(piece.filled().len()))
    })
    .await
}

/// Size of one read in bytes. Most requests fit.
const READ_SIZE: usize = 4 * 1_024;
