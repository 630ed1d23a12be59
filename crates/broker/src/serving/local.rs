//! Connections of programs of this machine, handed over to the gateway.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use auth::{AuthError, Identity, LocalUsers};
use limits::Permit;

use super::Broker;
use crate::local_connections::LocalConnection;
use crate::message::Tell;

/// Permits of the connections that the gateway has open. They are given back when the gateway reports the end of the
/// connection, and all of them when the gateway ends.
#[derive(Default)]
pub(super) struct LocalPermits(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    last: u64,
    open: HashMap<u64, Permit<u32>>,
}

impl LocalPermits {
    fn keep(&self, permit: Permit<u32>) -> u64 {
        let mut numbered = self.locked();
        numbered.last = numbered.last.wrapping_add(1);
        let number = numbered.last;
        numbered.open.insert(number, permit);
        number
    }

    pub(super) fn close(&self, number: u64) {
        self.locked().open.remove(&number);
    }

    fn locked(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broker {
    /// Hands over a connection of a program of this machine.
    ///
    /// # Errors
    /// [`AuthError`] if its user has no account, or too many sessions.
    pub fn hand_over(&self, connection: LocalConnection, users: &dyn LocalUsers) -> Result<(), AuthError> {
        self.served.fetch_add(1, Ordering::Relaxed);
        let LocalConnection { stream, uid, open } = connection;
        let identity = Identity::by_peer_credentials(uid, users)?;
        let signed_in = self.sign_in(identity, HERE)?;
        let session = signed_in.session;
        let number = self.locals.keep(open);
        let tell = Tell::Local { number, uid, signed_in };
        if let Err(error) = self.link.send(&tell.encode(0), &[stream.as_fd()]) {
            tracing::debug!(%error, "A local connection cannot be handed to the gateway");
            self.locals.close(number);
            self.sessions.end(session);
        }
        Ok(())
    }
}

/// Where programs of this machine are.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
