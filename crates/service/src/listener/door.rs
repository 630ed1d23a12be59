//! What a connection may ask for, which depends on the listeners of the address it came in by.

use std::net::IpAddr;
use std::sync::Arc;

use config::UrlPrefix;
use tokio::sync::watch;

use super::Transport;
use super::site::Site;

/// The way in that a connection took.
///
/// It changes with the listeners: a prefix that is configured later holds for connections that are open, and
/// when the last listener behind the address is gone, so is the door.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// A socket of the network.
    Network { site: watch::Receiver<Arc<Site>>, local: IpAddr, transport: Transport },
    /// The Unix socket of this machine, which no listener governs.
    Local(UrlPrefix),
}

impl Door {
    /// The Unix socket, with the prefix that clients use unless told otherwise.
    pub(crate) fn local() -> Self {
        Self::Local(UrlPrefix::default())
    }

    /// Whether a path is that of a listener; one slash at its end does not count.
    pub(crate) fn admits(&self, path: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path);
        let Some(path) = path.strip_prefix('/') else { return false };
        match self {
            Self::Local(prefix) => prefix.as_str() == path,
            Self::Network { site, local, .. } => {
                site.borrow().prefixes(*local).any(|prefix| prefix.as_str() == path)
            }
        }
    }

    /// Whether no listener is behind it any more: what is under way is answered, and that was all.
    pub(crate) fn is_shut(&self) -> bool {
        match self {
            Self::Local(_) => false,
            Self::Network { site, local, transport } => {
                site.has_changed().is_err() || !site.borrow().serves(*local, *transport)
            }
        }
    }

    /// Waits until it is shut.
    pub(crate) async fn shut(&self) {
        let Self::Network { site, local, transport } = self else { return std::future::pending().await };
        // An error means that the socket was closed.
        let _ = site.clone().wait_for(|site| !site.serves(*local, *transport)).await;
    }
}
