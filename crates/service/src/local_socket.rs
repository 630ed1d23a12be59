//! The way in for programs of this machine: HTTP over a Unix socket, whose other end the kernel names.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::{Identity, LocalUsers};
use tokio::net::{UnixListener, UnixStream};

use crate::access::Caller;
use crate::authentication::Authentication;
use crate::connection::{self, Peer};
use crate::listener::{Door, Transport};
use crate::service::Service;

/// A Unix socket that is listened on.
///
/// A connection belongs to the user who opened it (unix(7), `SO_PEERCRED`): a header `Authorization` is not
/// needed, and not looked at.
pub struct LocalSocket {
    socket: UnixListener,
    /// With device and inode, so that only the own socket is removed at the end; none if it was handed over.
    path: Option<(PathBuf, (u64, u64))>,
}

/// Who may connect to a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every user of the machine; what each may do is decided as for everybody else.
    Everyone,
    /// Only the user of this process, and root.
    Owner,
}

/// Why there is no Unix socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalSocketError {
    /// Another service is there.
    #[error("{} is in use: another telarchd runs with the same state", .0.display())]
    InUse(PathBuf),
    /// Something else is there.
    #[error("{} is in the way: it is not a socket", .0.display())]
    InTheWay(PathBuf),
    /// The system refuses.
    #[error("cannot listen on {}: {source}", path.display())]
    Bind {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl LocalSocket {
    /// Binds a path; a socket that an earlier run left there is replaced.
    ///
    /// # Errors
    /// [`LocalSocketError`].
    pub fn bind(path: &Path, audience: Audience) -> Result<Self, LocalSocketError> {
        let failed = |source| LocalSocketError::Bind { path: path.to_owned(), source };
        clear(path)?;
        // Clients find it only once its permissions are those of the audience.
        let beside = path.with_extension("new");
        remove(&beside).map_err(failed)?;
        let bound = || {
            let socket = UnixListener::bind(&beside)?;
            let mode = match audience {
                Audience::Everyone => 0o666,
                Audience::Owner => 0o600,
            };
            fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
            let metadata = fs::symlink_metadata(&beside)?;
            fs::rename(&beside, path)?;
            Ok((socket, (metadata.dev(), metadata.ino())))
        };
        match bound() {
            Ok((socket, id)) => Ok(Self { socket, path: Some((path.to_owned(), id)) }),
            Err(error) => {
                let _ = remove(&beside);
                Err(failed(error))
            }
        }
    }

    /// Takes a socket that a service manager has bound.
    ///
    /// # Errors
    /// The system's, if the socket cannot be used.
    pub fn inherited(socket: std::os::unix::net::UnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixListener::from_std(socket)?, path: None })
    }

    /// Takes connections until the service ends, then removes the socket.
    pub async fn run(self, service: Arc<Service>, users: Arc<dyn LocalUsers>) {
        loop {
            let accepted = tokio::select! {
                () = service.shutdown.begun() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => take(stream, &service, users.as_ref()),
                Err(error) => {
                    tracing::error!(%error, "Cannot accept local connections");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        let Some((path, id)) = &self.path else { return };
        let is_own = fs::symlink_metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == *id);
        if is_own && let Err(error) = fs::remove_file(path) {
            tracing::debug!(%error, path = %path.display(), "The local socket stays");
        }
    }
}

fn take(stream: UnixStream, service: &Arc<Service>, users: &dyn LocalUsers) {
    /// Peers of this socket are on this machine.
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Some(place) = service.crowd.admit() else {
        tracing::warn!("Local connection refused: too many are open, and all of them have signed in");
        return;
    };
    let uid = match stream.peer_cred() {
        Ok(credentials) => credentials.uid(),
        Err(error) => {
            tracing::warn!(%error, "The kernel does not say who connects to the local socket");
            return;
        }
    };
    let caller =
        Identity::by_peer_credentials(uid, users).map_err(|error| error.to_string()).and_then(|identity| {
            let token = service.principals.token_of(&identity);
            let token = token.ok_or_else(|| "the account has no identity on this machine".to_owned())?;
            Ok(Arc::new(Caller::new(identity, token, HERE)))
        });
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => {
            tracing::warn!(uid, error, "Local connection refused");
            return;
        }
    };
    let peer = Peer { address: SocketAddr::new(HERE, 0), transport: Transport::Local, door: Door::local() };
    let service = Arc::clone(service);
    tokio::spawn(async move {
        connection::serve_as(stream, peer, Authentication::local(caller), &place, &service).await;
    });
}

/// Removes a socket that nobody listens on any more.
fn clear(path: &Path) -> Result<(), LocalSocketError> {
    let failed = |source| LocalSocketError::Bind { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(LocalSocketError::InTheWay(path.to_owned()));
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(LocalSocketError::InUse(path.to_owned())),
        Err(_) => Ok(()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_mode_is_that_of_the_audience_and_the_end_removes_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local.sock");
        for (audience, mode) in [(Audience::Everyone, 0o666), (Audience::Owner, 0o600)] {
            let socket = LocalSocket::bind(&path, audience).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
            drop(socket);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn a_socket_that_is_left_over_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "dropping a socket leaves its file");
        let socket = LocalSocket::bind(&path, Audience::Owner).unwrap();
        let second = LocalSocket::bind(&path, Audience::Owner);
        assert!(matches!(second.err(), Some(LocalSocketError::InUse(_))));
        drop(socket);
        fs::write(&path, "").unwrap();
        assert!(matches!(
            LocalSocket::bind(&path, Audience::Owner).err(),
            Some(LocalSocketError::InTheWay(_))
        ));
    }
}
