//! Transfer of local connections to the gateway.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;

use auth::{AuthError, Identity, LocalUsers};
use limits::Permit;
use locks::Mutex;

use super::{Broker, SignInKind};
use crate::local_connections::LocalConnection;
use crate::message::BrokerMessage;

/// Permits of the local connections that the gateway has open. A permit is released when the gateway reports the end of
/// its connection; all are released when the gateway ends.
#[derive(Default)]
pub(super) struct LocalPermits(Mutex<OpenPermits>);

#[derive(Default)]
struct OpenPermits {
    last: u64,
    open: HashMap<u64, Permit<u32>>,
}

impl LocalPermits {
    fn insert(&self, permit: Permit<u32>) -> u64 {
        let mut permits = self.0.lock();
        permits.last = permits.last.wrapping_add(1);
        let connection = permits.last;
        permits.open.insert(connection, permit);
        connection
    }

    pub(super) fn close(&self, connection: u64) {
        self.0.lock().open.remove(&connection);
    }
}

impl Broker {
    /// Signs in the user of a local connection and sends the connection to the gateway.
    ///
    /// # Errors
    /// [`AuthError`] if the user has no account, or too many sessions.
    pub fn hand_over(&self, connection: LocalConnection, users: &dyn LocalUsers) -> Result<(), AuthError> {
        self.served.fetch_add(1, Ordering::Relaxed);
        let LocalConnection { stream, uid, open } = connection;
        let identity = Identity::by_peer_credentials(uid, users)?;
        let signed_in = self.open_session(identity, HERE, SignInKind::New)?;
        let session = signed_in.session;
        let connection = self.locals.insert(open);
        let event = BrokerMessage::LocalConnected { connection, uid, signed_in };
        if let Err(error) = self.link.send(&event.encode(0), &[stream.as_fd()]) {
            tracing::debug!(%error, "Cannot send a local connection to the gateway");
            self.locals.close(connection);
            self.sessions.end(session);
        }
        Ok(())
    }
}

/// Source address of local programs.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
