//! Routes: the paths that a connection may request, which depend on the listeners of its socket.

use std::net::IpAddr;
use std::sync::Arc;

use config::UrlPrefix;
use tokio::sync::watch;

use crate::endpoint::{Endpoint, Transport};

/// The endpoint of a connection.
///
/// It changes with the configuration of the listeners: a URL prefix that is configured later also applies to open
/// connections. The route is closed when the last listener for the local address of the connection is removed.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// A network socket.
    Network { endpoint: watch::Receiver<Arc<Endpoint>>, local: IpAddr, transport: Transport },
    /// The Unix socket of this machine, which does not depend on listeners.
    Local(UrlPrefix),
}

impl Route {
    /// Returns the route of the Unix socket, which has the default URL prefix.
    pub(crate) fn local() -> Self {
        Self::Local(UrlPrefix::default())
    }

    /// Returns whether a path is the URL prefix of a listener, with or without a slash at its end.
    pub(crate) fn has_path(&self, path: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path);
        let Some(path) = path.strip_prefix('/') else { return false };
        match self {
            Self::Local(prefix) => prefix.as_str() == path,
            Self::Network { endpoint, local, .. } => {
                endpoint.borrow().prefixes(*local).any(|prefix| prefix.as_str() == path)
            }
        }
    }

    /// Splits a path below the URL prefix of a listener into the prefix, with a slash before it, and the rest, which
    /// begins with a slash.
    pub(crate) fn split<'p>(&self, path: &'p str) -> Option<(&'p str, &'p str)> {
        let at = |prefix: &UrlPrefix| {
            let rest = path.strip_prefix('/')?.strip_prefix(prefix.as_str())?;
            rest.starts_with('/').then(|| path.split_at_checked(path.len() - rest.len()))?
        };
        match self {
            Self::Local(prefix) => at(prefix),
            Self::Network { endpoint, local, .. } => endpoint.borrow().prefixes(*local).find_map(at),
        }
    }

    /// Returns whether no listener is left. The connection closes after the request in progress.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Local(_) => false,
            Self::Network { endpoint, local, transport } => {
                endpoint.has_changed().is_err() || !endpoint.borrow().serves(*local, *transport)
            }
        }
    }

    /// Waits until no listener is left.
    pub(crate) async fn closed(self) {
        let Self::Network { mut endpoint, local, transport } = self else {
            return std::future::pending().await;
        };
        // An error means that the socket was closed.
        let _ = endpoint.wait_for(|endpoint| !endpoint.serves(local, transport)).await;
    }
}
