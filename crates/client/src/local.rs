//! Connection to the service of this machine over its Unix socket.
//!
//! No authentication takes place: the kernel reports the user of each end to the other one (unix(7), `SO_PEERCRED`).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::error::Error;

/// Unix sockets to try, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalSockets(Vec<PathBuf>);

/// Unix socket on which no service accepts connections.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnreachableSocket {
    /// Path of the socket.
    pub path: PathBuf,
    /// Error of the operating system.
    pub source: io::Error,
}

impl LocalSockets {
    pub(crate) fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self(paths.into_iter().map(Into::into).collect())
    }

    /// Connects to the first socket that accepts a connection; sends nothing.
    ///
    /// # Errors
    /// [`Error::NoLocalService`] if none accepts; [`Error::ForeignSocket`] if the listener is neither root nor this user.
    pub(crate) async fn connect(&self) -> Result<(UnixStream, &Path), Error> {
        let mut tried = Vec::new();
        for path in &self.0 {
            match connect(path).await {
                Ok(stream) => return Ok((verify_owner(stream, path)?, path)),
                Err(source) => tried.push(UnreachableSocket { path: path.clone(), source }),
            }
        }
        Err(Error::NoLocalService { tried })
    }
}

impl fmt::Display for UnreachableSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.source.kind() {
            io::ErrorKind::NotFound => write!(f, "{path} does not exist"),
            io::ErrorKind::ConnectionRefused => write!(f, "{path} refuses connections"),
            io::ErrorKind::PermissionDenied => write!(f, "no permission to open {path}"),
            _ => write!(f, "{path}: {}", self.source),
        }
    }
}

/// Connects; retries as long as the listen queue is full.
async fn connect(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            // No readiness event reports that the queue has room again (connect(2), `EAGAIN`).
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(BETWEEN_ATTEMPTS).await,
            connected => return connected,
        }
    }
}

const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// Returns the connection if the other end runs as root or as this user.
fn verify_owner(stream: UnixStream, path: &Path) -> Result<UnixStream, Error> {
    let credentials = stream.peer_cred();
    let owner =
        credentials.map_err(|source| Error::Connect { address: path.display().to_string(), source })?.uid();
    let user = rustix::process::geteuid().as_raw();
    if owner == user || owner == ROOT {
        Ok(stream)
    } else {
        Err(Error::ForeignSocket { path: path.to_owned(), owner, user })
    }
}

const ROOT: u32 = 0;
