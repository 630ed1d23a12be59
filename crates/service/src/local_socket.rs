//! The way in for programs of this machine: HTTP over a Unix socket, whose other end the kernel names.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use auth::{Identity, LocalUsers};
use limits::{Capacity, KeyedLimit, Permit, Reports};
use tokio::net::{UnixListener, UnixStream};

use crate::access::Caller;
use crate::authentication::Authentication;
use crate::connection::{self, Peer};
use crate::connection_table::{REPORTS, Source, due};
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

    /// Takes one connection, for a process that hands it on; see [`HandedOver`].
    ///
    /// # Errors
    /// The system's.
    pub async fn accept(&self) -> io::Result<std::os::unix::net::UnixStream> {
        let (stream, _) = self.socket.accept().await?;
        stream.into_std()
    }

    /// Takes connections until the service ends, then removes the socket.
    pub async fn run(self, service: Arc<Service>, users: Arc<dyn LocalUsers>) {
        let limit = Arc::new(UserLimit::new());
        loop {
            let accepted = tokio::select! {
                () = service.shutdown.begun() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => take(stream, &service, &users, &limit),
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

/// Serves local connections that another process has accepted, and asked the kernel whose they are.
pub struct HandedOver {
    service: Arc<Service>,
    limit: Arc<UserLimit>,
}

impl HandedOver {
    /// For a service.
    #[must_use]
    pub fn to(service: &Arc<Service>) -> Self {
        Self { service: Arc::clone(service), limit: Arc::new(UserLimit::new()) }
    }

    /// Serves one of them; `uid` is what the kernel said to that process, and `users` what it says of it. `held` is
    /// dropped when the connection has ended, so that the process that accepted it can count it.
    ///
    /// # Errors
    /// The system's, if the socket cannot be used.
    pub fn serve(
        &self,
        socket: std::os::unix::net::UnixStream,
        uid: u32,
        users: Arc<dyn LocalUsers>,
        held: impl Send + 'static,
    ) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let stream = UnixStream::from_std(socket)?;
        take_of(stream, uid, &self.service, &users, &self.limit, held);
        Ok(())
    }
}

fn take(stream: UnixStream, service: &Arc<Service>, users: &Arc<dyn LocalUsers>, limit: &UserLimit) {
    let uid = match stream.peer_cred() {
        Ok(credentials) => credentials.uid(),
        Err(error) => {
            tracing::warn!(%error, "The kernel does not say who connects to the local socket");
            return;
        }
    };
    take_of(stream, uid, service, users, limit, ());
}

fn take_of(
    stream: UnixStream,
    uid: u32,
    service: &Arc<Service>,
    users: &Arc<dyn LocalUsers>,
    limit: &UserLimit,
    held: impl Send + 'static,
) {
    let Some(permit) = limit.admit(uid) else { return };
    let Ok(slot) = service.connections.admit(Source::of_local_user(uid), &service.config()) else { return };
    let (service, users) = (Arc::clone(service), Arc::clone(users));
    tokio::spawn(async move {
        let serving = async {
            let Some(caller) = identify(uid, &service, users).await else { return };
            let address = SocketAddr::new(HERE, 0);
            let peer = Peer {
                address,
                transport: Transport::Local,
                door: Door::local(),
                channel: None,
                certificate: None,
            };
            connection::serve_as(stream, peer, Authentication::local(caller, &service), &slot, &service)
                .await;
        };
        tokio::select! {
            () = serving => {}
            () = slot.displaced() => tracing::debug!(uid, "Local connection closed in favour of a new one"),
        }
        drop(permit);
        drop(held);
    });
}

/// Peers of this socket are on this machine.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Who a user is to the service; the lists of users are read for it.
async fn identify(uid: u32, service: &Arc<Service>, users: Arc<dyn LocalUsers>) -> Option<Arc<Caller>> {
    let principals = Arc::clone(&service.principals);
    let identify = move || {
        let identity =
            Identity::by_peer_credentials(uid, users.as_ref()).map_err(|error| error.to_string())?;
        let token = principals.token_of(&identity);
        let token = token.ok_or_else(|| "the account has no identity on this machine".to_owned())?;
        let proof = principals.proof_of(&identity);
        Ok::<_, String>(Arc::new(Caller::new(identity, token, HERE).with_proof(proof)))
    };
    let caller = tokio::task::spawn_blocking(identify).await.unwrap_or_else(|error| Err(error.to_string()));
    caller.inspect_err(|error| tracing::warn!(uid, error, "Local connection refused")).ok()
}

/// Limit of connections to the local socket for each user.
struct UserLimit {
    connections: KeyedLimit<u32>,
    refusals: Mutex<Reports>,
}

impl UserLimit {
    /// Programs that send one request after the other need fewer. The total is bounded by `Connections/MaxOpen`.
    const CAPACITY: Capacity = Capacity { total: usize::MAX, per_key: 64 };

    fn new() -> Self {
        Self { connections: KeyedLimit::new(), refusals: Mutex::new(Reports::every(REPORTS)) }
    }

    fn admit(&self, uid: u32) -> Option<Permit<u32>> {
        let permit = self.connections.acquire(uid, Self::CAPACITY);
        let refused = |refusal: &limits::Refusal| {
            if let Some(count) = due(&self.refusals) {
                tracing::warn!(count, uid, reason = %refusal, "Local connections refused");
            }
        };
        permit.inspect_err(refused).ok()
    }
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

    #[test]
    fn a_user_has_a_share_of_the_connections_and_gets_it_back() {
        let limit = UserLimit::new();
        let permits: Vec<_> = std::iter::from_fn(|| limit.admit(7)).collect();
        assert_eq!(permits.len(), 64);
        assert!(limit.admit(8).is_some());
        drop(permits);
        assert!(limit.admit(7).is_some());
        assert_eq!(limit.connections.total(), 0);
    }
}
