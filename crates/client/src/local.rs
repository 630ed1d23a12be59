//! The service of this machine, over its Unix socket.
//!
//! Nobody signs in there: the kernel tells the service who has connected (unix(7), `SO_PEERCRED`), and tells the
//! client whose service it is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::error::Error;

/// Unix sockets to look for a service at, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalSockets(Vec<PathBuf>);

/// A Unix socket that nobody could be reached at.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreached {
    /// Where the socket should be.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl LocalSockets {
    pub(crate) fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self(paths.into_iter().map(Into::into).collect())
    }

    /// Connects to the first that somebody listens on; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::NoLocalService`], or [`Error::ForeignSocket`] if the one who listens could be anybody.
    pub(crate) async fn connect(&self) -> Result<(UnixStream, &Path), Error> {
        let mut tried = Vec::new();
        for path in &self.0 {
            match connect(path).await {
                Ok(stream) => return Ok((trusted(stream, path)?, path)),
                Err(source) => tried.push(Unreached { path: path.clone(), source }),
            }
        }
        Err(Error::NoLocalService { tried })
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.source.kind() {
            io::ErrorKind::NotFound => write!(f, "{path} is not there"),
            io::ErrorKind::ConnectionRefused => write!(f, "{path} is there, but nobody listens"),
            io::ErrorKind::PermissionDenied => write!(f, "{path} is not for this user"),
            _ => write!(f, "{path}: {}", self.source),
        }
    }
}

/// Connects; where others are waiting to be let in, it waits with them, for as long as its caller does.
async fn connect(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            // A queue that is full is no event that could be waited for (connect(2), `EAGAIN`).
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(BETWEEN_ATTEMPTS).await,
            connected => return connected,
        }
    }
}

const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// The connection, unless its other end belongs to a user who may not hear what this one says.
fn trusted(stream: UnixStream, path: &Path) -> Result<UnixStream, Error> {
    let failed = |source| Error::Connect { address: path.display().to_string(), source };
    let owner = stream.peer_cred().map_err(failed)?.uid();
    let user = rustix::process::geteuid().as_raw();
    if owner == user || owner == ROOT {
        Ok(stream)
    } else {
        Err(Error::ForeignSocket { path: path.to_owned(), owner, user })
    }
}

const ROOT: u32 = 0;
