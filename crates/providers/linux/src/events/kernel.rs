//! Sockets of the kernel, watched by the runtime.

use std::io;
use std::os::fd::OwnedFd;

use linux::network::multicast::{Groups, Notification};
use linux::process::connector::{self, ProcessEvent, ThreadEvent};
use readiness::watch;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Process events of the kernel.
pub(super) struct Connector(AsyncFd<OwnedFd>);

impl Connector {
    /// Starts to listen.
    ///
    /// # Errors
    /// As for [`connector::open`].
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(watch(connector::open()?, Interest::READABLE)?))
    }

    /// Waits for the next event. Cancel-safe.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub(super) async fn next(&mut self) -> io::Result<ProcessEvent> {
        next(&self.0, connector::receive).await
    }

    /// Waits for the next event of a thread. Cancel-safe.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub(super) async fn next_thread(&mut self) -> io::Result<ThreadEvent> {
        next(&self.0, connector::receive_thread).await
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        connector::ignore(self.0.get_ref());
    }
}

/// Messages of multicast groups.
pub(super) struct Multicast {
    socket: AsyncFd<OwnedFd>,
    groups: Groups,
}

impl Multicast {
    /// Starts to listen.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub(super) fn open(groups: Groups) -> io::Result<Self> {
        Ok(Self { socket: watch(groups.open()?, Interest::READABLE)?, groups })
    }

    /// Waits for the next message. Cancel-safe.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub(super) async fn next(&mut self) -> io::Result<Notification> {
        next(&self.socket, |socket| self.groups.receive(socket)).await
    }
}

/// Waits until `receive` returns a value.
async fn next<T>(
    socket: &AsyncFd<OwnedFd>,
    receive: impl Fn(&OwnedFd) -> io::Result<Option<T>>,
) -> io::Result<T> {
    loop {
        let mut readable = socket.readable().await?;
        match receive(readable.get_inner()) {
            Ok(Some(received)) => return Ok(received),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => readable.clear_ready(),
            Err(error) => return Err(error),
        }
    }
}
