//! The local socket: HTTP over a Unix socket, whose peers the kernel identifies.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::{Identity, LocalUsers};
use limits::{Capacity, FoldedWarnings, KeyedLimit, Permit, Refusal};
use locks::Mutex;
use tokio::net::{UnixListener, UnixStream};

use crate::authentication::Authentication;
use crate::caller::Caller;
use crate::connection::{self, Peer};
use crate::connection_table::{REPORTS, Source, due};
use crate::endpoint::Transport;
use crate::route::Route;
use crate::service::Service;

/// A listening Unix socket.
///
/// A connection is authenticated as the user who opened it (unix(7), `SO_PEERCRED`). An `Authorization` header is not
/// needed and is ignored.
pub struct LocalSocket {
    socket: UnixListener,
    /// Path, with device and inode so that only this socket is removed at the end. `None` if the socket was inherited.
    path: Option<(PathBuf, (u64, u64))>,
}

/// Users who may connect to a local socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketAccess {
    /// All users of the machine. The access check applies to each as to any other caller.
    Everyone,
    /// The user of this process, and root.
    Owner,
}

/// Failure to bind the local socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalSocketError {
    /// Another service listens on the path.
    #[error("{} is in use: another telarchd runs with the same state directory", .0.display())]
    InUse(PathBuf),
    /// The path is not a socket.
    #[error("cannot create the local socket: {} exists and is not a socket", .0.display())]
    InTheWay(PathBuf),
    /// A system call failed.
    #[error("cannot listen on {}: {source}", path.display())]
    Bind {
        /// Path of the socket.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
}

impl LocalSocket {
    /// Binds a path. A socket left over from an earlier run is replaced.
    ///
    /// # Errors
    /// [`LocalSocketError`].
    pub fn bind(path: &Path, access: SocketAccess) -> Result<Self, LocalSocketError> {
        check_free(path)?;
        // Bound under a temporary name, so that the path appears only with its final permissions.
        let temporary = path.with_extension("new");
        match bind_with_access(path, &temporary, access) {
            Ok((socket, id)) => Ok(Self { socket, path: Some((path.to_owned(), id)) }),
            Err(source) => {
                let _ = remove(&temporary);
                Err(LocalSocketError::Bind { path: path.to_owned(), source })
            }
        }
    }

    /// Takes a socket that the service manager has bound.
    ///
    /// # Errors
    /// The error of the system call, if the socket cannot be used.
    pub fn inherited(socket: std::os::unix::net::UnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixListener::from_std(socket)?, path: None })
    }

    /// Accepts one connection, for a process that forwards it to another one; see [`ForwardedConnections`].
    ///
    /// # Errors
    /// The error of the system call.
    pub async fn accept(&self) -> io::Result<std::os::unix::net::UnixStream> {
        let (stream, _) = self.socket.accept().await?;
        stream.into_std()
    }

    /// Accepts connections until the service ends, then removes the socket.
    pub async fn run(self, service: Arc<Service>, users: Arc<dyn LocalUsers>) {
        let limit = Arc::new(UserLimit::new());
        loop {
            let accepted = tokio::select! {
                () = service.shutdown.begun() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => serve_peer(stream, &service, &users, &limit),
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
            tracing::debug!(%error, path = %path.display(), "Cannot remove the local socket");
        }
    }
}

/// Serves local connections that another process has accepted and whose user it has determined.
pub struct ForwardedConnections {
    service: Arc<Service>,
    limit: Arc<UserLimit>,
}

impl ForwardedConnections {
    /// Creates the server of forwarded connections.
    #[must_use]
    pub fn new(service: &Arc<Service>) -> Self {
        Self { service: Arc::clone(service), limit: Arc::new(UserLimit::new()) }
    }

    /// Serves a connection of the user `uid`. `users` looks the user up.
    ///
    /// `guard` is dropped when the connection has ended, so that the process that accepted it can count it.
    ///
    /// # Errors
    /// The error of the system call, if the socket cannot be used.
    pub fn serve(
        &self,
        socket: std::os::unix::net::UnixStream,
        uid: u32,
        users: Arc<dyn LocalUsers>,
        guard: impl Send + 'static,
    ) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let stream = UnixStream::from_std(socket)?;
        serve_user(stream, uid, &self.service, &users, &self.limit, guard);
        Ok(())
    }
}

fn serve_peer(stream: UnixStream, service: &Arc<Service>, users: &Arc<dyn LocalUsers>, limit: &UserLimit) {
    let uid = match stream.peer_cred() {
        Ok(credentials) => credentials.uid(),
        Err(error) => {
            tracing::warn!(%error, "Cannot determine the peer of a local connection");
            return;
        }
    };
    serve_user(stream, uid, service, users, limit, ());
}

fn serve_user(
    stream: UnixStream,
    uid: u32,
    service: &Arc<Service>,
    users: &Arc<dyn LocalUsers>,
    limit: &UserLimit,
    guard: impl Send + 'static,
) {
    let Some(permit) = limit.admit(uid) else { return };
    let Ok(slot) = service.connections.admit(Source::of_local_user(uid), &service.config()) else { return };
    let (service, users) = (Arc::clone(service), Arc::clone(users));
    tokio::spawn(async move {
        let serving = async {
            let Some(caller) = identify(uid, &service, users).await else { return };
            let address = SocketAddr::new(LOCALHOST, 0);
            let peer = Peer {
                address,
                transport: Transport::Local,
                route: Route::local(),
                channel: None,
                certificate: None,
            };
            let authentication = Authentication::local(caller, &service.sign_in);
            connection::serve_as(stream, peer, authentication, &slot, &service).await;
        };
        tokio::select! {
            () = serving => {}
            () = slot.displaced() => tracing::debug!(uid, "Local connection closed in favour of a new one"),
        }
        drop(permit);
        drop(guard);
    });
}

/// Address of the peers of a local socket.
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Returns the caller for a user, who is looked up in the user database.
async fn identify(uid: u32, service: &Arc<Service>, users: Arc<dyn LocalUsers>) -> Option<Arc<Caller>> {
    let principals = Arc::clone(&service.sign_in.principals);
    let caller = tokio::task::spawn_blocking(move || {
        let identity =
            Identity::by_peer_credentials(uid, users.as_ref()).map_err(|error| error.to_string())?;
        let token = principals.token_of(&identity);
        let token = token.ok_or_else(|| "the account does not exist on this machine".to_owned())?;
        let session = principals.session_handle(&identity);
        Ok::<_, String>(Arc::new(Caller::new(identity, token, LOCALHOST).with_session(session)))
    });
    let caller = caller.await.unwrap_or_else(|error| Err(error.to_string()));
    caller.inspect_err(|error| tracing::warn!(uid, error, "Local connection refused")).ok()
}

/// Limit of connections to the local socket per user.
struct UserLimit {
    connections: KeyedLimit<u32>,
    refusals: Mutex<FoldedWarnings<()>>,
}

impl UserLimit {
    /// Capacity per user. Programs that send one request after the other need one connection. The total is limited by
    /// `Connections/MaxOpen`.
    const CAPACITY: Capacity = Capacity { total: usize::MAX, per_key: 64 };

    fn new() -> Self {
        Self { connections: KeyedLimit::new(), refusals: Mutex::new(FoldedWarnings::new(REPORTS, 1)) }
    }

    fn admit(&self, uid: u32) -> Option<Permit<u32>> {
        let permit = self.connections.acquire(uid, Self::CAPACITY);
        permit.inspect_err(|refusal| self.log_refusal(uid, refusal)).ok()
    }

    fn log_refusal(&self, uid: u32, refusal: &Refusal) {
        if let Some(count) = due(&self.refusals) {
            tracing::warn!(count, uid, reason = %refusal, "Local connections refused");
        }
    }
}

fn bind_with_access(
    path: &Path,
    temporary: &Path,
    access: SocketAccess,
) -> io::Result<(UnixListener, (u64, u64))> {
    remove(temporary)?;
    let socket = UnixListener::bind(temporary)?;
    let mode = match access {
        SocketAccess::Everyone => 0o666,
        SocketAccess::Owner => 0o600,
    };
    fs::set_permissions(temporary, fs::Permissions::from_mode(mode))?;
    let metadata = fs::symlink_metadata(temporary)?;
    fs::rename(temporary, path)?;
    Ok((socket, (metadata.dev(), metadata.ino())))
}

/// Checks that a path does not exist or is a socket on which no process listens.
fn check_free(path: &Path) -> Result<(), LocalSocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(LocalSocketError::Bind { path: path.to_owned(), source }),
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
mod tests {
    use super::*;

    #[tokio::test]
    async fn permissions_follow_the_access_and_drop_removes_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local.sock");
        for (access, mode) in [(SocketAccess::Everyone, 0o666), (SocketAccess::Owner, 0o600)] {
            let socket = LocalSocket::bind(&path, access).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
            drop(socket);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn a_leftover_socket_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "dropping a socket leaves its file");
        let socket = LocalSocket::bind(&path, SocketAccess::Owner).unwrap();
        let second = LocalSocket::bind(&path, SocketAccess::Owner);
        assert!(matches!(second.err(), Some(LocalSocketError::InUse(_))));
        drop(socket);
        fs::write(&path, "").unwrap();
        assert!(matches!(
            LocalSocket::bind(&path, SocketAccess::Owner).err(),
            Some(LocalSocketError::InTheWay(_))
        ));
    }

    #[test]
    fn each_user_has_its_own_limit_of_connections() {
        let limit = UserLimit::new();
        let permits: Vec<_> = std::iter::from_fn(|| limit.admit(7)).collect();
        assert_eq!(permits.len(), 64);
        assert!(limit.admit(8).is_some());
        drop(permits);
        assert!(limit.admit(7).is_some());
        assert_eq!(limit.connections.total(), 0);
    }
}
